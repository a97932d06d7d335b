// Credit notes: what was taken back of final bills, month by month or of one bill.
import { Link, useFilter } from "../app/router";
import type { Schemas } from "../data/client";
import { isOperator } from "../data/session";
import { usePaged } from "../data/use";
import { Filters, FilterSelect, TenantFilter } from "../parts/filters";
import { money, monthName } from "../parts/format";
import { TenantName } from "../parts/names";
import { Panel } from "../parts/page";
import { Empty } from "../parts/status";
import { List, type Column } from "../parts/table";
import { Time, ZoneNote } from "../parts/time";
import { t } from "../words/words";
import { BillsFrame, monthChoices } from "./bills";

type CreditNote = Schemas["CreditNote"];

const NUMBER: Column<CreditNote> = {
  get name() {
    return t.bills.number;
  },
  head: true,
  cell: (note) => <Link class="nowrap" to={`/console/credit-notes/${note.id}`}>{note.number}</Link>,
};

/** Of one bill: nothing at all where there are none. */
export function CreditNoteList({ bill }: { bill: string }) {
  const notes = usePaged("/v1/credit-notes", { query: { invoice_id: bill } });
  if (!notes.error && !notes.hasPrevious && (notes.data ?? []).length === 0) return null;
  return (
    <Panel title={t.bills.creditNotes}>
      <List
        label={t.bills.creditNotes}
        of={notes}
        keyOf={(note) => note.id}
        empty={<Empty text={t.bills.noCreditNotes} />}
        columns={[
          NUMBER,
          { name: t.bills.reason, cell: (note) => note.reason },
          { name: t.bills.period, cell: (note) => monthName(note.period) },
          { name: t.bills.total, figure: true, cell: (note) => <strong>{money(note.total)}</strong> },
        ]}
      />
    </Panel>
  );
}

export function CreditNotesPage() {
  const [period, setPeriod] = useFilter("period");
  const [tenant, setTenant] = useFilter("tenant");
  const notes = usePaged("/v1/credit-notes", {
    query: { period: period || undefined, tenant: (isOperator() && tenant) || undefined },
  });
  return (
    <BillsFrame current="credit-notes">
      <Filters>
        <TenantFilter value={tenant} set={setTenant} />
        <FilterSelect label={t.bills.period} value={period} set={setPeriod} all={t.filters.allMonths} options={monthChoices()} />
      </Filters>
      <List
        label={t.bills.creditNotes}
        of={notes}
        keyOf={(note) => note.id}
        empty={<Empty text={period !== "" || tenant !== "" ? t.filters.noMatch : t.bills.noCreditNotes} />}
        columns={[
          NUMBER,
          ...(isOperator()
            ? [{ name: t.tenants.one, cell: (note: CreditNote) => <TenantName id={note.tenant_id} known={note.buyer} /> }]
            : []),
          { name: t.bills.period, cell: (note) => monthName(note.period) },
          { name: t.bills.reason, cell: (note) => note.reason },
          { name: t.bills.net, figure: true, cell: (note) => money(note.net) },
          { name: t.bills.tax, figure: true, cell: (note) => money(note.tax) },
          { name: t.bills.total, figure: true, cell: (note) => <strong>{money(note.total)}</strong> },
          { name: t.bills.finalizedAt, cell: (note) => <Time at={note.finalized_at} /> },
        ]}
      />
      <ZoneNote />
    </BillsFrame>
  );
}
