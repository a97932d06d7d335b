// Reservations: parts of hard quotas that are held for what is to come.
import type { ComponentChildren } from "preact";
import { useFilter } from "../app/router";
import type { Schemas } from "../data/client";
import { isOperator } from "../data/session";
import { usePaged, type Paged } from "../data/use";
import { StateBadge } from "../parts/badge";
import { Filters, FilterSelect, TenantFilter } from "../parts/filters";
import { brief } from "../parts/format";
import { ActorName, MeterName, ResourceName, TenantName } from "../parts/names";
import { Empty } from "../parts/status";
import { List } from "../parts/table";
import { Time, ZoneNote } from "../parts/time";
import { t } from "../words/words";
import { QuotasFrame } from "./quotas";

type Reservation = Schemas["Reservation"];
const STATES = ["held", "settled", "released", "expired"] as const;

interface ReservationTableProps {
  of: Paged<Reservation>;
  empty: ComponentChildren;
  /** Of several tenants and in any state. */
  broad?: boolean;
}

export function ReservationTable({ of, empty, broad }: ReservationTableProps) {
  return (
    <List
      label={t.reservations.many}
      of={of}
      keyOf={(each) => each.id}
      empty={empty}
      columns={[
        { name: t.resources.one, head: true, cell: (each) => <ResourceName id={each.subject} /> },
        { name: t.usage.meter, cell: (each) => <MeterName code={each.meter} /> },
        ...(broad && isOperator()
          ? [{ name: t.tenants.one, cell: (each: Reservation) => <TenantName id={each.tenant_id} /> }]
          : []),
        { name: t.reservations.quantity, figure: true, cell: (each) => brief(each.quantity, 6) },
        ...(broad
          ? [
              { name: t.resources.state, cell: (each: Reservation) => <StateBadge state={each.state} /> },
              {
                name: t.reservations.settled,
                figure: true,
                cell: (each: Reservation) => (each.settled === null ? "—" : brief(each.settled, 6)),
              },
            ]
          : []),
        { name: t.reservations.until, cell: (each) => <Time at={each.ended_at ?? each.expires_at} /> },
        { name: t.reservations.by, cell: (each) => <ActorName id={each.created_by} /> },
        { name: t.common.created, cell: (each) => <Time at={each.created_at} /> },
      ]}
    />
  );
}

export function ReservationsPage() {
  const [state, setState] = useFilter("state");
  const [tenant, setTenant] = useFilter("tenant");
  const reservations = usePaged("/v1/reservations", {
    query: {
      state: (state || undefined) as Reservation["state"] | undefined,
      tenant: (isOperator() && tenant) || undefined,
    },
  });
  const filtered = state !== "" || tenant !== "";
  return (
    <QuotasFrame current="reservations">
      <Filters>
        <TenantFilter value={tenant} set={setTenant} />
        <FilterSelect label={t.resources.state} value={state} set={setState} all={t.filters.allStates}
          options={STATES.map((value) => ({ value, name: t.states[value] }))} />
      </Filters>
      <ReservationTable broad of={reservations} empty={<Empty text={filtered ? t.filters.noMatch : t.reservations.empty} />} />
      <ZoneNote />
    </QuotasFrame>
  );
}
