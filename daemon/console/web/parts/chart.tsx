// Charts on a canvas (uPlot), in the colours of the theme, with the same figures as a table behind.
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { theme } from "../app/theme";
import { useStore } from "../data/store";
import { t } from "../words/words";
import { Table } from "./table";

export interface Series {
  name: string;
  /** One of the chart tokens: 1 to 6. */
  colour: number;
  /** null: no figure there. Floats are good enough to draw with. */
  values: (number | null)[];
  /** The same figures as they are read. */
  texts: string[];
}

interface ChartProps {
  title: string;
  /** Names of the places along the axis, in their order. */
  names: string[];
  /** Shorter ones for below the axis; some are left out where it is narrow. */
  ticks?: string[];
  /** How many places apart they may stand (any number, without it): an hour's stand best at midnights. */
  steps?: number[];
  series: Series[];
  /** Bars for sums of a period, lines for levels; stacked, where the series add up. */
  kind: "bars" | "lines";
  stacked?: boolean;
  /** What the value axis counts, such as "CNY" or "GB". */
  unit: string;
  axis: (value: number) => string;
  /** The values are counts: no mark of the axis lies between two. */
  whole?: boolean;
  firstColumn: string;
  height?: number;
}

const WHOLE_STEPS = [1, 2, 5].flatMap((step) => [0, 1, 2, 3, 4, 5, 6].map((power) => step * 10 ** power)).sort((a, b) => a - b);

/** The colour that a token has now: a canvas takes no var(). */
function colourOf(probe: HTMLElement, token: string): string {
  probe.style.color = `var(${token})`;
  return getComputedStyle(probe).color;
}

function stack(series: Series[]): (number | null)[][] {
  const sums: number[] = [];
  return series.map(({ values }) =>
    values.map((value, index) => (sums[index] = (sums[index] ?? 0) + (value ?? 0))),
  );
}

function drawable(series: Series[], stacked: boolean, length: number): uPlot.AlignedData {
  const places = Array.from({ length }, (_, index) => index);
  // The topmost of a stack is drawn first, so that those below lie over it.
  const rows = stacked ? stack(series).reverse() : series.map(({ values }) => values);
  return [places, ...rows] as uPlot.AlignedData;
}

/** Of a text in the axis's font, in pixels: a Chinese character is as wide as the font is high. */
function roughWidth(text: string): number {
  return [...text].reduce((sum, character) => sum + (character > "\u2e80" ? 12 : 7), 0);
}

function makeOptions(props: ChartProps, probe: HTMLElement, width: number): uPlot.Options {
  const { series, kind, stacked = false, names, ticks = names, steps = [], axis, height = 240 } = props;
  const text = colourOf(probe, "--text-quiet");
  const grid = colourOf(probe, "--chart-grid");
  const font = `12px ${getComputedStyle(probe).fontFamily}`;
  const ordered = stacked ? [...series].reverse() : series;
  const widest = Math.max(...ticks.map(roughWidth)) + 20;
  const bars = kind === "bars" ? uPlot.paths.bars!({ size: [0.62, 44], radius: 0.08 }) : undefined;
  return {
    width,
    height,
    padding: [12, 8, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { show: kind === "lines" }, drag: { x: false, y: false } },
    scales: {
      x: { time: false, range: [kind === "bars" ? -0.5 : 0, names.length - (kind === "bars" ? 0.5 : 1)] },
      // Money and counts start at zero.
      y: { range: (_, min, max) => [Math.min(0, min), max > 0 ? max * 1.08 : 1] },
    },
    axes: [
      {
        stroke: text,
        font,
        grid: { show: false },
        ticks: { show: false },
        gap: 8,
        size: 32,
        splits: (plot) => {
          const room = Math.max(1, Math.floor((plot.width - 72) / widest));
          const least = Math.max(1, Math.ceil(names.length / room));
          const step = steps.find((each) => each >= least) ?? least;
          return names.map((_, index) => index).filter((index) => index % step === 0);
        },
        values: (_, splits) => splits.map((split) => ticks[split] ?? ""),
      },
      {
        stroke: text,
        font,
        grid: { stroke: grid, width: 1 },
        ticks: { show: false },
        size: 64,
        gap: 8,
        space: 44,
        ...(props.whole ? { incrs: WHOLE_STEPS } : {}),
        values: (_, splits) => splits.map((split) => axis(split)),
      },
    ],
    series: [
      {},
      ...ordered.map((each) => {
        const colour = colourOf(probe, `--chart-${each.colour}`);
        const solid = kind === "bars" || stacked;
        return {
          label: each.name,
          stroke: colour,
          width: kind === "bars" ? 0 : 2,
          ...(solid ? { fill: colour } : {}),
          ...(bars ? { paths: bars } : {}),
          points: { show: names.length === 1 && kind === "lines" },
        };
      }),
    ],
  };
}

