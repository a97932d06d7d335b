/*
 * query, the way out: one segment, settings -> claim of the Idempotency-Key -> statement -> Sync,
 * its parameters found by name.
 */
#include "daemon/http/request_internal.h"

#include <stdlib.h>

#include "common/check.h"
#include "common/log.h"
#include "proto/json.h"
#include "statements.h"

enum { NEW_PREFIX = sizeof "new_" - 1 };

void request_bind(struct request *request, const char *name, const char *value)
{
    for (size_t i = 0; i < request->binding_count; i++)
        if (strcmp(request->bindings[i].name, name) == 0) {
            request->bindings[i].value = value;
            return;
        }
    check(request->binding_count < REQUEST_BINDINGS_LIMIT);
    request->bindings[request->binding_count++] = (struct binding){name, value};
}

const char *request_parameter(const struct request *request, const char *bind)
{
    for (size_t i = 0; i < request->binding_count; i++)
        if (strcmp(request->bindings[i].name, bind) == 0)
            return request->bindings[i].value;
    return NULL;
}

bool request_dry_run(const struct request *request)
{
    const char *value = request_parameter(request, "dry_run");
    return value != NULL && strcmp(value, "true") == 0;
}

static const char *text_or_null(const char *text)
{
    return text == NULL || text[0] == '\0' ? NULL : text;
}

static const char *body_text(struct request *request)
{
    return request->document == NULL
               ? NULL
               : arena_copy(request->arena, json_canonical(request->arena, request->document));
}

static bool contract_parameter_named(const struct request *request, const char *name)
{
    for (size_t i = 0; i < request->operation->parameter_count; i++)
        if (strcmp(request->operation->parameters[i].bind, name) == 0)
            return true;
    return false;
}

static const char *fresh_id(struct request *request, const char *name)
{
    char *id = arena_allocate(request->arena, 1, IDENTIFIER_SIZE);

    identifier_make(name + NEW_PREFIX, id);
    request_bind(request, name, id);
    return id;
}

/* The parameters that the framework knows; *known says whether it does. */
static const char *own_value(struct request *request, const char *name, bool *known)
{
    const struct actor *actor = &request->actor;

    *known = true;
    if (strcmp(name, "tenant") == 0)
        return request->tenant;
    if (strcmp(name, "actor") == 0)
        return text_or_null(actor->id);
    if (strcmp(name, "actor_tenant") == 0)
        return text_or_null(actor->tenant);
    if (strcmp(name, "actor_park") == 0)
        return text_or_null(actor->park);
    if (strcmp(name, "actor_side") == 0)
        return actor->side == ACTOR_TENANT ? "tenant" : "operator";
    if (strcmp(name, "actor_session") == 0)
        return text_or_null(actor->session);
    if (strcmp(name, "request_id") == 0)
        return request->id;
    if (strcmp(name, "address") == 0)
        return request->address;
    if (strcmp(name, "body") == 0)
        return body_text(request);
    if (strcmp(name, "if_match") == 0)
        return request->if_match;
    if (strcmp(name, "dry_run") == 0)
        return request_dry_run(request) ? "true" : "false";
    if (strcmp(name, "time_zone_of_bills") == 0)
        return http_environment()->time_zone;
    if (strcmp(name, "idempotency_key") == 0)
        return request->idempotency_key;
    if (strcmp(name, "idempotency_digest") == 0)
        return request->idempotency_digest;
    if (strcmp(name, "idempotency_status") == 0)
        return arena_format(request->arena, "%d", request->operation->success);
    *known = false;
    return NULL;
}

static const char *value_of(struct request *request, const char *name)
{
    bool known;
    const char *value = own_value(request, name, &known);

    if (known)
        return value;
    for (size_t i = 0; i < request->binding_count; i++)
        if (strcmp(request->bindings[i].name, name) == 0)
            return request->bindings[i].value;
    if (strncmp(name, "new_", NEW_PREFIX) == 0)
        return fresh_id(request, name);
    if (!contract_parameter_named(request, name))
        log_error("statement_parameter_unknown", log_text("parameter", name),
                  log_text("operation", request->operation->id));
    return NULL;
}

static enum statement_variant variant_of(const struct request *request)
{
    const char *sort = request_parameter(request, "sort");
    bool ascending = sort != NULL && sort[0] != '-';

    if (request->actor.side == ACTOR_TENANT)
        return ascending ? STATEMENT_TENANT_ASCENDING : STATEMENT_TENANT;
    return ascending ? STATEMENT_OPERATOR_ASCENDING : STATEMENT_OPERATOR;
}

static void add_part(struct request *request, struct segment *segment,
                     const struct statement *statement)
{
    const char **values =
        arena_allocate(request->arena, statement->parameter_count + 1, sizeof *values);

    for (size_t i = 0; i < statement->parameter_count; i++)
        values[i] = value_of(request, statement->parameters[i]);
    segment->parts[segment->count++] = (struct segment_part){
        .statement = statement, .variant = variant_of(request), .values = values};
}

enum step request_send(struct request *request, enum database_role role,
                       const struct statement *statement,
                       enum step (*rows)(struct request *request, const PGresult *result))
{
    struct segment segment = {.role = role, .timeout = http_environment()->query_timeout};

    if (role != DATABASE_AUTH)
        add_part(request, &segment,
                 request->operation->method == HTTP1_GET ? &statement_begin_reading
                                                         : &statement_begin_request);
    request->kept = request->kept || statement->keyed;
    if (statement->keyed && request->idempotency_key != NULL && request->attempts == 0)
        add_part(request, &segment, &statement_claim_idempotency_key);
    if (request->prepended != NULL)
        add_part(request, &segment, request->prepended);
    request->prepended = NULL;
    add_part(request, &segment, statement);
    request->rows = rows;
    request->violations = NULL;
    request->statement = statement;
    request->outstanding++;
    database_submit(http_environment()->database, &segment, request->number);
    return WAIT;
}

enum database_role request_role(const struct request *request)
{
    return request->actor.side == ACTOR_TENANT     ? DATABASE_TENANT
           : request->actor.side == ACTOR_OPERATOR ? DATABASE_OPERATOR
                                                   : DATABASE_AUTH;
}

void request_prepend(struct request *request, const struct statement *statement)
{
    request->prepended = statement;
}
