// What is rented, by kind and state.
import { Link, useFilter } from "../app/router";
import type { Schemas } from "../data/client";
import { isOperator } from "../data/session";
import { usePaged } from "../data/use";
import { StateBadge } from "../parts/badge";
import { Filters, FilterSelect, TenantFilter } from "../parts/filters";
import { brief, kindWord } from "../parts/format";
import { OfferingName, TenantName } from "../parts/names";
import { Page } from "../parts/page";
import { Empty } from "../parts/status";
import { List } from "../parts/table";
import { Time, ZoneNote } from "../parts/time";
import { t } from "../words/words";

type Resource = Schemas["Resource"];
export const KINDS = ["software", "broadband", "terminal"] as const;
const STATES = [
  "requested",
  "approved",
  "provisioning",
  "active",
  "suspended",
  "terminating",
  "terminated",
  "rejected",
  "failed",
] as const;

/** What tells one resource from another of its kind. */
function mark(resource: Resource): string {
  if (resource.broadband) return resource.broadband.login;
  if (resource.terminal) return resource.terminal.terminal?.asset_tag ?? resource.terminal.model;
  return resource.software ? t.resources.seats(brief(resource.quantity)) : "";
}

/** With `tenant`, that tenant's alone. */
export function ResourceList({ tenant }: { tenant?: string }) {
  const [kind, setKind] = useFilter("kind");
  const [state, setState] = useFilter("state");
  const [chosen, setChosen] = useFilter("tenant");
  const resources = usePaged("/v1/resources", {
    query: {
      kind: kind === "" ? undefined : (kind.split(",") as Resource["kind"][]),
      state: state === "" ? undefined : (state.split(",") as Resource["state"][]),
      tenant: (isOperator() && (tenant ?? chosen)) || undefined,
      expand: "tenant",
    },
  });
  const filtered = kind !== "" || state !== "" || chosen !== "";
  const withTenant = isOperator() && tenant === undefined;
  return (
    <>
      <Filters>
        {tenant === undefined && <TenantFilter value={chosen} set={setChosen} />}
        <FilterSelect label={t.resources.kind} value={kind} set={setKind} all={t.filters.allKinds}
          options={KINDS.map((value) => ({ value, name: kindWord(value) }))} />
        <FilterSelect label={t.resources.state} value={state} set={setState} all={t.filters.allStates}
          options={STATES.map((value) => ({ value, name: t.states[value] }))} />
      </Filters>
      <List
        label={t.nav.resources}
        of={resources}
        keyOf={(resource) => resource.id}
        empty={<Empty text={filtered ? t.filters.noMatch : t.resources.empty} />}
        columns={[
          {
            name: t.resources.name,
            head: true,
            cell: (resource) => <Link to={`/console/resources/${resource.id}`}>{resource.name}</Link>,
          },
          { name: t.resources.kind, cell: (resource) => kindWord(resource.kind) },
          { name: t.resources.mark, cell: (resource) => mark(resource) || "—" },
          { name: t.resources.offering, cell: (resource) => <OfferingName id={resource.offering_id} /> },
          ...(withTenant
            ? [
                {
                  name: t.tenants.one,
                  cell: (resource: Resource) => (
                    <TenantName id={resource.tenant_id} known={resource.tenant} />
                  ),
                },
              ]
            : []),
          { name: t.resources.state, cell: (resource) => <StateBadge state={resource.state} /> },
          { name: t.resources.requestedAt, cell: (resource) => <Time at={resource.created_at} /> },
        ]}
      />
      <ZoneNote />
    </>
  );
}

export function ResourcesPage() {
  return (
    <Page title={t.nav.resources}>
      <ResourceList />
    </Page>
  );
}
