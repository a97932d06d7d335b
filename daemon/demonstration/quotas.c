/*
 * What some enterprises may come to: quotas of their own and of the operator, and a reservation.
 */
#include <string.h>

#include "daemon/demonstration/world.h"

enum { RESERVED_SECONDS = 24 * 60 * 60 };

/* The first was crossed in the months before; what the hard ones allow is more than is used. */
static const struct {
    size_t tenant;
    const char *meter, *kind, *period, *limit;
    enum { ALL, SOFTWARE, LINE } of;
    bool own; /* set by the enterprise itself */
} quotas[] = {
    {2, "api-calls", "soft", "total", "190000", ALL, true},
    {2, "api-calls", "hard", "month", "300000", SOFTWARE, false},
    {2, "broadband-bytes", "hard", "month", "3000000000000", LINE, false},
    {WORLD_GROWING, "broadband-bytes", "soft", "month", "1000000000000", ALL, false},
    {WORLD_FIRST_PAYMENTS, "payment-value", "soft", "month", "500000", ALL, true},
};

static json_t *quota_body(const struct world *world, size_t i)
{
    const struct world_tenant *tenant = &world->tenants[quotas[i].tenant];
    json_t *body = json_pack("{s:s, s:s, s:s, s:s}", "meter", quotas[i].meter, "kind",
                             quotas[i].kind, "period", quotas[i].period, "limit", quotas[i].limit);

    if (!quotas[i].own)
        json_object_set_new(body, "tenant", json_string(tenant->id));
    if (quotas[i].of != ALL)
        json_object_set_new(body, "subject",
                            json_string(quotas[i].of == LINE ? tenant->line : tenant->software));
    return body;
}

static void make_quota(const struct world *world, struct api *api, size_t i)
{
    const struct world_tenant *tenant = &world->tenants[quotas[i].tenant];
    const char *operator_key = api->key;
    json_t *found = api_find(api, "/v1/quotas?tenant=%s&meter=%s&kind=%s", tenant->id,
                             quotas[i].meter, quotas[i].kind);

    if (quotas[i].own)
        api->key = tenant->key;
    if (found == NULL)
        found = api_post(api, quota_body(world, i), "/v1/quotas");
    api->key = operator_key;
    json_decref(found);
}

/* Calls that a nightly job will make. */
static void reserve(const struct world *world, struct api *api)
{
    const struct world_tenant *tenant = &world->tenants[quotas[1].tenant];
    const char *operator_key = api->key;
    json_t *found = api_find(api, "/v1/reservations?tenant=%s&state=held", tenant->id);

    api->key = tenant->key;
    if (found == NULL)
        found = api_post(api,
                         json_pack("{s:s, s:s, s:s, s:i}", "meter", quotas[1].meter, "subject",
                                   tenant->software, "quantity", "12000", "expires_in",
                                   RESERVED_SECONDS),
                         "/v1/reservations");
    api->key = operator_key;
    json_decref(found);
}

void world_make_quotas(const struct world *world, struct api *api)
{
    for (size_t i = 0; i < sizeof quotas / sizeof quotas[0]; i++)
        make_quota(world, api, i);
    reserve(world, api);
}
