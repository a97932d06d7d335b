/*
 * Licence keys. They are sealed before PostgreSQL sees them, and opened for those who may.
 */
#include "common/check.h"
#include "common/identifier.h"
#include "daemon/db/session.h"
#include "daemon/http/environment.h"
#include "daemon/http/request.h"
#include "daemon/software/licence_key.h"
#include "operations.h"
#include "proto/json.h"
#include "statements.h"

enum step operation_list_licence_keys(struct request *request)
{
    return request_run(request, &statement_list_licence_keys);
}

enum step operation_get_licence_key(struct request *request)
{
    return request_run(request, &statement_get_licence_key);
}

enum step operation_list_licence_key_reveals(struct request *request)
{
    return request_run(request, &statement_list_licence_key_reveals);
}

/* ---- Adding ---- */

/* As licence_keys_add of the schema reads it; the key itself is no part of it. */
static json_t *seal_entry(struct arena *arena, const char *tenant, const json_t *entry)
{
    const struct seal_keys *keys = http_environment()->seal_keys;
    struct slice key = slice_of(json_member_text(entry, "key"));
    json_t *sealed = json_copy((json_t *)entry);
    char id[IDENTIFIER_SIZE];

    check(sealed != NULL);
    identifier_make("lic", id);
    json_object_del(sealed, "key");
    json_object_set_new(sealed, "id", json_string(id));
    json_object_set_new(sealed, "secret",
                        json_string(licence_key_close(keys, arena, tenant, id, key)));
    json_object_set_new(sealed, "digest", json_string(licence_key_digest(keys, arena, key)));
    json_object_set_new(sealed, "ending", json_string(licence_key_ending(arena, key)));
    return sealed;
}

/* Keys are sealed for the tenant of the subscription, which an operator need not have named. */
static enum step add_with_tenant(struct request *request, const PGresult *rows)
{
    struct arena *arena = request_arena(request);
    const json_t *keys = json_object_get(request_body(request), "keys");
    json_t *sealed;

    if (PQntuples(rows) == 0)
        return request_refuse(request, "not_found", NULL);
    sealed = json_array();
    for (size_t i = 0; i < json_array_size(keys); i++)
        json_array_append_new(sealed,
                              seal_entry(arena, PQgetvalue(rows, 0, 0), json_array_get(keys, i)));
    request_bind(request, "keys", arena_copy(arena, json_canonical(arena, sealed)));
    json_decref(sealed);
    return request_run(request, &statement_add_licence_keys);
}

enum step operation_add_licence_keys(struct request *request)
{
    return request_query(request, &statement_get_resource_tenant, add_with_tenant);
}

/* ---- Actions ---- */

static enum step act(struct request *request, const char *action)
{
    request_bind(request, "action", action);
    return request_run(request, &statement_act_on_licence_key);
}

enum step operation_assign_licence_key(struct request *request)
{
    return act(request, "assign");
}

enum step operation_unassign_licence_key(struct request *request)
{
    return act(request, "unassign");
}

enum step operation_revoke_licence_key(struct request *request)
{
    return act(request, "revoke");
}

/* ---- In clear ---- */

static enum step answer_revealed(struct request *request, const PGresult *rows)
{
    const char *id = request_parameter(request, "licence_key_id");
    const char *key;

    if (PQntuples(rows) == 0)
        return request_refuse(request, "not_found", NULL);
    key = licence_key_open(http_environment()->seal_keys, request_arena(request),
                           result_text(rows, 0, "tenant_id"), id,
                           slice_of(result_text(rows, 0, "secret")));
    if (key == NULL)
        return request_refuse(request, "licence_key_unreadable", NULL);
    json_t *answer = json_pack("{s:s, s:s, s:s}", "id", id, "resource_id",
                               request_parameter(request, "resource_id"), "key", key);
    enum step next = request_answer_json(request, 0, answer);
    json_decref(answer);
    return next;
}

enum step operation_reveal_licence_key(struct request *request)
{
    return request_query(request, &statement_reveal_licence_key, answer_revealed);
}
