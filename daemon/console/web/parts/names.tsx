// Ids shown by their names.
import { Link } from "../app/router";
import { useActorName, useMeters, useOfferings, usePlans, useResource, useTenants } from "../data/names";
import { isOperator, may } from "../data/session";
import { named, t } from "../words/words";

/** The tenant's name, a link to it; `known` is what the caller has of it already. */
export function TenantName({ id, known }: { id: string; known?: { name: string; name_en?: string } }) {
  const tenants = useTenants();
  const tenant = tenants.find((each) => each.id === id) ?? known;
  const name = tenant ? named(tenant) : id;
  return isOperator() ? <Link to={`/console/tenants/${id}`}>{name}</Link> : <>{name}</>;
}

export function ResourceName({ id }: { id: string }) {
  const resource = useResource(id);
  const name = resource ? `${resource.name} · ${resource.external_id ?? id.slice(-6)}` : id;
  return may("resources:read") ? <Link to={`/console/resources/${id}`}>{name}</Link> : <>{name}</>;
}

/** By its code. */
export function MeterName({ code }: { code: string }) {
  const meter = useMeters().find((each) => each.code === code);
  return <>{meter ? named(meter) : code}</>;
}

export function ActorName({ id }: { id: string }) {
  const name = useActorName(id);
  if (name !== undefined) return <span title={id}>{name}</span>;
  return <span title={id}>{id.startsWith("key_") ? t.common.apiKey : t.common.person}</span>;
}

export function PlanName({ id, version }: { id: string; version: number }) {
  const plan = usePlans().find((each) => each.id === id);
  return (
    <>
      {plan ? named(plan) : id} <span class="muted">{t.resources.version(version)}</span>
    </>
  );
}

export function OfferingName({ id }: { id: string }) {
  const offering = useOfferings().find((each) => each.id === id);
  return <>{offering ? named(offering) : id}</>;
}
