// One credit note: which bill it takes back, why, and line by line how much.
import { Link } from "../app/router";
import { isOperator, zone } from "../data/session";
import { useGet, usePaged } from "../data/use";
import { Id } from "../parts/copy";
import { Facts } from "../parts/facts";
import { money, monthName } from "../parts/format";
import { TenantName } from "../parts/names";
import { Page, Panel } from "../parts/page";
import { ErrorBox, Skeleton } from "../parts/status";
import { Time } from "../parts/time";
import { named, t } from "../words/words";
import { BillLines } from "./bill_lines";

export function CreditNotePage({ at }: { at: Record<string, string> }) {
  const id = at["id"]!;
  const loaded = useGet("/v1/credit-notes/{credit_note_id}", { at: { credit_note_id: id } });
  const note = loaded.data;
  const bill = useGet(note ? "/v1/invoices/{invoice_id}" : null, { at: { invoice_id: note?.invoice_id ?? "" } }).data;
  const lines = usePaged("/v1/credit-notes/{credit_note_id}/lines", { at: { credit_note_id: id } }, 200);
  const up = { to: "/console/credit-notes", name: t.bills.creditNotes };
  if (note === undefined)
    return (
      <Page title={t.bills.creditNote} up={up}>
        {loaded.error ? <ErrorBox error={loaded.error} retry={loaded.reload} /> : <Skeleton />}
      </Page>
    );
  return (
    <Page title={note.number} up={up} under={<Id id={note.id} />}>
      <Panel title={t.bills.summary}>
        <Facts
          broad
          facts={[
            [t.tenants.name, isOperator() ? <TenantName id={note.tenant_id} known={note.buyer} /> : named(note.buyer)],
            [t.bills.credits, <Link to={`/console/bills/${note.invoice_id}`}>{bill?.number ?? note.invoice_id}</Link>],
            [t.bills.reason, note.reason],
            [t.bills.period, monthName(note.period)],
            [t.bills.finalizedAt, <Time at={note.finalized_at} />],
            [t.bills.total, <strong class="grand">{money(note.total)}</strong>],
          ]}
        />
      </Panel>
      <Panel title={t.bills.lines}>
        <BillLines of={lines} paper={note} zone={bill?.time_zone ?? zone()} />
      </Panel>
    </Page>
  );
}
