// Where the amount of a line comes from, as arithmetic that can be read and checked by hand.
import type { ComponentChildren } from "preact";
import { Link } from "../app/router";
import type { Schemas } from "../data/client";
import { useGet } from "../data/use";
import { Facts } from "../parts/facts";
import { brief, decimal, exact, money, percent, quantity, saidName, unitWord } from "../parts/format";
import { Await } from "../parts/status";
import { Table } from "../parts/table";
import { Time } from "../parts/time";
import { t, wordFor } from "../words/words";

type Invoice = Schemas["Invoice"];
type Explanation = Schemas["InvoiceLineExplanation"];
type PriceStep = Schemas["PriceStep"];
/** What a fee for a terminal came from. */
interface FeeStep {
  asset_tag?: string;
  due_on?: string;
  days?: number;
  asked?: string;
  reason?: string;
  decision?: string;
  replacement?: string;
  depreciation?: string;
  claimed?: string;
}
/** A step of a line: one of a price's, the share of the period, what comes off late usage, what a fee came from, or one of a
 * service credit. */
type Step = Omit<PriceStep, "step"> & FeeStep & {
  step:
    | PriceStep["step"] | "proration" | "billed_before" | "overdue" | "loss" | "damage"
    | "measured" | "rule" | "base" | "service_credit" | "credited_before" | "left_for_later";
  share?: string;
  method?: string;
  active_days?: number;
  period_days?: number;
  measure?: Schemas["ServiceMeasure"];
  minutes?: number;
  name?: string;
  version?: number;
  over_minutes?: number;
  percent?: string;
  lines?: { line: number; net: string }[];
};
interface Day {
  day: string;
  value: string;
  count: number | null;
}
const EVENTS_SHOWN = 5;
const TIMES = " × ";

/** Of a loss that was valued, the arithmetic; else, and for damage, what was said of it. */
function feeReason(step: Step, amount: (value?: string) => string): string {
  const parts = step.replacement === undefined ? [step.reason] : [
    `${amount(step.replacement)} − ${t.explanation.depreciation(amount(step.depreciation))}`
      + (step.claimed ? ` − ${t.explanation.claimed(amount(step.claimed))}` : ""),
  ];
  return [...parts, step.decision].filter(Boolean).join(" · ");
}

/** One row of the working: what it is, how it is reckoned, what comes of it. */
function written(step: Step, currency: string): [string, string, string] {
  const amount = (value = "0") => exact(value, currency);
  const number = (value = "0") => decimal(value);
  const result = step.amount === undefined ? number(step.result) : amount(step.amount);
  const steps = t.explanation.steps;
  switch (step.step) {
    case "proration":
      return [
        steps.proration,
        `${step.active_days} ÷ ${step.period_days} ${t.explanation.days}${
          step.method === "calendar_day" ? "" : ` (${wordFor(t.explanation.methods, step.method ?? "")})`
        }`,
        number(step.share),
      ];
    case "billed_before":
      return [steps.billedBefore, "", amount(`-${step.amount}`)];
    case "overdue":
      return [steps.overdue, t.explanation.dueOn(step.due_on ?? ""), quantity(String(step.days), "Days")];
    case "loss":
      return [steps.loss, feeReason(step, amount), amount(step.asked)];
    case "damage":
      return [steps.damage, feeReason(step, amount), amount(step.asked)];
    case "measured":
      return [t.explanation.measures[step.measure ?? "interruption"], "", quantity(String(step.minutes), "Minutes")];
    case "rule":
      return [
        `${step.name} · ${t.resources.version(step.version ?? 1)}`,
        t.explanation.over(quantity(String(step.over_minutes), "Minutes")),
        `${number(step.percent)}%`,
      ];
    case "base":
      return [steps.base, (step.lines ?? []).map(({ net }) => amount(net)).join(" + "), result];
    case "service_credit":
      return [steps.credit, `${amount(step.of)}${TIMES}${number(step.percent)}%`, result];
    case "credited_before":
      return [steps.creditedBefore, "", result];
    case "left_for_later":
      return [steps.leftForLater, "", result];
    case "negative":
      return [steps.negative, number(step.quantity), result];
    case "convert":
      return [steps.convert, `${number(step.quantity)} ÷ ${number(step.divide_by)}`, result];
    case "round":
      return [wordFor(t.explanation.rounds, step.round ?? ""), number(step.quantity), result];
    case "free_units":
      return [steps.free, `${number(step.quantity)} − ${number(step.free_units)}`, result];
    case "flat":
      return [steps.flat, `${amount(step.period_amount)}${TIMES}${number(step.quantity)}`, result];
    case "unit":
      return [steps.unit, `${number(step.quantity)}${TIMES}${amount(step.unit_amount)}`, result];
    case "tier": {
      const price = step.rate !== undefined ? percent(String(Number(step.rate) / 100)) : amount(step.unit_amount);
      const flat = step.flat_amount && step.flat_amount !== "0" ? ` + ${amount(step.flat_amount)}` : "";
      const name = step.to == null
        ? t.explanation.tierOpen(step.number ?? 1, number(step.from))
        : t.explanation.tier(step.number ?? 1, number(step.from), number(step.to));
      return [name, `${number(step.quantity)}${TIMES}${price}${flat}`, result];
    }
    case "cell": {
      const values = Object.entries(step.values ?? {}).map(([name, value]) => `${name}: ${saidName(value)}`);
      return [
        values.length > 0 ? values.join(" · ") : steps.otherCells,
        `${number(step.quantity)}${TIMES}${amount(step.unit_amount)}`,
        result,
      ];
    }
    case "package":
      return [
        t.explanation.packages(number(step.packages), number(step.package_size)),
        `${number(step.packages)}${TIMES}${amount(step.package_amount)}`,
        result,
      ];
    case "event": {
      const free = step.free_value && step.free_value !== "0";
      const name = t.explanation.event(step.number ?? 1);
      if (free && step.free_value === step.value) return [name, t.explanation.freeEvent(amount(step.value)), result];
      const value = free ? `(${number(step.value)} − ${number(step.free_value)})` : number(step.value);
      const fixed = step.fixed_amount && step.fixed_amount !== "0" ? ` + ${amount(step.fixed_amount)}` : "";
      const bound = step.per_event_max
        ? t.explanation.atMost(amount(step.per_event_max))
        : step.per_event_min
          ? t.explanation.atLeast(amount(step.per_event_min))
          : "";
      return [name, `${value}${TIMES}${decimal(step.rate ?? "0")}%${fixed}${bound}`, result];
    }
    case "events":
      return [t.explanation.moreEvents(step.events ?? 0), amount(step.value), result];
    case "discount":
      return [steps.discount, `${amount(step.of)}${TIMES}${decimal(step.discount_percent ?? "0")}%`, result];
    case "minimum":
      return [steps.minimum, t.explanation.raised(amount(step.of), amount(step.minimum_amount)), result];
    case "maximum":
      return [steps.maximum, t.explanation.capped(amount(step.of), amount(step.maximum_amount)), result];
  }
}

