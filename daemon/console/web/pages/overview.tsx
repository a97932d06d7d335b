// What there is to know at a glance: money, resources, and what waits for somebody.
import type { ComponentChildren } from "preact";
import { Link } from "../app/router";
import type { Answer } from "../data/client";
import { isOperator, may, zone } from "../data/session";
import { useGet, usePolling } from "../data/use";
import { StateBadge } from "../parts/badge";
import { Chart } from "../parts/chart";
import {
  count,
  decimal,
  lastDay,
  money,
  monthName,
  offset,
  shortDay,
  shortMonth,
  symbol,
  time,
} from "../parts/format";
import { Icon } from "../parts/icon";
import { TenantName } from "../parts/names";
import { Page, Panel } from "../parts/page";
import { Await, Empty } from "../parts/status";
import { Table } from "../parts/table";
import { Time } from "../parts/time";
import { t, wordFor } from "../words/words";

type Overview = Answer<"/v1/overview">;
const REFRESH = 60000; // milliseconds
const WAITING = ["requested", "approved", "provisioning"];
const KINDS = ["software", "broadband", "terminal"] as const;
const SHORT = 1000; // from here axis figures are written with thousands

function Tile({ name, value, note, to }: { name: string; value: string; note: ComponentChildren; to?: string }) {
  const content = (
    <>
      <span class="tile-name">{name}</span>
      <span class="tile-value">{value}</span>
      <span class="tile-note">{note}</span>
    </>
  );
  return to ? (
    <Link class="tile" to={to}>
      {content}
    </Link>
  ) : (
    <div class="tile">{content}</div>
  );
}

function countOf(overview: Overview, states: string[]): number {
  return overview.resources
    .filter(({ state }) => states.includes(state))
    .reduce((sum, row) => sum + row.count, 0);
}

function Tiles({ overview }: { overview: Overview }) {
  const month = overview.months[overview.months.length - 1];
  const waiting = countOf(overview, WAITING);
  const failed = countOf(overview, ["failed"]);
  const { unpaid } = overview;
  return (
    <div class="tiles">
      {month && (
        <Tile
          name={t.overview.charges(monthName(month.period))}
          value={money(month.total)}
          note={
            <>
              <StateBadge state={month.state} /> {t.overview.bills(month.invoices)}
              {month.credited.amount.startsWith("-") &&
                ` · ${t.overview.credited(money({ ...month.credited, amount: month.credited.amount.slice(1) }))}`}
            </>
          }
          to={`/console/bills?period=${month.period}`}
        />
      )}
      <Tile
        name={t.overview.recurring}
        value={money(overview.recurring)}
        note={t.overview.recurringNote(countOf(overview, ["active"]))}
        to="/console/resources?state=active"
      />
      {unpaid && (
      <Tile
        name={t.overview.unpaid}
        value={money(unpaid.total)}
        note={
          unpaid.overdue_invoices > 0 ? (
            <span class="bad-text">{t.overview.overdue(money(unpaid.overdue_total), unpaid.overdue_invoices)}</span>
          ) : (
            t.overview.noneOverdue(unpaid.invoices)
          )
        }
        to="/console/bills?state=finalized"
      />
      )}
      <Tile
        name={t.overview.waiting}
        value={count(waiting)}
        note={
          failed > 0 ? (
            <span class="bad-text">{t.overview.failed(failed)}</span>
          ) : waiting > 0 ? (
            t.overview.waitingNote
          ) : (
            t.overview.nothingWaits
          )
        }
        to={`/console/resources?state=${[...WAITING, "failed"].join(",")}`}
      />
    </div>
  );
}

function axisText(value: number): string {
  return Math.abs(value) >= SHORT ? `${decimal(String(value / SHORT))}k` : decimal(String(value));
}

function Charges({ months }: { months: Overview["months"] }) {
  if (months.length === 0) return <Empty text={t.overview.noCharges} />;
  const currency = months[0]!.total.currency;
  return (
    <Chart
      title={t.overview.chargesByMonth}
      kind="bars"
      stacked
      unit={t.overview.inCurrency(currency)}
      names={months.map(({ period }) => monthName(period))}
      ticks={months.map(({ period }) => shortMonth(period))}
      firstColumn={t.bills.period}
      axis={(value) => `${symbol(currency)}${axisText(value)}`}
      series={[
        {
          name: t.bills.net,
          colour: 1,
          values: months.map(({ net }) => Number(net.amount)),
          texts: months.map(({ net }) => money(net)),
        },
        {
          name: t.bills.tax,
          colour: 4,
          values: months.map(({ tax }) => Number(tax.amount)),
          texts: months.map(({ tax }) => money(tax)),
        },
      ]}
    />
  );
}

function ActiveDays({ days }: { days: Overview["active_days"] }) {
  return (
    <Chart
      title={t.overview.activeDays}
      kind="lines"
      stacked
      whole
      unit={t.overview.activeUnit}
      names={days.map(({ day }) => day)}
      ticks={days.map(({ day }) => shortDay(day))}
      firstColumn={t.usage.day}
      axis={count}
      series={KINDS.map((kind, index) => ({
        name: t.kindsMany[kind],
        colour: index + 1,
        values: days.map((day) => day[kind]),
        texts: days.map((day) => count(day[kind])),
      }))}
    />
  );
}

