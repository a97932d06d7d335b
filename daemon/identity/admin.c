#include "daemon/identity/admin.h"

#include <stdio.h>
#include <string.h>

#include "common/identifier.h"
#include "common/memory.h"
#include "statements.h"

enum { PREFIX_SIZE = 9 }; /* "bcc_" and 4 characters */

struct change {
    const char *email, *role, *hash;
    bool reset;
};

static bool role_fits(const char *role)
{
    static const char *const roles[] = {"platform_admin", "operator", "finance", "auditor"};

    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
        if (strcmp(role, roles[i]) == 0)
            return true;
    return false;
}

/* The id of the user with that address; "" when there is none. */
static void find_user(struct session *session, const char *email, char id[IDENTIFIER_SIZE])
{
    PGresult *rows =
        session_run_named(session, &statement_admin_find_user, "email", email, (char *)NULL);

    snprintf(id, IDENTIFIER_SIZE, "%s", result_text(rows, 0, "id"));
    PQclear(rows);
}

static void store_user(struct session *session, const struct change *change,
                       char id[IDENTIFIER_SIZE])
{
    if (change->reset) {
        PQclear(session_run_named(session, &statement_admin_reset_user, "user_id", id,
                                  "password_hash", change->hash, (char *)NULL));
    } else {
        identifier_make("usr", id);
        PQclear(session_run_named(session, &statement_admin_create_user, "user_id", id, "email",
                                  change->email, "name", change->email, "password_hash",
                                  change->hash, (char *)NULL));
    }
    PQclear(session_run_named(session, &statement_admin_appoint, "user_id", id, "role",
                              change->role, (char *)NULL));
}

static void store_key(struct session *session, const char *user, const char *role,
                      char key[KEY_TEXT_LENGTH + 1])
{
    char id[IDENTIFIER_SIZE], digest[SHA256_HEX_SIZE], prefix[PREFIX_SIZE];

    identifier_make("key", id);
    key_make(key);
    sha256_hex(slice_of(key), digest);
    snprintf(prefix, sizeof prefix, "%.8s", key);
    PQclear(session_run_named(session, &statement_admin_replace_key, "user_id", user, "key_id", id,
                              "key_prefix", prefix, "key_digest", digest, "role", role,
                              (char *)NULL));
}

/* What stands against it; NULL when nothing does. */
static const char *objection(const struct change *change, const char *user)
{
    if (!role_fits(change->role))
        return "take platform_admin, operator, finance or auditor as the role";
    if (!change->reset && user[0] != '\0')
        return "a user with this e-mail address exists; nothing was changed";
    if (change->reset && user[0] == '\0')
        return "there is no user with this e-mail address; create one";
    return NULL;
}

static bool store(struct session *session, const struct change *change,
                  char key[KEY_TEXT_LENGTH + 1], char problem[SESSION_PROBLEM_SIZE])
{
    char user[IDENTIFIER_SIZE];
    const char *reason;

    memset(key, 0, KEY_TEXT_LENGTH + 1);
    session_begin(session);
    PQclear(session_run_named(session, &statement_admin_begin, (char *)NULL));
    find_user(session, change->email, user);
    reason = session_failed(session) ? NULL : objection(change, user);
    if (reason != NULL) {
        session_rollback(session);
        snprintf(problem, SESSION_PROBLEM_SIZE, "%.254s, %s: %s", change->email, change->role,
                 reason);
        return false;
    }
    store_user(session, change, user);
    store_key(session, user, change->role, key);
    if (session_commit(session))
        return true;
    memory_wipe(key, KEY_TEXT_LENGTH + 1);
    snprintf(problem, SESSION_PROBLEM_SIZE, "%s", session_problem(session));
    return false;
}

bool admin_create_operator(struct session *session, const char *email, const char *role,
                           const char *hash, char key[KEY_TEXT_LENGTH + 1],
                           char problem[SESSION_PROBLEM_SIZE])
{
    return store(session, &(struct change){email, role, hash, false}, key, problem);
}

bool admin_reset_operator(struct session *session, const char *email, const char *role,
                          const char *hash, char key[KEY_TEXT_LENGTH + 1],
                          char problem[SESSION_PROBLEM_SIZE])
{
    return store(session, &(struct change){email, role, hash, true}, key, problem);
}
