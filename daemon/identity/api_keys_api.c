#include "common/digest.h"
#include "daemon/db/session.h"
#include "daemon/identity/identity.h"
#include "daemon/identity/roles.h"
#include "operations.h"
#include "statements.h"

enum { KEY_PREFIX_LENGTH = 8 }; /* "bcc_" and 4 characters, shown to tell keys apart */

/* A new key: its text is kept for the answer, its digest and prefix are bound. */
static void make_key(struct request *request)
{
    struct arena *arena = request_arena(request);
    char *secret = arena_allocate(arena, 1, KEY_TEXT_LENGTH + 1);
    char *digest = arena_allocate(arena, 1, SHA256_HEX_SIZE);

    key_make(secret);
    sha256_hex(slice_of(secret), digest);
    request_bind(request, "key_digest", digest);
    request_bind(request, "key_prefix",
                 arena_copy(arena, (struct slice){secret, KEY_PREFIX_LENGTH}));
    request_set_state(request, secret);
}

static void bind_bounds(struct request *request)
{
    request_bind(request, "grantable", roles_for_keys(request_actor(request)));
    request_bind(request, "held", request_actor(request)->scopes);
}

/* As request_run answers, with the secret put in here, so that it never is a parameter of a
 * statement, which PostgreSQL may log. */
static enum step answer_with_secret(struct request *request, const PGresult *rows)
{
    struct arena *arena = request_arena(request);
    const char *outcome = result_text(rows, 0, "outcome");
    json_t *document;
    enum step next;

    if (PQntuples(rows) == 0)
        return request_refuse(request, "not_found", NULL);
    if (strcmp(outcome, "ok") != 0)
        return request_refuse(request, outcome, NULL);
    document = json_loads(result_text(rows, 0, "document"), 0, NULL);
    json_object_set_new(document, "secret", json_string(request_state(request)));
    request_add_field(request, "ETag",
                      arena_format(arena, "\"%s\"", result_text(rows, 0, "version")));
    if (!result_is_null(rows, 0, "location"))
        request_add_field(request, "Location", result_text(rows, 0, "location"));
    next = request_answer_json(request, 0, document);
    json_decref(document);
    return next;
}

/* Without scopes a key may all that its role may, so only who is not bound by scopes makes one. */
static bool scopes_held(const struct actor *actor, const json_t *scopes)
{
    size_t count = json_array_size(scopes);

    for (size_t i = 0; i < count; i++)
        if (!actor_may(actor, json_string_value(json_array_get(scopes, i))))
            return false;
    return count > 0 || actor->scopes[0] == '\0';
}

enum step operation_list_api_keys(struct request *request)
{
    return request_run(request, &statement_list_api_keys);
}

enum step operation_get_api_key(struct request *request)
{
    return request_run(request, &statement_get_api_key);
}

enum step operation_create_api_key(struct request *request)
{
    const struct actor *actor = request_actor(request);

    if (!scopes_held(actor, json_object_get(request_body(request), "scopes")))
        return request_refuse(request, "scope_not_allowed", NULL);
    bind_bounds(request);
    request_bind(request, "actor_role", actor->role);
    make_key(request);
    return request_query(request, &statement_create_api_key, answer_with_secret);
}

enum step operation_rotate_api_key(struct request *request)
{
    const json_t *overlap = json_object_get(request_body(request), "overlap_seconds");

    bind_bounds(request);
    request_bind(
        request, "overlap",
        arena_format(request_arena(request), "%lld", (long long)json_integer_value(overlap)));
    make_key(request);
    return request_query(request, &statement_rotate_api_key, answer_with_secret);
}

enum step operation_revoke_api_key(struct request *request)
{
    bind_bounds(request);
    return request_run(request, &statement_revoke_api_key);
}