const PLACES: Record<string, string> = {
  res: "/console/resources/",
  inv: "/console/bills/",
  op: "/console/operations",
  exp: "/console/exports/",
};

function placeOf(id: string): string | null {
  const place = PLACES[id.split("_")[0] ?? ""];
  return place === undefined ? null : place.endsWith("/") ? place + id : `${place}?state=failed`;
}

type Attention = Overview["attention"][number];

/** The name of what needs attention: of a thing its own, of work and of packets what they are. */
function nameOf({ reason, name, id }: Attention): string {
  if (reason === "operation_failed") return wordFor(t.operations.kinds, name);
  if (reason === "radius_quarantine") return wordFor(t.quarantine, name);
  return name || id;
}

function detailOf({ reason, detail }: Attention): string {
  if (reason === "resource_waiting") return wordFor(t.states, detail);
  if (reason === "radius_quarantine") return t.overview.packets(detail);
  if (reason !== "invoice_overdue") return detail || "—";
  const [amount = "", currency = ""] = detail.split(" ");
  return money({ amount, currency });
}

function AttentionList({ overview }: { overview: Overview }) {
  const rows = overview.attention;
  if (rows.length === 0)
    return (
      <div class="all-well">
        <Icon name="check" />
        {t.overview.allWell}
      </div>
    );
  return (
    <>
      <Table
        label={t.overview.attention}
        rows={rows}
        keyOf={(row) => `${row.reason} ${row.id}`}
        columns={[
          {
            name: t.overview.what,
            head: true,
            cell: (row) => {
              const place = placeOf(row.id);
              const name = <span class={row.id.startsWith("inv_") ? "nowrap" : undefined}>{nameOf(row)}</span>;
              return place ? <Link to={place}>{name}</Link> : name;
            },
          },
          {
            name: t.overview.why,
            cell: (row) => (
              <span class={`reason ${row.reason === "resource_waiting" ? "wait" : "urgent"}`}>
                {wordFor(t.reasons, row.reason)}
              </span>
            ),
          },
          { name: t.overview.detail, cell: detailOf },
          ...(isOperator()
            ? [
                {
                  name: t.tenants.one,
                  cell: (row: (typeof rows)[number]) =>
                    row.tenant_id ? <TenantName id={row.tenant_id} /> : "—",
                },
              ]
            : []),
          { name: t.overview.since, cell: (row) => <Time at={row.since} relative /> },
        ]}
      />
      {overview.attention_total > rows.length && (
        <p class="panel-note muted">{t.overview.more(rows.length, overview.attention_total)}</p>
      )}
    </>
  );
}

function StateTable({ overview }: { overview: Overview }) {
  const states = [...new Set(overview.resources.map(({ state }) => state))].sort(
    (a, b) => Object.keys(t.states).indexOf(a) - Object.keys(t.states).indexOf(b),
  );
  const number = (kind: string, state: string) =>
    overview.resources.find((row) => row.kind === kind && row.state === state)?.count ?? 0;
  if (states.length === 0) return <Empty text={t.resources.empty} />;
  return (
    <Table
      rigid
      label={t.overview.resourcesByState}
      rows={states}
      keyOf={(state) => state}
      columns={[
        { name: t.resources.state, head: true, cell: (state) => <StateBadge state={state} /> },
        ...KINDS.map((kind) => ({
          name: t.kindsMany[kind],
          figure: true,
          cell: (state: string) => {
            const found = number(kind, state);
            return found === 0 ? (
              <span class="muted">0</span>
            ) : (
              <Link to={`/console/resources?kind=${kind}&state=${state}`}>{count(found)}</Link>
            );
          },
        })),
      ]}
    />
  );
}

export function OverviewPage() {
  const overview = useGet("/v1/overview");
  usePolling(overview.reload, true, REFRESH);
  return (
    <Page
      title={t.nav.overview}
      under={
        overview.data && (
          <span class="muted">
            {t.overview.asOf(time(overview.data.as_of, zone()), `${zone()} (${offset(zone())})`)}
          </span>
        )
      }
    >
      <Await of={overview} rows={8}>
        {(data) => (
          <>
            <Tiles overview={data} />
            <div class="columns">
              {may("invoices:read") && (
                <Panel title={t.overview.chargesByMonth}>
                  <Charges months={data.months} />
                </Panel>
              )}
              <Panel
                title={t.overview.activeDays}
                note={
                  data.active_days.length > 0 &&
                  t.overview.until(lastDay(data.as_of, zone()))
                }
              >
                <ActiveDays days={data.active_days} />
              </Panel>
            </div>
            <div class="columns wide-first">
              <Panel title={t.overview.attention}>
                <AttentionList overview={data} />
              </Panel>
              <Panel title={t.overview.resourcesByState}>
                <StateTable overview={data} />
              </Panel>
            </div>
          </>
        )}
      </Await>
    </Page>
  );
}
