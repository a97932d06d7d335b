// One enterprise: its summary, what it rents, what it used, what it was billed.
import { usePlace } from "../app/router";
import { useParks } from "../data/names";
import { isOperator, may } from "../data/session";
import { useGet } from "../data/use";
import { StateBadge } from "../parts/badge";
import { Id } from "../parts/copy";
import { Facts } from "../parts/facts";
import { count, money, monthName } from "../parts/format";
import { Page, Panel, Tabs } from "../parts/page";
import { Await, ErrorBox, Skeleton } from "../parts/status";
import { Time, ZoneNote } from "../parts/time";
import { named, t } from "../words/words";
import { BillList } from "./bills";
import { QuotaList } from "./quotas";
import { KINDS, ResourceList } from "./resources";
import { UsageExplorer } from "./usage";

type Tenant = { id: string };

function Figures({ tenant }: { tenant: Tenant }) {
  const query = isOperator() ? { tenant: tenant.id } : {};
  const overview = useGet("/v1/overview", { query });
  return (
    <Await of={overview} rows={4}>
      {(data) => (
        <div class="tiles">
          {data.months.slice(-1).map((month) => (
            <div class="tile" key={month.period}>
              <span class="tile-name">{t.overview.charges(monthName(month.period))}</span>
              <span class="tile-value">{money(month.total)}</span>
              <span class="tile-note"><StateBadge state={month.state} /></span>
            </div>
          ))}
          <div class="tile">
            <span class="tile-name">{t.overview.recurring}</span>
            <span class="tile-value">{money(data.recurring)}</span>
            <span class="tile-note">{t.tenants.aMonth}</span>
          </div>
          {data.unpaid && (
            <div class="tile">
              <span class="tile-name">{t.overview.unpaid}</span>
              <span class="tile-value">{money(data.unpaid.total)}</span>
              <span class="tile-note">
                {data.unpaid.overdue_invoices > 0 ? (
                  <span class="bad-text">
                    {t.overview.overdue(money(data.unpaid.overdue_total), data.unpaid.overdue_invoices)}
                  </span>
                ) : (
                  t.overview.noneOverdue(data.unpaid.invoices)
                )}
              </span>
            </div>
          )}
          <div class="tile">
            <span class="tile-name">{t.tenants.activeResources}</span>
            <span class="tile-value">
              {count(data.resources.filter(({ state }) => state === "active").reduce((sum, row) => sum + row.count, 0))}
            </span>
            <span class="tile-note">
              {KINDS.map((kind) => data.resources.find((row) => row.state === "active" && row.kind === kind))
                .filter((row) => row !== undefined)
                .map((row) => t.kindCounts[row.kind](row.count))
                .join(" · ")}
            </span>
          </div>
        </div>
      )}
    </Await>
  );
}

export function TenantPage({ at }: { at: Record<string, string> }) {
  const id = at["id"]!;
  const { query } = usePlace();
  const tab = query.get("tab") ?? "summary";
  const loaded = useGet("/v1/tenants/{tenant_id}", { at: { tenant_id: id } });
  const parks = useParks();
  const tenant = loaded.data;
  const up = isOperator() ? { to: "/console/tenants", name: t.nav.tenants } : undefined;
  if (tenant === undefined)
    return (
      <Page title={t.tenants.one} up={up}>
        {loaded.error ? <ErrorBox error={loaded.error} retry={loaded.reload} /> : <Skeleton />}
      </Page>
    );
  const park = parks.find((each) => each.id === tenant.park_id);
  const tabs = [
    { id: "summary", name: t.tenants.summary, shown: true },
    { id: "resources", name: t.nav.resources, shown: may("resources:read") },
    { id: "usage", name: t.nav.usage, shown: may("usage:read") },
    { id: "quotas", name: t.nav.quotas, shown: may("quotas:read") },
    { id: "bills", name: t.nav.bills, shown: may("invoices:read") },
  ].filter(({ shown }) => shown);
  return (
    <Page title={named(tenant)} up={up} state={<StateBadge state={tenant.state} />} under={<Id id={tenant.id} />}>
      <Tabs
        label={named(tenant)}
        tabs={tabs.map((each) => ({
          to: `/console/tenants/${id}${each.id === "summary" ? "" : `?tab=${each.id}`}`,
          name: each.name,
          current: each.id === tab,
        }))}
      />
      {tab === "summary" && (
        <>
          <Figures tenant={tenant} />
          <Panel title={t.tenants.about}>
            <Facts
              broad
              facts={[
                [t.tenants.nameZh, tenant.name],
                [t.tenants.nameEn, tenant.name_en],
                [t.tenants.code, <code>{tenant.code}</code>],
                [t.tenants.park, park ? named(park) : tenant.park_id],
                [t.tenants.taxNumber, tenant.tax_number],
                [t.tenants.address, tenant.billing_address],
                [t.tenants.email, tenant.billing_email],
                [t.tenants.currency, tenant.currency],
                [t.common.externalId, tenant.external_id],
                [t.common.created, <Time at={tenant.created_at} />],
                [t.common.changed, <Time at={tenant.updated_at} />],
              ]}
            />
          </Panel>
          <ZoneNote />
        </>
      )}
      {tab === "resources" && <ResourceList tenant={id} />}
      {tab === "usage" && <UsageExplorer tenant={id} />}
      {tab === "quotas" && <QuotaList tenant={id} />}
      {tab === "bills" && <BillList tenant={id} />}
    </Page>
  );
}
