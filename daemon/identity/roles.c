#include "daemon/identity/roles.h"

#include <stddef.h>
#include <string.h>

#define TENANT_ROLES "owner,admin,developer,billing,member"

static const struct {
    const char *role;
    const char *grantable;
} roles[] = {
    {"platform_admin", "platform_admin,operator,finance,auditor,park_manager," TENANT_ROLES},
    {"operator", TENANT_ROLES},
    {"park_manager", TENANT_ROLES},
    {"owner", TENANT_ROLES},
    {"admin", "admin,developer,billing,member"},
    {"developer", "developer,member"},
    {"billing", "billing,member"},
    {"member", "member"},
};

const char *roles_for_keys(const struct actor *actor)
{
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
        if (strcmp(roles[i].role, actor->role) == 0)
            return roles[i].grantable;
    return "";
}

const char *roles_for_people(const struct actor *actor)
{
    const char *grantable = roles_for_keys(actor);

    return actor->scopes[0] == '\0' || grantable[0] == '\0' ? grantable : "member";
}
