/*
 * Signing in and out, and who is signed in.
 *
 * A sign-in takes as long for an account that is not there as for one that is: there is always a
 * hash to verify against.
 */
#include <stdio.h>

#include "common/digest.h"
#include "common/memory.h"
#include "daemon/db/session.h"
#include "daemon/http/environment.h"
#include "daemon/identity/identity.h"
#include "operations.h"
#include "statements.h"

#define SESSION_COOKIE "__Host-bccd=%s; Path=/; Secure; HttpOnly; SameSite=Strict"

enum { TOKEN_BYTES = 32, TOKEN_SIZE = 2 * TOKEN_BYTES + 1 };

/* Of random bytes that nobody knows. */
static const char nobodys_hash[] = "$argon2id$v=19$m=19456,t=2,p=1$iTYP/2Q1ohVgu11FKTrLNA"
                                   "$SarlIhGEGZ2Qos7Ftsc3Sof3WNHcPlbfJSU5psIUTxc";

/* The token's text becomes the cookie, its SHA-256 the row. */
static const char *make_token(struct request *request)
{
    unsigned char random[TOKEN_BYTES];
    char *token = arena_allocate(request_arena(request), 1, TOKEN_SIZE);
    char *digest = arena_allocate(request_arena(request), 1, SHA256_HEX_SIZE);

    random_bytes(random, sizeof random);
    hex_write(random, sizeof random, token);
    memory_wipe(random, sizeof random);
    sha256_hex(slice_of(token), digest);
    request_bind(request, "session_digest", digest);
    return token;
}

static enum step answer_session(struct request *request, const PGresult *rows)
{
    if (PQntuples(rows) == 0)
        return request_refuse(request, "sign_in_failed", NULL);
    request_add_field(
        request, "Set-Cookie",
        arena_format(request_arena(request), SESSION_COOKIE, (char *)request_state(request)));
    return request_answer_bytes(request, 0, "application/json",
                                slice_of(result_text(rows, 0, "document")));
}

static enum step open_session(struct request *request)
{
    if (request_hasher_outcome(request) == HASHER_UNAVAILABLE)
        return identity_refuse_overloaded(request);
    if (request_hasher_outcome(request) != HASHER_DONE ||
        request_parameter(request, "opener") == NULL)
        return request_refuse(request, "sign_in_failed", NULL);
    request_set_state(request, (char *)make_token(request));
    request_bind(
        request, "seconds",
        arena_format(request_arena(request), "%lld", (long long)http_environment()->session_time));
    return request_query_as(request, DATABASE_AUTH, &statement_open_session, answer_session);
}

static enum step verify_password(struct request *request, const PGresult *rows)
{
    bool known = !result_is_null(rows, 0, "user_id");

    if (!result_is_null(rows, 0, "retry_after"))
        return identity_refuse_throttled(request, rows);
    request_bind(request, "opener",
                 known ? arena_text(request_arena(request), result_text(rows, 0, "user_id"))
                       : NULL);
    return request_verify_password(
        request, identity_body_text(request, "password"),
        known ? arena_text(request_arena(request), result_text(rows, 0, "password_hash"))
              : nobodys_hash,
        open_session);
}

enum step operation_create_session(struct request *request)
{
    request_bind(request, "login", identity_body_text(request, "email").data);
    return request_query_as(request, DATABASE_AUTH, &statement_look_up_password, verify_password);
}

enum step operation_delete_current_session(struct request *request)
{
    if (request_actor(request)->session[0] == '\0')
        return request_refuse(request, "session_needed", NULL);
    request_add_field(request, "Set-Cookie",
                      arena_format(request_arena(request), SESSION_COOKIE "; Max-Age=0", ""));
    return request_run_as(request, DATABASE_AUTH, &statement_close_session);
}

/* Each permission of the contract that the caller has, also one that no operation asks for alone. */
static json_t *permissions(const struct actor *actor)
{
    json_t *list = json_array();

    for (size_t i = 0; i < contract_permission_count; i++)
        if (actor_may(actor, contract_permissions[i].name))
            json_array_append_new(list, json_string(contract_permissions[i].name));
    return list;
}

static enum step answer_me(struct request *request, const PGresult *rows)
{
    json_t *document = json_loads(result_text(rows, 0, "document"), 0, NULL);
    enum step next;

    json_object_set_new(document, "permissions", permissions(request_actor(request)));
    next = request_answer_json(request, 0, document);
    json_decref(document);
    return next;
}

enum step operation_get_me(struct request *request)
{
    request_bind(request, "actor_role", request_actor(request)->role);
    return request_query(request, &statement_get_me, answer_me);
}
