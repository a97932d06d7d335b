// One bill: who owes what for which month, line by line, and where each amount comes from.
import { Link } from "../app/router";
import { isOperator } from "../data/session";
import { useGet, usePaged } from "../data/use";
import { StateBadge } from "../parts/badge";
import { Id } from "../parts/copy";
import { Facts } from "../parts/facts";
import { day, lastDay, money, monthName, offset } from "../parts/format";
import { Icon } from "../parts/icon";
import { TenantName } from "../parts/names";
import { Page, Panel } from "../parts/page";
import { ErrorBox, Skeleton } from "../parts/status";
import { Time } from "../parts/time";
import { named, t, wordFor } from "../words/words";
import { BillLines } from "./bill_lines";
import { CreditNoteList } from "./credit_notes";
import { LineExplanation } from "./explanation";

export function BillPage({ at }: { at: Record<string, string> }) {
  const id = at["id"]!;
  const loaded = useGet("/v1/invoices/{invoice_id}", { at: { invoice_id: id } });
  const lines = usePaged("/v1/invoices/{invoice_id}/lines", { at: { invoice_id: id } }, 200);
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
      {bill.state === "finalized" && <CreditNoteList bill={bill.id} />}
      <Panel title={t.bills.lines} note={t.bills.linesNote}>
        <BillLines
          of={lines}
          paper={bill}
          zone={bill.time_zone}
          explain={(line) => <LineExplanation bill={bill} line={line} />}
        />
      </Panel>
      {bill.state === "draft" && <p class="muted">{t.bills.draftNote}</p>}
      <p class="zone-note">{t.bills.notFapiao}</p>
      <p class="print-only">
        {t.product} · {wordFor(t.states, bill.state)} · <Link to={`/console/bills/${bill.id}`}>{bill.id}</Link>
      </p>
    </Page>
  );
}
