// The usage explorer: a meter by hours, days or months, as a chart and as the table behind it.
import { Link, useFilter, setFilters, usePlace } from "../app/router";
import { address, csv, get, type Query, type Schemas } from "../data/client";
import { useMeters } from "../data/names";
import { isOperator, zone } from "../data/session";
import { useGet, useLoaded } from "../data/use";
import { Chart, type Series } from "../parts/chart";
import { CopyButton } from "../parts/copy";
import { DownloadButton } from "../parts/download";
import { Filters, FilterSelect, TenantFilter } from "../parts/filters";
import { curlLine } from "../parts/form";
import {
  add,
  addDays,
  addMonths,
  brief,
  bytes,
  byteUnit,
  day,
  decimal,
  instantOf,
  lastDay,
  monthName,
  offset,
  quantity,
  saidName,
  shortDay,
  shortMonth,
  time,
  unitWord,
} from "../parts/format";
import { Page, Panel } from "../parts/page";
import { Await, Empty } from "../parts/status";
import { Table, type Column } from "../parts/table";
import { ZoneNote } from "../parts/time";
import { named, t } from "../words/words";

type Usage = Schemas["Usage"];
type Window = Usage["window"];
const WINDOWS: Window[] = ["hour", "day", "month"];
const SPANS = ["24h", "7d", "30d", "90d", "this", "last", "12m"] as const;
type Span = (typeof SPANS)[number];
const COLOURS = 6;
const MOST_LINES = 5; // groups that a chart shows apart; the others are added up
const HOUR_STEPS = [1, 2, 3, 6, 12, 24, 48, 72, 7 * 24];

/** From when until when, in whole hours or days of the zone, and the windows that suit. */
function rangeOf(span: Span, zoneName: string): { from: string; to: string; window: Window } {
  const now = Date.now();
  const today = day(now, zoneName);
  const month = today.slice(0, 7);
  const midnight = (date: string) => instantOf(date, zoneName);
  const tomorrow = midnight(addDays(today, 1));
  const hour = 3600000;
  const nextHour = new Date(Math.ceil((now + 1) / hour) * hour);
  const plain = (date: Date) => date.toISOString().replace(".000Z", "Z");
  switch (span) {
    case "24h":
      return { from: plain(new Date(nextHour.getTime() - 24 * hour)), to: plain(nextHour), window: "hour" };
    case "7d":
      return { from: midnight(addDays(today, -6)), to: tomorrow, window: "hour" };
    case "30d":
      return { from: midnight(addDays(today, -29)), to: tomorrow, window: "day" };
    case "90d":
      return { from: midnight(addDays(today, -89)), to: tomorrow, window: "day" };
    case "this":
      return { from: midnight(`${month}-01`), to: tomorrow, window: "day" };
    case "last":
      return { from: midnight(`${addMonths(month, -1)}-01`), to: midnight(`${month}-01`), window: "day" };
    case "12m":
      return { from: midnight(`${addMonths(month, -11)}-01`), to: tomorrow, window: "month" };
  }
}

function windowName(from: string, window: Window, zoneName: string): string {
  if (window === "month") return monthName(day(from, zoneName).slice(0, 7));
  return window === "day" ? day(from, zoneName) : time(from, zoneName);
}

function tick(from: string, window: Window, zoneName: string): string {
  const date = day(from, zoneName);
  if (window === "month") return shortMonth(date.slice(0, 7));
  if (window === "day") return shortDay(date);
  const clock = time(from, zoneName).slice(11);
  return clock === "00:00" ? shortDay(date) : clock;
}

/** The beginnings of all windows of a range, also of those in which nothing was used. */
function windowsOf({ from, to, window, time_zone }: { from: string; to: string; window: Window; time_zone: string }): string[] {
  const found: string[] = [];
  const step: Record<Window, (at: string) => string> = {
    hour: (at) => new Date(Date.parse(at) + 3600000).toISOString().replace(".000Z", "Z"),
    day: (at) => instantOf(addDays(day(at, time_zone), 1), time_zone),
    month: (at) => instantOf(`${addMonths(day(at, time_zone).slice(0, 7), 1)}-01`, time_zone),
  };
  for (let at = from; Date.parse(at) < Date.parse(to); at = step[window](at)) found.push(at);
  return found;
}

