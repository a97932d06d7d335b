// One bill: who owes what for which month, line by line, and where each amount comes from.
import { useState } from "preact/hooks";
import { Link } from "../app/router";
import type { Schemas } from "../data/client";
import { isOperator } from "../data/session";
import { useGet, usePaged } from "../data/use";
import { StateBadge } from "../parts/badge";
import { Id } from "../parts/copy";
import { Facts } from "../parts/facts";
import { day, lastDay, money, monthName, offset, percent, quantity } from "../parts/format";
import { Icon } from "../parts/icon";
import { TenantName } from "../parts/names";
import { Page, Panel } from "../parts/page";
import { Await, Empty, ErrorBox, Skeleton } from "../parts/status";
import { Time } from "../parts/time";
import { language, named, t, wordFor } from "../words/words";
import { LineExplanation } from "./explanation";

type Invoice = Schemas["Invoice"];
type Line = Schemas["InvoiceLine"];

const lineName = (line: Line) => (language() === "en" && line.description_en ? line.description_en : line.description);

function LineRows({ bill, line }: { bill: Invoice; line: Line }) {
  const [open, setOpen] = useState(false);
  const id = `line-${line.line}`;
  const from = day(line.service_starts_at, bill.time_zone);
  const to = lastDay(line.service_ends_at, bill.time_zone);
  return (
    <>
      <tr role="row" class={open ? "opened" : undefined}>
        <td role="cell" data-name={t.bills.line} class="figure line-number">{line.line}</td>
        <td role="cell" data-name={t.bills.charge} class="head">
          <button type="button" class="expander" aria-expanded={open} aria-controls={id} onClick={() => setOpen(!open)}>
            <Icon name={open ? "down" : "right"} />
            {lineName(line)}
          </button>
          {line.correction_of && <span class="badge warning">{t.bills.correctionOf(monthName(line.correction_of))}</span>}
        </td>
        <td role="cell" data-name={t.bills.service}>{from === to ? from : `${from} – ${to}`}</td>
        <td role="cell" data-name={t.bills.quantity} class="figure">{quantity(line.quantity, line.unit)}</td>
        <td role="cell" data-name={t.bills.net} class="figure">{money(line.net)}</td>
        <td role="cell" data-name={t.bills.rate} class="figure">{percent(line.tax_rate)}</td>
        <td role="cell" data-name={t.bills.tax} class="figure">{money(line.tax)}</td>
      </tr>
      <tr role="row" id={id} class="explained" hidden={!open}>
        <td role="cell" colSpan={7}>{open && <LineExplanation bill={bill} line={line.line} />}</td>
      </tr>
    </>
  );
}

function Lines({ bill }: { bill: Invoice }) {
  const lines = usePaged("/v1/invoices/{invoice_id}/lines", { at: { invoice_id: bill.id } }, 200);
  const sums: [string, string][] = [
    [t.bills.net, money(bill.net)],
    [t.bills.tax, money(bill.tax)],
    [t.bills.total, money(bill.total)],
  ];
  return (
    <Await of={lines} rows={8}>
      {(rows) =>
        rows.length === 0 ? (
          <Empty text={t.bills.noLines} />
        ) : (
          <>
            <div class="table-frame">
              <table role="table" class="folding bill-lines" aria-label={t.bills.lines}>
                <thead role="rowgroup">
                  <tr role="row">
                    <th role="columnheader" scope="col" class="figure">{t.bills.line}</th>
                    <th role="columnheader" scope="col">{t.bills.charge}</th>
                    <th role="columnheader" scope="col">{t.bills.service}</th>
                    <th role="columnheader" scope="col" class="figure">{t.bills.quantity}</th>
                    <th role="columnheader" scope="col" class="figure">{t.bills.net}</th>
                    <th role="columnheader" scope="col" class="figure">{t.bills.rate}</th>
                    <th role="columnheader" scope="col" class="figure">{t.bills.tax}</th>
                  </tr>
                </thead>
                <tbody role="rowgroup">
                  {rows.map((line) => (
                    <LineRows key={line.line} bill={bill} line={line} />
                  ))}
                </tbody>
              </table>
            </div>
            {(lines.hasNext || lines.hasPrevious) && (
              <nav class="pager" aria-label={t.common.pages}>
                <span class="muted">{t.common.page(String(lines.page))}</span>
                <button type="button" disabled={!lines.hasPrevious} onClick={lines.previous}>{t.common.previous}</button>
                <button type="button" disabled={!lines.hasNext} onClick={lines.next}>{t.common.next}</button>
              </nav>
            )}
            <dl class="sums">
              {sums.map(([name, value]) => (
                <div key={name}>
                  <dt>{name}</dt>
                  <dd>{value}</dd>
                </div>
              ))}
            </dl>
          </>
        )
      }
    </Await>
  );
}

export function BillPage({ at }: { at: Record<string, string> }) {
  const id = at["id"]!;
  const loaded = useGet("/v1/invoices/{invoice_id}", { at: { invoice_id: id } });
  const bill = loaded.data;
  const up = { to: "/console/bills", name: t.nav.bills };
  if (bill === undefined)
    return (
      <Page title={t.bills.one} up={up}>
        {loaded.error ? <ErrorBox error={loaded.error} retry={loaded.reload} /> : <Skeleton />}
      </Page>
    );
  return (
    <Page
      title={bill.number ?? t.bills.noNumber}
      up={up}
      state={<StateBadge state={bill.state} />}
      under={<Id id={bill.id} />}
      actions={
        <button type="button" onClick={() => print()}>
          <Icon name="print" />
          {t.bills.print}
        </button>
      }
    >
      <div class="columns bill-head">
        <Panel title={t.bills.billedTo}>
          <Facts
            facts={[
              [t.tenants.name, isOperator() ? <TenantName id={bill.tenant_id} known={bill.buyer} /> : named(bill.buyer)],
              [t.tenants.taxNumber, bill.buyer.tax_number],
              [t.tenants.address, bill.buyer.address],
              [t.tenants.email, bill.buyer.email],
            ]}
          />
        </Panel>
        <Panel title={t.bills.summary}>
          <Facts
            facts={[
              [t.bills.period, monthName(bill.period)],
              [
                t.bills.service,
                `${day(bill.period_starts_at, bill.time_zone)} – ${lastDay(bill.period_ends_at, bill.time_zone)}`,
              ],
              [t.common.zone, `${bill.time_zone} (${offset(bill.time_zone, Date.parse(bill.period_starts_at))})`],
              [t.bills.finalizedAt, bill.finalized_at && <Time at={bill.finalized_at} />],
              [t.bills.due, bill.due_on],
              [t.bills.total, <strong class="grand">{money(bill.total)}</strong>],
            ]}
          />
        </Panel>
      </div>
      <Panel title={t.bills.lines} note={t.bills.linesNote}>
        <Lines bill={bill} />
      </Panel>
      {bill.state === "draft" && <p class="muted">{t.bills.draftNote}</p>}
      <p class="zone-note">{t.bills.notFapiao}</p>
      <p class="print-only">
        {t.product} · {wordFor(t.states, bill.state)} · <Link to={`/console/bills/${bill.id}`}>{bill.id}</Link>
      </p>
    </Page>
  );
}
