#include "daemon/http/actor.h"

const struct actor_role actor_roles[] = {
    {"platform_admin", "*"},
    {"operator",
     "overview:read tenants:* users:* api-keys:* catalog:* resources:* terminals:* "
     "broadband:* software:* licence-keys:* entitlements:read vendors:* events:* usage:* "
     "meters:* quotas:* reservations:* invoices:read billing-runs:read periods:read exports:read "
     "operations:read orders:* approval-rules:* work-orders:* service-levels:* "
     "service-credit-rules:* tickets:* maintenances:* waiting-list:* terminal-fees:* audit:read"},
    {"finance",
     "overview:read tenants:read users:read catalog:read resources:read terminals:read "
     "software:read vendors:read events:read usage:read meters:read quotas:read billing-runs:* "
     "invoices:* periods:* exports:* operations:read orders:read orders:approve "
     "approval-rules:read service-credit-rules:* work-orders:read service-levels:read "
     "tickets:read maintenances:read waiting-list:read terminal-fees:* audit:read"},
    {"auditor",
     "overview:read tenants:read users:read api-keys:read catalog:read resources:read "
     "terminals:read broadband:read software:read vendors:read events:read usage:read "
     "meters:read quotas:read reservations:read billing-runs:read invoices:read periods:read "
     "exports:read operations:read "
     "orders:read approval-rules:read service-credit-rules:read work-orders:read "
     "service-levels:read tickets:read maintenances:read waiting-list:read terminal-fees:read "
     "audit:read"},
    {"park_manager",
     "overview:read tenants:read users:read api-keys:read catalog:read resources:read "
     "terminals:read broadband:read software:read usage:read meters:read quotas:read invoices:read "
     "operations:read orders:read work-orders:read service-levels:read tickets:read "
     "maintenances:read waiting-list:read terminal-fees:read audit:read"},
    {"owner", "overview:read tenants:read users:* api-keys:* catalog:read resources:read "
              "resources:write terminals:read broadband:read software:* licence-keys:reveal "
              "entitlements:read events:* usage:* meters:read quotas:* reservations:* "
              "invoices:read operations:read orders:* work-orders:read service-levels:read "
              "tickets:read tickets:write maintenances:read "
              "waiting-list:* terminal-fees:* audit:read"},
    {"admin", "overview:read tenants:read users:* api-keys:* catalog:read resources:read "
              "resources:write terminals:read broadband:read software:* licence-keys:reveal "
              "entitlements:read events:* usage:* meters:read quotas:* reservations:* "
              "invoices:read operations:read orders:* work-orders:read service-levels:read "
              "tickets:read tickets:write maintenances:read "
              "waiting-list:* terminal-fees:* audit:read"},
    {"developer", "overview:read tenants:read api-keys:* catalog:read resources:read software:read "
                  "entitlements:read events:* usage:* meters:read quotas:read reservations:* "
                  "operations:read orders:read "
                  "tickets:read tickets:write maintenances:read waiting-list:read"},
    {"billing",
     "overview:read tenants:read catalog:read resources:read usage:read meters:read quotas:read "
     "invoices:read operations:read orders:read orders:approve maintenances:read "
     "waiting-list:read terminal-fees:*"},
    {"member", "overview:read tenants:read catalog:read resources:read software:read usage:read "
               "meters:read quotas:read orders:read tickets:read tickets:write maintenances:read "
               "waiting-list:read"},
};

const size_t actor_role_count = sizeof actor_roles / sizeof actor_roles[0];

/* "*", "invoices:*" or the permission itself. */
static bool covers(struct slice granted, struct slice permission)
{
    if (slice_is(granted, "*"))
        return true;
    if (granted.length > 1 && granted.data[granted.length - 1] == '*')
        return permission.length >= granted.length - 1 &&
               memcmp(granted.data, permission.data, granted.length - 1) == 0;
    return slice_equal(granted, permission);
}

static bool list_covers(const char *list, struct slice permission)
{
    struct slice rest = slice_of(list);
    struct slice word;

    while (slice_split(&rest, ' ', &word))
        if (covers(word, permission))
            return true;
    return covers(rest, permission);
}

static const char *role_permissions(const char *role)
{
    for (size_t i = 0; i < actor_role_count; i++)
        if (strcmp(actor_roles[i].name, role) == 0)
            return actor_roles[i].permissions;
    return "";
}

bool actor_may(const struct actor *actor, const char *permission)
{
    if (permission == NULL)
        return true;
    struct slice wanted = slice_of(permission);
    return list_covers(role_permissions(actor->role), wanted) &&
           (actor->scopes[0] == '\0' || list_covers(actor->scopes, wanted));
}
