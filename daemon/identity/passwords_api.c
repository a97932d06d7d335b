/*
 * Passwords: the caller's own, and another's who lost his.
 */
#include "daemon/db/session.h"
#include "daemon/identity/identity.h"
#include "daemon/identity/password_policy.h"
#include "daemon/identity/roles.h"
#include "operations.h"
#include "statements.h"

struct slice identity_body_text(const struct request *request, const char *name)
{
    const json_t *value = json_object_get(request_body(request), name);

    return (struct slice){json_string_value(value), json_string_length(value)};
}

bool identity_bind_hash(struct request *request)
{
    if (request_hasher_outcome(request) != HASHER_DONE)
        return false;
    request_bind(request, "password_hash", request_password_hash(request));
    return true;
}

enum step identity_refuse_overloaded(struct request *request)
{
    request_add_field(request, "Retry-After", "1");
    return request_refuse(request, "overloaded", NULL);
}

enum step identity_refuse_throttled(struct request *request, const PGresult *rows)
{
    request_add_field(request, "Retry-After", result_text(rows, 0, "retry_after"));
    return request_refuse(request, "sign_in_throttled", NULL);
}

/* Of random bytes that nobody knows. */
static const char nobodys_hash[] = "$argon2id$v=19$m=19456,t=2,p=1$iTYP/2Q1ohVgu11FKTrLNA"
                                   "$SarlIhGEGZ2Qos7Ftsc3Sof3WNHcPlbfJSU5psIUTxc";

enum step identity_verify_password(struct request *request, const PGresult *rows, const char *name,
                                   enum step (*then)(struct request *request))
{
    const char *hash =
        result_is_null(rows, 0, "password_hash")
            ? nobodys_hash
            : arena_text(request_arena(request), result_text(rows, 0, "password_hash"));

    request_bind(request, "verified_hash", hash);
    return request_verify_password(request, identity_body_text(request, name), hash, then);
}

/* ---- The caller's own ---- */

static enum step store_own(struct request *request)
{
    if (!identity_bind_hash(request))
        return identity_refuse_overloaded(request);
    return request_run_as(request, DATABASE_AUTH, &statement_change_password);
}

static enum step hash_own(struct request *request)
{
    switch (request_hasher_outcome(request)) {
    case HASHER_DONE:
        return request_hash_password(request, identity_body_text(request, "new"), store_own);
    case HASHER_WRONG:
        return request_refuse(request, "password_wrong", NULL);
    case HASHER_UNAVAILABLE:
        break;
    }
    return identity_refuse_overloaded(request);
}

static enum step verify_own(struct request *request, const PGresult *rows)
{
    if (!result_is_null(rows, 0, "retry_after"))
        return identity_refuse_throttled(request, rows);
    if (result_is_null(rows, 0, "user_id"))
        return request_refuse(request, "password_wrong", NULL);
    if (!password_acceptable(identity_body_text(request, "new"), result_text(rows, 0, "email")))
        return request_refuse(request, "password_refused", NULL);
    return identity_verify_password(request, rows, "current", hash_own);
}

enum step operation_change_my_password(struct request *request)
{
    if (request_actor(request)->session[0] == '\0')
        return request_refuse(request, "session_needed", NULL);
    request_bind(request, "login", request_actor(request)->id);
    return request_query_as(request, DATABASE_AUTH, &statement_look_up_password, verify_own);
}

/* ---- Another's ---- */

static enum step store_others(struct request *request)
{
    if (!identity_bind_hash(request))
        return identity_refuse_overloaded(request);
    return request_run(request, &statement_set_user_password);
}

static enum step hash_others(struct request *request, const PGresult *rows)
{
    struct slice password = identity_body_text(request, "password");
    const char *outcome = result_text(rows, 0, "outcome");

    if (PQntuples(rows) == 0)
        return request_refuse(request, "not_found", NULL);
    if (strcmp(outcome, "ok") != 0)
        return request_refuse(request, outcome, NULL);
    if (!password_acceptable(password, result_text(rows, 0, "email")))
        return request_refuse(request, "password_refused", NULL);
    return request_hash_password(request, password, store_others);
}

enum step operation_set_user_password(struct request *request)
{
    request_bind(request, "grantable", roles_for_people(request_actor(request)));
    return request_query(request, &statement_find_user_for_password, hash_others);
}
