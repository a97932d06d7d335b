#include <stdio.h>

#include "common/identifier.h"
#include "common/instant.h"
#include "daemon/http/environment.h"
#include "daemon/http/request.h"
#include "daemon/resources/line_secret.h"
#include "operations.h"
#include "proto/json.h"
#include "statements.h"

enum step operation_list_resources(struct request *request)
{
    return request_run(request, &statement_list_resources);
}

static enum step answer_kept(struct request *request, const PGresult *rows)
{
    return PQntuples(rows) == 1 ? request_answer_rows(request, rows)
                                : request_run(request, &statement_get_resource);
}

enum step operation_get_resource(struct request *request)
{
    return request_parameter(request, "expand") == NULL
               ? request_query(request, &statement_get_kept_resource, answer_kept)
               : request_run(request, &statement_get_expanded_resource);
}

enum step operation_update_resource(struct request *request)
{
    return request_run(request, &statement_update_resource);
}

enum step operation_list_resource_history(struct request *request)
{
    return request_run(request, &statement_list_resource_history);
}

/* ---- Effective times ---- */

static bool names_plan_or_tier(const json_t *body)
{
    return json_object_get(body, "plan_id") != NULL ||
           json_object_get(json_object_get(body, "broadband"), "tier_id") != NULL;
}

/* Only a plan or a tier may begin later at anybody's wish; any other time said takes a permission,
 * of the operator's side. */
static bool effective_at_allowed(struct request *request, bool change)
{
    const struct actor *actor = request_actor(request);
    const char *text = json_member_text(request_body(request), "effective_at");
    instant wanted;

    if (text == NULL || (actor->side == ACTOR_OPERATOR && actor_may(actor, "resources:backdate")))
        return true;
    return change && names_plan_or_tier(request_body(request)) &&
           instant_parse(slice_of(text), &wanted) && wanted >= instant_now();
}

/* ---- Passwords ---- */

static const char *password_of(const struct request *request)
{
    return json_member_text(json_object_get(request_body(request), "broadband"), "password");
}

/* Binds :order, the body without the password, so that PostgreSQL never sees it in clear. */
static void bind_order(struct request *request)
{
    json_t *order = json_deep_copy(request_body(request));

    if (order == NULL)
        order = json_object();
    json_object_del(json_object_get(order, "broadband"), "password");
    request_bind(request, "order",
                 arena_copy(request_arena(request), json_canonical(request_arena(request), order)));
    json_decref(order);
}

static void bind_secret(struct request *request, const char *tenant)
{
    const char *password = password_of(request);

    request_bind(request, "secret",
                 password == NULL || tenant == NULL
                     ? NULL
                     : line_secret_close(http_environment()->seal_keys, request_arena(request),
                                         tenant, request_parameter(request, "resource_id"),
                                         slice_of(password)));
}

/* ---- Rates ---- */

static void note_missing(struct request *request, struct schema_errors *errors, const char *field)
{
    struct schema_error *error = &errors->list[errors->count++];

    errors->total++;
    snprintf(error->pointer, sizeof error->pointer, "/broadband/%s", field);
    error->code = "missing_field";
    error->detail = request_language(request) == LANGUAGE_CHINESE ? "未指定 tier_id 时必填。"
                                                                  : "Required without a tier_id.";
}

/* What a line without a tier must say; NULL when nothing is missing. */
static const struct schema_errors *missing_rates(struct request *request)
{
    static const char *const fields[] = {"maximum_downstream_kbit", "maximum_upstream_kbit"};
    const json_t *line = json_object_get(request_body(request), "broadband");
    struct schema_errors *errors = arena_allocate(request_arena(request), 1, sizeof *errors);

    if (line == NULL || json_object_get(line, "tier_id") != NULL)
        return NULL;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (json_object_get(line, fields[i]) == NULL)
            note_missing(request, errors, fields[i]);
    return errors->count == 0 ? NULL : errors;
}

/* ---- Actions ---- */

static const char *tenant_named(const struct request *request)
{
    const struct actor *actor = request_actor(request);

    return actor->side == ACTOR_TENANT ? actor->tenant
                                       : json_member_text(request_body(request), "tenant");
}

enum step operation_create_resource(struct request *request)
{
    const struct schema_errors *missing = missing_rates(request);
    char *id = arena_allocate(request_arena(request), 1, IDENTIFIER_SIZE);

    if (missing != NULL)
        return request_refuse_at(request, "validation_failed", missing);
    if (!effective_at_allowed(request, false))
        return request_refuse(request, "backdating_forbidden", NULL);
    identifier_make("res", id);
    request_bind(request, "resource_id", id);
    bind_order(request);
    bind_secret(request, tenant_named(request));
    return request_run(request, &statement_create_resource);
}

static enum step act(struct request *request, const char *action)
{
    if (!effective_at_allowed(request, strcmp(action, "change") == 0))
        return request_refuse(request, "backdating_forbidden", NULL);
    request_bind(request, "action", action);
    bind_order(request);
    bind_secret(request, tenant_named(request));
    return request_run(request, &statement_act_on_resource);
}

/* A password is sealed for the tenant of the line, which an operator need not have named. */
static enum step change_with_tenant(struct request *request, const PGresult *rows)
{
    if (PQntuples(rows) == 0)
        return request_refuse(request, "not_found", NULL);
    bind_secret(request, arena_text(request_arena(request), PQgetvalue(rows, 0, 0)));
    return request_run(request, &statement_act_on_resource);
}

enum step operation_change_resource(struct request *request)
{
    if (password_of(request) == NULL || request_actor(request)->side == ACTOR_TENANT)
        return act(request, "change");
    if (!effective_at_allowed(request, true))
        return request_refuse(request, "backdating_forbidden", NULL);
    request_bind(request, "action", "change");
    bind_order(request);
    return request_query(request, &statement_get_resource_tenant, change_with_tenant);
}

enum step operation_approve_resource(struct request *request)
{
    return act(request, "approve");
}

enum step operation_reject_resource(struct request *request)
{
    return act(request, "reject");
}

enum step operation_provision_resource(struct request *request)
{
    return act(request, "provision");
}

enum step operation_activate_resource(struct request *request)
{
    return act(request, "activate");
}

enum step operation_suspend_resource(struct request *request)
{
    return act(request, "suspend");
}

enum step operation_resume_resource(struct request *request)
{
    return act(request, "resume");
}

enum step operation_move_resource(struct request *request)
{
    return act(request, "move");
}

enum step operation_renew_resource(struct request *request)
{
    return act(request, "renew");
}

enum step operation_terminate_resource(struct request *request)
{
    return act(request, "terminate");
}

enum step operation_fail_resource(struct request *request)
{
    return act(request, "fail");
}

enum step operation_retry_resource(struct request *request)
{
    return act(request, "retry");
}