/** A reader for the figures of one unit: bytes are shown in the unit that suits the largest. */
function scaleFor(usage: Usage): { unit: string; draw: (value: string) => number; text: (value: string) => string; axis: (value: number) => string } {
  if (usage.unit !== "Bytes")
    return {
      unit: unitWord(usage.unit),
      draw: Number,
      text: (value) => brief(value, 6),
      axis: (value) => decimal(String(value)),
    };
  const most = Math.max(0, ...usage.data.map(({ value }) => Number(value ?? 0)));
  const [unit, power] = byteUnit(most);
  return {
    unit,
    draw: (value) => Number(value) / 10 ** power,
    text: bytes,
    axis: (value) => decimal(String(value)),
  };
}

interface Group {
  key: string;
  /** What it is of, in the order of group_by; null where events do not say. */
  of: (string | null)[];
  values: Map<string, string>;
  sum: number;
}

/** Windows of a grouped answer, one row of values a group, the largest first. */
function groups(usage: Usage, by: string[]): Group[] {
  const rows = new Map<string, Group>();
  for (const { from, subject, dimensions, value } of usage.data) {
    const of = by.map((name) => (name === "subject" ? subject : dimensions?.[name]) ?? null);
    const key = JSON.stringify(of);
    const row = rows.get(key) ?? { key, of, values: new Map<string, string>(), sum: 0 };
    row.values.set(from, value ?? "0");
    row.sum += Number(value ?? 0);
    rows.set(key, row);
  }
  return [...rows.values()].sort((a, b) => b.sum - a.sum);
}

const byName = (by: string[]) => t.usage.by(by.map((name) => (name === "subject" ? t.usage.resource : name)));

interface UsageViewProps {
  usage: Usage;
  range: { from: string; to: string };
  /** As group_by; empty for everything together. */
  by: string[];
  tenant: string;
}

