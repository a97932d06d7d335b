// One quota: how far its window is, when its thresholds were crossed, and what reservations hold.
import { useState } from "preact/hooks";
import { Link } from "../app/router";
import { read, type Schemas } from "../data/client";
import { useMeters } from "../data/names";
import { isOperator, may, zone } from "../data/session";
import { useLoaded, usePaged } from "../data/use";
import { Id } from "../parts/copy";
import { Facts } from "../parts/facts";
import { day, lastDay, quantity } from "../parts/format";
import { Icon } from "../parts/icon";
import { ActorName, TenantName } from "../parts/names";
import { Page, Panel } from "../parts/page";
import { Empty, ErrorBox, Skeleton } from "../parts/status";
import { List } from "../parts/table";
import { Time, ZoneNote } from "../parts/time";
import { named, t } from "../words/words";
import { ChangeQuota, RemoveQuota } from "./quota_forms";
import { CrossedBadge, Scope, Used } from "./quotas";
import { ReservationTable } from "./reservations";

type Quota = Schemas["Quota"];

/** The days of a window; one that holds for good has none. */
function windowName({ starts_at, ends_at }: { starts_at: string | null; ends_at: string | null }): string {
  if (starts_at === null || ends_at === null) return t.quotas.periods.total;
  const [first, last] = [day(starts_at, zone()), lastDay(ends_at, zone())];
  return first === last ? first : t.usage.range(first, last);
}

function Standing({ quota }: { quota: Quota }) {
  const { window, limit, unit } = quota;
  const sums = [
    [t.quotas.limit, limit],
    [t.quotas.usedAlone, window.used],
    ...(quota.kind === "hard" ? [[t.quotas.reserved, window.reserved]] : []),
    [t.quotas.remaining, window.remaining],
  ] as [string, string][];
  return (
    <Panel title={t.quotas.standing} note={windowName(window)}>
      <Used quota={quota} />
      <dl class="sums">
        {sums.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{quantity(value, unit)}</dd>
          </div>
        ))}
      </dl>
    </Panel>
  );
}

function Alerts({ quota }: { quota: Quota }) {
  const alerts = usePaged("/v1/quotas/{quota_id}/alerts", { at: { quota_id: quota.id } });
  return (
    <Panel title={t.quotas.alerts} note={t.quotas.alertsNote}>
      <List
        label={t.quotas.alerts}
        of={alerts}
        keyOf={(alert) => `${alert.starts_at} ${alert.threshold}`}
        empty={<Empty text={t.quotas.noAlerts} />}
        columns={[
          { name: t.quotas.threshold, head: true, cell: (alert) => t.quotas.share(alert.threshold) },
          { name: t.quotas.usedThen, figure: true, cell: (alert) => quantity(alert.used, quota.unit) },
          { name: t.quotas.limitThen, figure: true, cell: (alert) => quantity(alert.limit, quota.unit) },
          { name: t.quotas.period, cell: (alert) => windowName(alert) },
          { name: t.quotas.crossedAt, cell: (alert) => <Time at={alert.at} /> },
        ]}
      />
    </Panel>
  );
}

/** All that the tenant holds: the API does not tell which quotas a reservation holds a part of. */
function Held({ quota }: { quota: Quota }) {
  const reservations = usePaged("/v1/reservations", {
    query: { state: "held", tenant: isOperator() ? quota.tenant_id : undefined },
  });
  return (
    <Panel title={t.reservations.heldNow} note={t.reservations.heldNote}>
      <ReservationTable of={reservations} empty={<Empty text={t.reservations.noneHeld} />} />
    </Panel>
  );
}

function QuotaFacts({ quota, meter }: { quota: Quota; meter: string }) {
  return (
    <Facts
      facts={[
        [t.usage.meter, meter],
        isOperator() && [t.tenants.one, <TenantName id={quota.tenant_id} />],
        [t.quotas.scope, <Scope quota={quota} />],
        [t.resources.kind, <>{t.quotas.kinds[quota.kind]}<p class="hint">{t.quotas.kindNotes[quota.kind]}</p></>],
        [t.quotas.period, t.quotas.periods[quota.period]],
        [t.quotas.thresholds, quota.thresholds.map(t.quotas.share).join(t.common.comma)],
        [t.quotas.setBy, <ActorName id={quota.created_by} />],
        [t.common.created, <Time at={quota.created_at} />],
        [t.common.changed, <Time at={quota.updated_at} />],
      ]}
    />
  );
}

export function QuotaPage({ at }: { at: Record<string, string> }) {
  const id = at["id"]!;
  const [shown, setShown] = useState<"change" | "remove" | null>(null);
  const loaded = useLoaded(id, (signal) => read("/v1/quotas/{quota_id}", { at: { quota_id: id }, signal }));
  const meters = useMeters();
  const up = { to: "/console/quotas", name: t.nav.quotas };
  if (loaded.data === undefined)
    return (
      <Page title={t.quotas.one} up={up}>
        {loaded.error ? <ErrorBox error={loaded.error} retry={loaded.reload} /> : <Skeleton />}
      </Page>
    );
  const { data: quota, etag } = loaded.data;
  const meter = meters.find((each) => each.code === quota.meter);
  const name = meter ? named(meter) : quota.meter;
  const usage = `/console/usage?meter=${quota.meter}&span=this${quota.subject ? `&subject=${quota.subject}` : ""}${isOperator() ? `&tenant=${quota.tenant_id}` : ""}`;
  const close = () => setShown(null);
  return (
    <Page
      title={name}
      up={up}
      state={<CrossedBadge quota={quota} />}
      under={<Id id={quota.id} />}
      actions={
        may("quotas:write") && (isOperator() || quota.kind === "soft") && etag && (
          <>
            <button type="button" onClick={() => setShown("change")}>
              <Icon name="edit" />
              {t.quotas.change}
            </button>
            <button type="button" class="danger-quiet" onClick={() => setShown("remove")}>
              {t.quotas.remove}
            </button>
          </>
        )
      }
    >
      <div class="columns wide-first">
        <div>
          <Standing quota={quota} />
          <Alerts key={quota.updated_at} quota={quota} />
        </div>
        <Panel title={t.resources.facts} note={may("usage:read") && <Link to={usage}>{t.resources.seeUsage}</Link>}>
          <QuotaFacts quota={quota} meter={name} />
        </Panel>
      </div>
      {quota.kind === "hard" && may("reservations:read") && <Held quota={quota} />}
      <ZoneNote />
      {shown === "change" && etag && <ChangeQuota quota={quota} name={name} version={etag} close={close} done={loaded.reload} />}
      {shown === "remove" && etag && <RemoveQuota quota={quota} name={name} version={etag} close={close} />}
    </Page>
  );
}
