// The pages of the console, and who may see them: a menu never offers what the role may not do.
import type { FunctionComponent } from "preact";
import { isOperator, may, me } from "../data/session";
import { BillPage } from "../pages/bill";
import { BillsPage } from "../pages/bills";
import { CreditNotePage } from "../pages/credit_note";
import { CreditNotesPage } from "../pages/credit_notes";
import { ExportPage } from "../pages/export";
import { ExportsPage } from "../pages/exports";
import { OperationsPage } from "../pages/operations";
import { OverviewPage } from "../pages/overview";
import { QuotaPage } from "../pages/quota";
import { QuotasPage } from "../pages/quotas";
import { ReservationsPage } from "../pages/reservations";
import { ResourcePage } from "../pages/resource";
import { ResourcesPage } from "../pages/resources";
import { TenantPage } from "../pages/tenant";
import { TenantsPage } from "../pages/tenants";
import { UsagePage } from "../pages/usage";
import type { IconName } from "../parts/icon";
import { t } from "../words/words";
import type { Route } from "./router";

export type PageComponent = FunctionComponent<{ at: Record<string, string> }>;

export const routes: Route<PageComponent>[] = [
  { pattern: "/console", page: OverviewPage },
  { pattern: "/console/tenants", page: TenantsPage },
  { pattern: "/console/tenants/:id", page: TenantPage },
  { pattern: "/console/resources", page: ResourcesPage },
  { pattern: "/console/resources/:id", page: ResourcePage },
  { pattern: "/console/usage", page: UsagePage },
  { pattern: "/console/quotas", page: QuotasPage },
  { pattern: "/console/quotas/:id", page: QuotaPage },
  { pattern: "/console/reservations", page: ReservationsPage },
  { pattern: "/console/bills", page: BillsPage },
  { pattern: "/console/bills/:id", page: BillPage },
  { pattern: "/console/credit-notes", page: CreditNotesPage },
  { pattern: "/console/credit-notes/:id", page: CreditNotePage },
  { pattern: "/console/exports", page: ExportsPage },
  { pattern: "/console/exports/:id", page: ExportPage },
  { pattern: "/console/operations", page: OperationsPage },
];

export interface MenuItem {
  to: string;
  /** Where its other pages lie. */
  also?: string;
  name: string;
  icon: IconName;
}

export function menu(): MenuItem[] {
  const own = me().tenant;
  const items: (MenuItem & { shown: boolean })[] = [
    { to: "/console/", name: t.nav.overview, icon: "overview", shown: may("overview:read") },
    { to: "/console/tenants", name: t.nav.tenants, icon: "tenants", shown: isOperator() && may("tenants:read") },
    { to: `/console/tenants/${own?.id}`, name: t.nav.company, icon: "tenants", shown: own !== null && may("tenants:read") },
    { to: "/console/resources", name: t.nav.resources, icon: "resources", shown: may("resources:read") },
    { to: "/console/usage", name: t.nav.usage, icon: "usage", shown: may("usage:read") },
    { to: "/console/quotas", also: "/console/reservations", name: t.nav.quotas, icon: "quotas", shown: may("quotas:read") },
    { to: "/console/bills", also: "/console/credit-notes", name: t.nav.bills, icon: "bills", shown: may("invoices:read") },
    { to: "/console/exports", name: t.nav.exports, icon: "exports", shown: may("exports:read") },
    { to: "/console/operations", name: t.nav.operations, icon: "operations", shown: may("operations:read") },
  ];
  return items.filter(({ shown }) => shown);
}

/** Where an id of the platform is shown; null where it has no page, or not for this role. */
export function placeOfId(id: string): string | null {
  const places: Record<string, string> = {
    ten: "/console/tenants/",
    res: "/console/resources/",
    quo: "/console/quotas/",
    inv: "/console/bills/",
    crn: "/console/credit-notes/",
    exp: "/console/exports/",
  };
  const place = places[id.split("_")[0] ?? ""];
  return place === undefined ? null : place + id;
}
