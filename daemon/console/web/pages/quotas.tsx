// Quotas: how much of a meter a tenant, or one of its resources, may come to, and how far it is.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { go, Link, useFilter, usePlace } from "../app/router";
import type { Schemas } from "../data/client";
import { useMeters } from "../data/names";
import { isOperator, may } from "../data/session";
import { useGet, usePaged } from "../data/use";
import { Filters, FilterSelect, TenantFilter } from "../parts/filters";
import { brief, percentOf, quantity } from "../parts/format";
import { Icon } from "../parts/icon";
import { MeterName, ResourceName, TenantName } from "../parts/names";
import { Page, Panel, Tabs } from "../parts/page";
import { Empty } from "../parts/status";
import { List, Table, type Column } from "../parts/table";
import { named, t } from "../words/words";
import { NewQuota } from "./quota_forms";

type Quota = Schemas["Quota"];
export const QUOTA_KINDS = ["soft", "hard"] as const;
const FULL = 100; // per cent

const share = ({ window, limit }: Quota) => percentOf(window.used, limit);

function tone(percent: number): "warning" | "bad" {
  return percent < FULL ? "warning" : "bad";
}

/** Without the unit where the limit's beside it says it. */
function amount(value: string, unit: string): string {
  return unit === "Bytes" ? quantity(value, unit) : brief(value, 6);
}

export function Used({ quota }: { quota: Quota }) {
  const { window, limit, unit } = quota;
  const percent = share(quota);
  const text = t.quotas.usedOf(amount(window.used, unit), quantity(limit, unit), percent);
  const told = crossedOf(quota).length > 0 || percent >= FULL;
  return (
    <div class="progress">
      <progress class={told ? tone(percent) : undefined} aria-label={text} max={FULL} value={Math.max(0, Math.min(FULL, percent))} />
      <span>{text}</span>
    </div>
  );
}

/** The thresholds that what is used is at or above, the lowest first. */
function crossedOf(quota: Quota): number[] {
  const percent = share(quota);
  return quota.thresholds.filter((each) => each <= percent);
}

/** The highest of them, in words. */
export function CrossedBadge({ quota }: { quota: Quota }) {
  const highest = crossedOf(quota).at(-1);
  return highest === undefined ? null : <span class={`badge ${tone(highest)}`}>{t.quotas.passed(highest)}</span>;
}

function Crossed({ quota }: { quota: Quota }) {
  const crossed = crossedOf(quota);
  if (crossed.length === 0) return <span class="muted">{t.quotas.noneCrossed}</span>;
  return (
    <span class="badges">
      {crossed.map((each) => (
        <span key={each} class={`badge ${tone(each)}`}>
          {t.quotas.share(each)}
        </span>
      ))}
    </span>
  );
}

export function Scope({ quota }: { quota: Quota }) {
  return quota.subject ? <ResourceName id={quota.subject} /> : <>{t.quotas.wholeTenant}</>;
}

const METER: Column<Quota> = {
  get name() {
    return t.usage.meter;
  },
  head: true,
  cell: (quota) => (
    <Link to={`/console/quotas/${quota.id}`}>
      <MeterName code={quota.meter} />
    </Link>
  ),
};

/** What it is, and how far. */
function standing(): Column<Quota>[] {
  return [
    { name: t.resources.kind, cell: (quota) => t.quotas.kinds[quota.kind] },
    { name: t.quotas.period, cell: (quota) => <span class="nowrap">{t.quotas.periods[quota.period]}</span> },
    { name: t.quotas.used, cell: (quota) => <Used quota={quota} /> },
    { name: t.quotas.crossed, cell: (quota) => <Crossed quota={quota} /> },
  ];
}

/** Of one resource: nothing at all where there are none. */
export function ResourceQuotas({ resource }: { resource: Schemas["Resource"] }) {
  const query = { limit: 500, tenant: isOperator() ? resource.tenant_id : undefined };
  const quotas = useGet("/v1/quotas", { query });
  const own = quotas.data?.data.filter(({ subject }) => subject === resource.id) ?? [];
  if (own.length === 0) return null;
  const all = `/console/quotas${isOperator() ? `?tenant=${resource.tenant_id}` : ""}`;
  return (
    <Panel title={t.nav.quotas} note={<Link to={all}>{t.quotas.ofTenant}</Link>}>
      <Table label={t.nav.quotas} rows={own} keyOf={(quota) => quota.id} columns={[METER, ...standing()]} />
    </Panel>
  );
}

/** With `tenant`, that tenant's alone. */
export function QuotaList({ tenant, create }: { tenant?: string; create?: ComponentChildren }) {
  const meters = useMeters();
  const [meter, setMeter] = useFilter("meter");
  const [kind, setKind] = useFilter("kind");
  const [chosen, setChosen] = useFilter("tenant");
  const quotas = usePaged("/v1/quotas", {
    query: {
      meter: meter || undefined,
      kind: (kind || undefined) as Quota["kind"] | undefined,
      tenant: (isOperator() && (tenant ?? chosen)) || undefined,
    },
  });
  const filtered = meter !== "" || kind !== "" || chosen !== "";
  const withTenant = isOperator() && tenant === undefined;
  return (
    <>
      <Filters>
        {tenant === undefined && <TenantFilter value={chosen} set={setChosen} />}
        <FilterSelect label={t.usage.meter} value={meter} set={setMeter} all={t.filters.allMeters}
          options={meters.map((each) => ({ value: each.code, name: named(each) }))} />
        <FilterSelect label={t.resources.kind} value={kind} set={setKind} all={t.filters.allKinds}
          options={QUOTA_KINDS.map((value) => ({ value, name: t.quotas.kinds[value] }))} />
      </Filters>
      <List
        label={t.nav.quotas}
        of={quotas}
        keyOf={(quota) => quota.id}
        empty={<Empty text={filtered ? t.filters.noMatch : t.quotas.empty}>{!filtered && create}</Empty>}
        columns={[
          METER,
          ...(withTenant ? [{ name: t.tenants.one, cell: (quota: Quota) => <TenantName id={quota.tenant_id} /> }] : []),
          { name: t.quotas.scope, cell: (quota) => <Scope quota={quota} /> },
          ...standing(),
        ]}
      />
    </>
  );
}

/** Quotas and what is held of them, a tab each. */
export function QuotasFrame({ current, actions, children }: { current: "quotas" | "reservations"; actions?: ComponentChildren; children: ComponentChildren }) {
  const tabs = [
    { id: "quotas", name: t.nav.quotas, shown: true },
    { id: "reservations", name: t.reservations.many, shown: may("reservations:read") },
  ].filter(({ shown }) => shown);
  return (
    <Page title={t.nav.quotas} actions={actions}>
      <Tabs
        label={t.nav.quotas}
        tabs={tabs.map(({ id, name }) => ({ to: `/console/${id}`, name, current: id === current }))}
      />
      {children}
    </Page>
  );
}

export function QuotasPage() {
  const { query } = usePlace();
  const [making, setMaking] = useState(false);
  const shown = (making || query.get("new") !== null) && may("quotas:write");
  const create = may("quotas:write") && (
    <button type="button" class="primary" onClick={() => setMaking(true)}>
      <Icon name="plus" />
      {t.quotas.create}
    </button>
  );
  const close = () => {
    setMaking(false);
    if (query.get("new") !== null) go("/console/quotas", { replace: true });
  };
  return (
    <QuotasFrame current="quotas" actions={create}>
      <QuotaList create={create} />
      {shown && <NewQuota tenant={query.get("tenant") ?? ""} meter={query.get("meter") ?? ""} close={close} />}
    </QuotasFrame>
  );
}
