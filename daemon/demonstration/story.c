/*
 * What happens after the months that are closed: orders under way and gone wrong, an enterprise
 * that has not paid, a credit note, usage that comes late, and the open month's drafts.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/demonstration/world.h"

enum { CREDITED = 2 };

/* How far an order comes on its usual way, and what is done then. */
struct order {
    size_t tenant;
    const char *kind, *name, *external_id;
    int offering, plan, steps;
    const char *then, *reason;
};

static const struct {
    const char *from, *action;
} way[] = {{"requested", "approve"},
           {"approved", "provision"},
           {"provisioning", "activate"},
           {"active", NULL}};

static const struct order orders[] = {
    {1, "terminal", "前台云终端", "terminal-front", 1, 4, 0, NULL, NULL},
    {2, "software", "客户管理（分公司）", "software-branch", 2, 5, 1, NULL, NULL},
    {5, "broadband", "分公司专线", "line-branch", 0, 1, 2, NULL, NULL},
    {6, "broadband", "仓库专线", "line-store", 0, 0, 2, "fail", "光猫无光信号"},
    {9, "software", "客户管理", "software-trial", 2, 6, 0, "reject", "资质材料不全"},
    {7, "broadband", "会议中心专线", "line-hall", 0, 2, 3, "suspend", "装修停用"},
    {10, "terminal", "展厅云终端", "terminal-hall", 1, 3, 3, "terminate", "展会结束，待归还"},
    {11, "software", "客户管理试用", "software-old", 2, 5, 0, "terminate", "改用支付服务"},
};

static json_t *part_of(const struct order *order)
{
    if (strcmp(order->kind, "software") == 0)
        return json_pack("{s:i}", "seats", 6);
    if (strcmp(order->kind, "terminal") == 0)
        return json_object();
    return json_pack("{s:s, s:s, s:i, s:i}", "line", order->external_id, "access_technology",
                     "gpon", "maximum_downstream_kbit", 100000, "maximum_upstream_kbit", 20000);
}

static json_t *request(const struct world *world, struct api *api, const struct order *order)
{
    return api_post(api,
                    json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "tenant",
                              world->tenants[order->tenant].id, "kind", order->kind, "offering_id",
                              world->offerings[order->offering], "plan_id",
                              world->plans[order->plan], "name", order->name, "external_id",
                              order->external_id, order->kind, part_of(order)),
                    "/v1/resources");
}

static json_t *body_of(const char *action, const char *reason)
{
    if (strcmp(action, "fail") == 0)
        return json_pack("{s:s, s:s, s:b}", "code", "no-signal", "detail", reason, "retryable", 1);
    return json_pack("{s:s}", "reason", reason);
}

/* Where it is in another state already, it is left alone, so that a repeated run goes on where the
 * one before ended. */
static json_t *take_step(struct api *api, json_t *resource, const char *from, const char *action,
                         const char *reason)
{
    json_t *after;

    if (action == NULL || strcmp(text_of(resource, "state"), from) != 0)
        return resource;
    after = api_post(api, body_of(action, reason), "/v1/resources/%s/%s", text_of(resource, "id"),
                     action);
    json_decref(resource);
    return after;
}

static void make_order(const struct world *world, struct api *api, const struct order *order)
{
    json_t *resource = api_find(api, "/v1/resources?tenant=%s&external_id=%s",
                                world->tenants[order->tenant].id, order->external_id);

    if (resource == NULL)
        resource = request(world, api, order);
    for (int i = 0; i < order->steps; i++)
        resource = take_step(api, resource, way[i].from, way[i].action, "按订单办理");
    resource = take_step(api, resource, way[order->steps].from, order->then, order->reason);
    json_decref(resource);
}

static void suspend_tenant(const struct world *world, struct api *api)
{
    const struct world_tenant *tenant = &world->tenants[WORLD_SUSPENDED];

    if (!tenant->suspended)
        json_decref(api_post(api, NULL, "/v1/tenants/%s/suspend", tenant->id));
}

/* Three days of a line that was down, taken off the first month's bill. */
static void credit(const struct world *world, struct api *api)
{
    char month[PERIOD_TEXT_SIZE];
    json_t *invoice, *made;

    period_write(world->months[0], month);
    invoice = api_find(api, "/v1/invoices?tenant=%s&period=%s", world->tenants[CREDITED].id, month);
    made = api_find(api, "/v1/credit-notes?invoice_id=%s", text_of(invoice, "id"));
    if (made == NULL)
        made = api_post(api,
                        json_pack("{s:s, s:s, s:[{s:i, s:s}]}", "invoice_id",
                                  text_of(invoice, "id"), "reason", "线路中断三天，按日退还",
                                  "lines", "line", 1, "net", "39.90"),
                        "/v1/credit-notes");
    json_decref(made);
    json_decref(invoice);
}

static void draft(const struct world *world, struct api *api)
{
    char month[PERIOD_TEXT_SIZE];
    json_t *run;

    period_write(world->months[WORLD_CLOSED], month);
    run = api_find(api, "/v1/billing-runs?period=%s", month);
    if (run == NULL)
        run = api_post(api, json_pack("{s:s}", "period", month), "/v1/billing-runs");
    api_wait(api, text_of(run, "operation_id"));
    json_decref(run);
}

void world_make_story(struct world *world, struct api *api)
{
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++)
        make_order(world, api, &orders[i]);
    world_send_late(world, api);
    credit(world, api);
    draft(world, api);
    suspend_tenant(world, api);
}