function Working({ rows }: { rows: [ComponentChildren, ComponentChildren, ComponentChildren][] }) {
  return (
    <ul class="working">
      {rows.map(([name, how, result], index) => (
        <li key={index}>
          <span class="working-name">{name}</span>
          <span class="working-how">{how}</span>
          <span class="working-result">{result}</span>
        </li>
      ))}
    </ul>
  );
}

function Arithmetic({ explained, currency }: { explained: Explanation; currency: string }) {
  const { line, rounding } = explained;
  const all = explained.steps as unknown as Step[];
  const events = all.filter(({ step }) => step === "event");
  const hidden = events.slice(EVENTS_SHOWN);
  const before = all.filter((step) => !hidden.includes(step));
  const write = (steps: Step[]) => steps.map((step) => written(step, currency));
  const eventsEnd = before.findLastIndex(({ step }) => step === "event") + 1;
  const net = rounding["net"] as Schemas["Money"];
  return (
    <>
      <Working rows={write(hidden.length > 0 ? before.slice(0, eventsEnd) : before)} />
      {hidden.length > 0 && (
        <>
          <details class="more-steps">
            <summary>{t.explanation.showEvents(hidden.length)}</summary>
            <Working rows={write(hidden)} />
          </details>
          <Working rows={write(before.slice(eventsEnd))} />
        </>
      )}
      <div class="working-sum">
        <Working
          rows={[
            [t.explanation.exact, t.explanation.exactNote, exact(line.exact_amount, currency)],
            [t.bills.net, t.explanation.rounding, <strong>{money(net)}</strong>],
            [
              t.bills.tax,
              `${money(net)}${TIMES}${percent(line.tax_rate)} · ${wordFor(t.taxCategories, line.tax_category)}`,
              money(line.tax),
            ],
          ]}
        />
      </div>
    </>
  );
}

function Days({ explained }: { explained: Explanation }) {
  const days = explained.usage as unknown as Day[];
  const unit = explained.line.unit;
  if (days.length === 0) return null;
  return (
    <details class="chart-table">
      <summary>{t.explanation.usageDays(days.length)}</summary>
      <Table
        rigid
        label={t.explanation.usageDays(days.length)}
        rows={days}
        keyOf={(row) => row.day}
        columns={[
          { name: t.usage.day, head: true, cell: (row) => row.day },
          { name: unit === "Bytes" ? t.usage.value : unitWord(unit), figure: true, cell: (row) => (unit === "Bytes" ? quantity(row.value, unit) : brief(row.value, 6)) },
          ...(explained.meter && explained.meter["source"] !== "derived" && days.some((day) => day.count !== null) ? [{ name: t.usage.events, figure: true, cell: (row: Day) => decimal(String(row.count)) }] : []),
        ]}
      />
    </details>
  );
}

export function LineExplanation({ bill, line }: { bill: Invoice; line: number }) {
  const explained = useGet("/v1/invoices/{invoice_id}/lines/{line}/explanation", {
    at: { invoice_id: bill.id, line },
  });
  return (
    <Await of={explained} rows={3}>
      {(data) => (
        <div class="explanation">
          <div>
            <h3>{t.explanation.title}</h3>
            <Arithmetic explained={data} currency={bill.total.currency} />
            <Days explained={data} />
          </div>
          <Facts
            facts={[
              data.price && [t.explanation.model, wordFor(t.models, data.price.model)],
              [t.resources.plan, `${String(data.plan["code"])} · ${t.resources.version(Number(data.plan["version"]))}`],
              [t.explanation.published, <Time at={String(data.plan["published_at"])} />],
              data.meter && [t.usage.meter, String(data.meter["code"])],
              [t.resources.one, <Link to={`/console/resources/${data.line.resource_id}`}>{t.explanation.openResource}</Link>],
            ]}
          />
        </div>
      )}
    </Await>
  );
}