function UsageView({ usage, range, by, tenant }: UsageViewProps) {
  const zoneName = usage.time_zone;
  const grouped = by.length > 0;
  const scale = scaleFor(usage);
  const instants = grouped ? windowsOf({ ...usage, ...range }) : usage.data.map(({ from }) => from);
  const additive = ["sum", "count", "days"].includes(usage.aggregation);
  const resources = useGet(by.includes("subject") ? "/v1/resources" : null, {
    query: { limit: 500, ...(tenant && isOperator() ? { tenant } : {}) },
  });
  const resourceName = (subject: string) => {
    const resource = resources.data?.data.find(({ id }) => id === subject);
    return resource ? `${resource.name} · ${resource.external_id ?? subject.slice(-6)}` : subject;
  };
  const nameOf = ({ of }: Group) =>
    of.map((said, index) => (by[index] === "subject" ? resourceName(said ?? "") : saidName(said))).join(" · ");
  const total = usage.data.reduce((sum, { value }) => add(sum, value ?? "0"), "0");
  if (usage.data.every(({ value }) => value === null || Number(value) === 0))
    return <Empty text={t.usage.empty} />;

  const all = grouped ? groups(usage, by) : [];
  const shown = all.slice(0, all.length > MOST_LINES + 1 ? MOST_LINES : MOST_LINES + 1);
  const rest = all.slice(shown.length);
  const series: Series[] = grouped
    ? shown.map((row, index) => ({
        name: nameOf(row),
        colour: (index % COLOURS) + 1,
        values: instants.map((from) => scale.draw(row.values.get(from) ?? "0")),
        texts: instants.map((from) => scale.text(row.values.get(from) ?? "0")),
      }))
    : [
        {
          name: t.usage.value,
          colour: 1,
          values: usage.data.map(({ value }) => (value === null ? null : scale.draw(value))),
          texts: usage.data.map(({ value }) => (value === null ? "—" : scale.text(value))),
        },
      ];
  if (rest.length > 0 && additive) {
    const sums = instants.map((from) => rest.reduce((sum, row) => add(sum, row.values.get(from) ?? "0"), "0"));
    series.push({
      name: t.usage.others(rest.length),
      colour: COLOURS,
      values: sums.map(scale.draw),
      texts: sums.map(scale.text),
    });
  }
  return (
    <>
      {additive && (
        <p class="total">
          <span class="muted">{t.usage.total}</span> <strong>{quantity(total, usage.unit)}</strong>
        </p>
      )}
      <Chart
        title={t.usage.chartOf(usage.meter)}
        kind={additive ? "bars" : "lines"}
        stacked={grouped && additive}
        unit={scale.unit}
        names={instants.map((from) => windowName(from, usage.window, zoneName))}
        ticks={instants.map((from) => tick(from, usage.window, zoneName))}
        steps={usage.window === "hour" ? HOUR_STEPS : undefined}
        firstColumn={t.usage.windows[usage.window]}
        axis={scale.axis}
        series={series}
        height={300}
      />
      {grouped && (
        <Table
          label={byName(by)}
          rows={all}
          keyOf={(row) => row.key}
          columns={[
            ...by.map(
              (name, index): Column<Group> => ({
                name: name === "subject" ? t.resources.one : name,
                head: index === 0,
                cell: ({ of }) => {
                  const said = of[index] ?? null;
                  if (name === "subject") return <Link to={`/console/resources/${said}`}>{resourceName(said ?? "")}</Link>;
                  return said ? said : <span class="muted">{saidName(said)}</span>;
                },
              }),
            ),
            ...(additive
              ? [{
                  name: t.usage.total,
                  figure: true,
                  cell: (row: Group) => quantity([...row.values.values()].reduce(add, "0"), usage.unit),
                }]
              : []),
          ]}
        />
      )}
    </>
  );
}

type Said = Record<string, (string | null)[]>;

/** The filter of dimensions as the URL has it, which is as the API takes it. */
function readFilter(text: string): Said {
  try {
    const said: unknown = JSON.parse(text);
    return typeof said === "object" && said !== null ? (said as Said) : {};
  } catch {
    return {};
  }
}

interface DimensionFilterProps {
  name: string;
  /** What is shown, of which come the values to choose from. */
  request: Query<"/v1/usage">;
  said: Said;
  set: (said: Said) => void;
}

function DimensionFilter({ name, request, said, set }: DimensionFilterProps) {
  const used = useGet("/v1/usage", { query: { ...request, window: "month", group_by: [name], filter: undefined } });
  const chosen = Array.isArray(said[name]) ? said[name] : [];
  const values = [...(used.data?.data.map(({ dimensions }) => dimensions?.[name] ?? null) ?? []), ...chosen];
  const { [name]: _, ...others } = said;
  return (
    <FilterSelect label={name} value={chosen.length === 0 ? "" : JSON.stringify(chosen)} all={t.usage.anyValue}
      set={(value) => set(value === "" ? others : { ...others, [name]: JSON.parse(value) as Said[string] })}
      options={[...new Set(values)].map((value) => ({ value: JSON.stringify([value]), name: saidName(value) }))} />
  );
}

/** What usage can be grouped by: the resource, each dimension, and two of these. */
function waysToGroup(names: string[]): { value: string; name: string }[] {
  const pairs = names.flatMap((first, index) => names.slice(index + 1).map((second) => [first, second]));
  return [...names.map((name) => [name]), ...pairs].map((by) => ({ value: by.join(","), name: byName(by) }));
}

