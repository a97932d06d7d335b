/*
 * Users, and what they are to tenants and to the operator.
 */
#include "daemon/identity/identity.h"
#include "daemon/identity/password_policy.h"
#include "daemon/identity/roles.h"
#include "operations.h"
#include "statements.h"

static void bind_grantable(struct request *request)
{
    request_bind(request, "grantable", roles_for_people(request_actor(request)));
}

/* Binds a text of the body under its own name; `fallback` where it was not sent, or is null. */
static void bind_member(struct request *request, const char *name, const char *fallback)
{
    const char *value = identity_body_text(request, name).data;

    request_bind(request, name, value == NULL ? fallback : value);
}

static bool sent(const struct request *request, const char *name)
{
    return identity_body_text(request, name).data != NULL;
}

enum step operation_list_users(struct request *request)
{
    return request_run(request, &statement_list_users);
}

enum step operation_get_user(struct request *request)
{
    return request_run(request, &statement_get_user);
}

static bool for_tenant(const struct request *request)
{
    return request_actor(request)->side == ACTOR_TENANT || sent(request, "tenant");
}

static enum step store_user(struct request *request)
{
    if (!identity_bind_hash(request))
        return identity_refuse_overloaded(request);
    return request_run(request, for_tenant(request) ? &statement_create_member_user
                                                    : &statement_create_operator_user);
}

enum step operation_create_user(struct request *request)
{
    struct slice password = identity_body_text(request, "password");
    bool of_tenant = for_tenant(request);

    if (of_tenant ? sent(request, "operator_role") || sent(request, "park_id")
                  : sent(request, "role"))
        return request_refuse(request, "role_mismatch", NULL);
    if (!password_acceptable(password, identity_body_text(request, "email").data))
        return request_refuse(request, "password_refused", NULL);
    bind_grantable(request);
    bind_member(request, "email", NULL);
    bind_member(request, "name", NULL);
    bind_member(request, "language", "zh-CN");
    bind_member(request, "role", "member");
    bind_member(request, "operator_role", NULL);
    bind_member(request, "park_id", NULL);
    return request_hash_password(request, password, store_user);
}

enum step operation_update_user(struct request *request)
{
    bind_grantable(request);
    return request_run(request, &statement_update_user);
}

static enum step set_state(struct request *request, const char *from, const char *to)
{
    bind_grantable(request);
    request_bind(request, "from_state", from);
    request_bind(request, "to_state", to);
    return request_run(request, &statement_set_user_state);
}

enum step operation_disable_user(struct request *request)
{
    return set_state(request, "active", "disabled");
}

enum step operation_enable_user(struct request *request)
{
    return set_state(request, "disabled", "active");
}

enum step operation_set_operator_role(struct request *request)
{
    bind_grantable(request);
    bind_member(request, "operator_role", NULL);
    bind_member(request, "park_id", NULL);
    return request_run(request, &statement_set_operator_role);
}

/* ---- Members ---- */

enum step operation_list_members(struct request *request)
{
    return request_run(request, &statement_list_members);
}

enum step operation_get_member(struct request *request)
{
    return request_run(request, &statement_get_member);
}

enum step operation_add_member(struct request *request)
{
    bind_grantable(request);
    return request_run(request, &statement_add_member);
}

enum step operation_update_member(struct request *request)
{
    bind_grantable(request);
    bind_member(request, "role", NULL);
    return request_run(request, &statement_update_member);
}

enum step operation_remove_member(struct request *request)
{
    bind_grantable(request);
    return request_run(request, &statement_remove_member);
}
