// The enterprises that rent.
import { Link, useFilter } from "../app/router";
import { useParks } from "../data/names";
import { usePaged } from "../data/use";
import { StateBadge } from "../parts/badge";
import { Filters, FilterSelect } from "../parts/filters";
import { Page } from "../parts/page";
import { Empty } from "../parts/status";
import { List } from "../parts/table";
import { Time, ZoneNote } from "../parts/time";
import { named, t } from "../words/words";

const STATES = ["active", "suspended", "closed"] as const;

export function TenantsPage() {
  const [state, setState] = useFilter("state");
  const [park, setPark] = useFilter("park_id");
  const [sort, setSort] = useFilter("sort", "-created_at");
  const parks = useParks();
  const tenants = usePaged("/v1/tenants", {
    query: {
      state: state === "" ? undefined : (state.split(",") as (typeof STATES)[number][]),
      park_id: park || undefined,
      sort: sort as "created_at" | "-created_at",
    },
  });
  const filtered = state !== "" || park !== "";
  return (
    <Page title={t.nav.tenants}>
      <Filters>
        <FilterSelect label={t.tenants.park} value={park} set={setPark} all={t.filters.allParks}
          options={parks.map((each) => ({ value: each.id, name: named(each) }))} />
        <FilterSelect label={t.resources.state} value={state} set={setState} all={t.filters.allStates}
          options={STATES.map((value) => ({ value, name: t.states[value] }))} />
        <FilterSelect label={t.filters.order} value={sort} set={setSort}
          options={[{ value: "-created_at", name: t.filters.newest }, { value: "created_at", name: t.filters.oldest }]} />
      </Filters>
      <List
        label={t.nav.tenants}
        of={tenants}
        keyOf={(tenant) => tenant.id}
        empty={<Empty text={filtered ? t.filters.noMatch : t.tenants.empty} />}
        columns={[
          {
            name: t.tenants.name,
            head: true,
            cell: (tenant) => <Link to={`/console/tenants/${tenant.id}`}>{named(tenant)}</Link>,
          },
          { name: t.tenants.code, cell: (tenant) => <code>{tenant.code}</code> },
          {
            name: t.tenants.park,
            cell: (tenant) => {
              const found = parks.find((each) => each.id === tenant.park_id);
              return found ? named(found) : "—";
            },
          },
          { name: t.tenants.taxNumber, cell: (tenant) => <code>{tenant.tax_number ?? "—"}</code> },
          { name: t.resources.state, cell: (tenant) => <StateBadge state={tenant.state} /> },
          { name: t.common.created, cell: (tenant) => <Time at={tenant.created_at} /> },
        ]}
      />
      <ZoneNote />
    </Page>
  );
}