export function UsageExplorer({ tenant }: { tenant?: string }) {
  const meters = useMeters();
  const { query } = usePlace();
  const subject = query.get("subject") ?? "";
  const kind = query.get("kind") ?? "";
  const usual =
    (kind && meters.find((meter) => meter.resource_kind === kind)?.code) ||
    (meters.some((meter) => meter.code === "broadband-bytes") ? "broadband-bytes" : (meters[0]?.code ?? ""));
  const [code] = useFilter("meter", usual);
  const [span] = useFilter("span", "30d");
  const range = rangeOf(SPANS.includes(span as Span) ? (span as Span) : "30d", zone());
  const [window, setWindow] = useFilter("window", range.window);
  const [group, setGroup] = useFilter("group");
  const [filter, setFilter] = useFilter("filter");
  const [chosen, setChosen] = useFilter("tenant");
  const whose = tenant ?? (isOperator() ? chosen : "");
  const by = group.split(",").filter((name) => name !== "" && !(name === "subject" && subject));
  const request = {
    meter: code,
    from: range.from,
    to: range.to,
    window: window as Window,
    time_zone: zone(),
    group_by: by.length > 0 ? by : undefined,
    subject: subject ? [subject] : undefined,
    filter: filter || undefined,
    tenant: (isOperator() && whose) || undefined,
  };
  // What came, with what was asked for: while the next is on its way they differ from the filters.
  const usage = useLoaded(code === "" ? null : JSON.stringify(request), async (signal) => ({
    usage: await get("/v1/usage", { query: request, signal }),
    range,
    by,
  }));
  const meter = meters.find((each) => each.code === code);
  const dimensions = meter?.dimensions ?? [];
  const file = `${code}-${day(range.from, zone())}-${lastDay(range.to, zone())}.csv`;
  return (
    <>
      <Filters>
        {tenant === undefined && <TenantFilter value={chosen} set={setChosen} />}
        <FilterSelect label={t.usage.meter} value={code}
          set={(value) => setFilters({ meter: value === usual ? "" : value, group: group === "subject" ? group : "", filter: "" })}
          options={meters.map((each) => ({ value: each.code, name: named(each) }))} />
        <FilterSelect label={t.usage.span} value={span} set={(value) => setFilters({ span: value === "30d" ? "" : value, window: "" })}
          options={SPANS.map((value) => ({ value, name: t.usage.spans[value] }))} />
        <FilterSelect label={t.usage.window} value={window} set={setWindow}
          options={WINDOWS.map((value) => ({ value, name: t.usage.windows[value] }))} />
        <FilterSelect label={t.usage.group} value={by.join(",")} set={setGroup} all={t.usage.noGroup}
          options={waysToGroup(subject ? dimensions : ["subject", ...dimensions])} />
        {dimensions.map((name) => (
          <DimensionFilter key={`${code} ${name}`} name={name} request={request} said={readFilter(filter)}
            set={(said) => setFilter(Object.keys(said).length === 0 ? "" : JSON.stringify(said))} />
        ))}
        {subject && (
          <span class="chip">
            {t.resources.one}: <code>{subject}</code>
            <button type="button" class="link" onClick={() => setFilters({ subject: "", kind: "" })}>
              {t.filters.take}
            </button>
          </span>
        )}
      </Filters>
      <Panel
        title={meter ? named(meter) : t.nav.usage}
        note={
          <>
            {t.usage.range(time(range.from, zone()), time(range.to, zone()))}
            <CopyButton label={t.common.copyAsCurl} text={curlLine({ method: "GET", path: address("/v1/usage", {}, request) })} />
            <DownloadButton label={t.usage.download} name={file} load={() => csv("/v1/usage", { query: request })} />
          </>
        }
      >
        <Await of={usage} rows={8}>
          {(data) => <UsageView {...data} tenant={whose} />}
        </Await>
      </Panel>
      <ZoneNote />
    </>
  );
}

export function UsagePage() {
  return (
    <Page title={t.nav.usage} under={<span class="muted">{t.usage.says(offset(zone()))}</span>}>
      <UsageExplorer />
    </Page>
  );
}