function Tip({ props, index, left }: { props: ChartProps; index: number; left: number }) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const tip = place.current!;
    const room = tip.parentElement!.clientWidth - tip.offsetWidth - 4;
    tip.style.left = `${Math.max(0, Math.min(left + 14, room))}px`;
  });
  return (
    <div ref={place} class="chart-tip" aria-hidden="true">
      <strong>{props.names[index]}</strong>
      {props.series.map((each) => (
        <span key={each.name} class={`key-${each.colour}`}>
          {each.name} <b>{each.texts[index]}</b>
        </span>
      ))}
    </div>
  );
}

/** The figures behind a chart. */
export function ChartTable({ title, names, series, firstColumn }: ChartProps) {
  return (
    <details class="chart-table">
      <summary>{t.common.showTable}</summary>
      <Table
        rigid
        label={title}
        rows={names.map((name, index) => ({ name, index }))}
        keyOf={(row) => row.index}
        columns={[
          { name: firstColumn, cell: (row) => row.name, head: true },
          ...series.map((each) => ({
            name: each.name,
            cell: (row: { index: number }) => each.texts[row.index],
            figure: true,
          })),
        ]}
      />
    </details>
  );
}

export function Chart(props: ChartProps) {
  const frame = useRef<HTMLDivElement>(null);
  const probe = useRef<HTMLSpanElement>(null);
  const [tip, setTip] = useState<{ index: number; left: number } | null>(null);
  const [dark, setDark] = useState(false);
  useStore(theme);
  const { names, series, kind, stacked = false, title } = props;

  useEffect(() => {
    const query = matchMedia("(prefers-color-scheme: dark)");
    const changed = () => setDark(query.matches);
    changed();
    query.addEventListener("change", changed);
    return () => query.removeEventListener("change", changed);
  }, []);

  const content = JSON.stringify([names, series, kind, stacked, theme.get(), dark, t.product]);
  useEffect(() => {
    const space = frame.current!;
    const options = makeOptions(props, probe.current!, space.clientWidth);
    options.hooks = {
      setCursor: [
        (plot) => {
          const { idx, left } = plot.cursor;
          setTip(idx == null || left == null || left < 0 ? null : { index: idx, left: left + 64 });
        },
      ],
    };
    const plot = new uPlot(options, drawable(series, stacked, names.length), space);
    const resize = new ResizeObserver(() => plot.setSize({ width: space.clientWidth, height: options.height }));
    resize.observe(space);
    return () => {
      resize.disconnect();
      plot.destroy();
    };
  }, [content]);

  return (
    <figure class="chart">
      <figcaption>
        <span class="muted">{props.unit}</span>
        {series.length > 1 && (
          <ul class="legend">
            {series.map((each) => (
              <li key={each.name} class={`key-${each.colour}`}>
                {each.name}
              </li>
            ))}
          </ul>
        )}
      </figcaption>
      <span ref={probe} class="probe" aria-hidden="true" />
      <div class="chart-frame">
        <div ref={frame} role="img" aria-label={t.common.chartLabel(title)} />
        {tip && <Tip props={props} {...tip} />}
      </div>
      <ChartTable {...props} />
    </figure>
  );
}
