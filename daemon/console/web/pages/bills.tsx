// Bills, month by month.
import type { ComponentChildren } from "preact";
import { Link, useFilter } from "../app/router";
import type { Schemas } from "../data/client";
import { isOperator, zone } from "../data/session";
import { usePaged } from "../data/use";
import { StateBadge } from "../parts/badge";
import { Filters, FilterSelect, TenantFilter } from "../parts/filters";
import { addMonths, day, money, monthName } from "../parts/format";
import { TenantName } from "../parts/names";
import { Page, Tabs } from "../parts/page";
import { Empty } from "../parts/status";
import { List } from "../parts/table";
import { Time, ZoneNote } from "../parts/time";
import { t } from "../words/words";

type Invoice = Schemas["Invoice"];
const MONTHS = 24; // of the choice of months

export function monthChoices(): { value: string; name: string }[] {
  const month = day(Date.now(), zone()).slice(0, 7);
  return Array.from({ length: MONTHS }, (_, index) => addMonths(month, -index)).map((value) => ({
    value,
    name: monthName(value),
  }));
}

export function BillList({ tenant }: { tenant?: string }) {
  const [period, setPeriod] = useFilter("period");
  const [state, setState] = useFilter("state");
  const [chosen, setChosen] = useFilter("tenant");
  const bills = usePaged("/v1/invoices", {
    query: {
      period: period || undefined,
      state: state === "" ? undefined : [state as Invoice["state"]],
      tenant: (isOperator() && (tenant ?? chosen)) || undefined,
    },
  });
  const filtered = period !== "" || state !== "" || chosen !== "";
  const withTenant = isOperator() && tenant === undefined;
  return (
    <>
      <Filters>
        {tenant === undefined && <TenantFilter value={chosen} set={setChosen} />}
        <FilterSelect label={t.bills.period} value={period} set={setPeriod} all={t.filters.allMonths} options={monthChoices()} />
        {isOperator() && (
          <FilterSelect label={t.resources.state} value={state} set={setState} all={t.filters.allStates}
            options={(["draft", "finalized"] as const).map((value) => ({ value, name: t.states[value] }))} />
        )}
      </Filters>
      <List
        label={t.nav.bills}
        of={bills}
        keyOf={(bill) => bill.id}
        empty={<Empty text={filtered ? t.filters.noMatch : t.bills.empty} />}
        columns={[
          {
            name: t.bills.number,
            head: true,
            cell: (bill) => <Link class="nowrap" to={`/console/bills/${bill.id}`}>{bill.number ?? t.bills.noNumber}</Link>,
          },
          ...(withTenant
            ? [{ name: t.tenants.one, cell: (bill: Invoice) => <TenantName id={bill.tenant_id} known={bill.buyer} /> }]
            : []),
          { name: t.bills.period, cell: (bill) => monthName(bill.period) },
          { name: t.resources.state, cell: (bill) => <StateBadge state={bill.state} /> },
          { name: t.bills.due, cell: (bill) => bill.due_on ?? "—" },
          { name: t.bills.net, figure: true, cell: (bill) => money(bill.net) },
          { name: t.bills.tax, figure: true, cell: (bill) => money(bill.tax) },
          { name: t.bills.total, figure: true, cell: (bill) => <strong>{money(bill.total)}</strong> },
          { name: t.bills.finalizedAt, cell: (bill) => (bill.finalized_at ? <Time at={bill.finalized_at} /> : "—") },
        ]}
      />
      <ZoneNote />
    </>
  );
}

/** Bills and what was taken back of them, a tab each. */
export function BillsFrame({ current, children }: { current: "bills" | "credit-notes"; children: ComponentChildren }) {
  const tabs = [
    { id: "bills", name: t.nav.bills },
    { id: "credit-notes", name: t.bills.creditNotes },
  ];
  return (
    <Page title={t.nav.bills}>
      <Tabs
        label={t.nav.bills}
        tabs={tabs.map(({ id, name }) => ({ to: `/console/${id}`, name, current: id === current }))}
      />
      {children}
    </Page>
  );
}

export function BillsPage() {
  return (
    <BillsFrame current="bills">
      <BillList />
    </BillsFrame>
  );
}
