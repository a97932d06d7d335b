#include "daemon/db/migration.h"

#include <stdio.h>
#include <string.h>

#include "common/instant.h"
#include "common/log.h"

/* Any number will do, as long as every version of bccd takes the same. */
#define MIGRATION_LOCK "select pg_advisory_xact_lock(7095135640236912)"

enum { QUERY_SIZE = 512 };

enum migration_state { MIGRATION_MISSING, MIGRATION_APPLIED, MIGRATION_CHANGED };

/* Within a transaction that holds the lock, or where nothing is changed. */
static enum migration_state migration_state(struct session *session,
                                            const struct migration *migration)
{
    enum migration_state state = MIGRATION_MISSING;
    char query[QUERY_SIZE];

    snprintf(query, sizeof query, "select sha256 from public.schema_migration where number = %d",
             migration->number);
    PGresult *result = session_query(session, query);
    if (PQntuples(result) > 0)
        state = strcmp(result_text(result, 0, "sha256"), migration->sha256) == 0
                    ? MIGRATION_APPLIED
                    : MIGRATION_CHANGED;
    PQclear(result);
    return state;
}

/* The highest number applied that this binary does not know; 0 when there is none. */
static int migration_unknown(struct session *session)
{
    int unknown = 0;
    PGresult *result =
        session_query(session, "select number from public.schema_migration order by number");

    for (int row = 0; row < PQntuples(result); row++) {
        int number = (int)result_number(result, row, "number");
        bool known = false;
        for (size_t i = 0; i < migration_count && !known; i++)
            known = migrations[i].number == number;
        if (!known)
            unknown = number;
    }
    PQclear(result);
    return unknown;
}

static bool problem_changed(const struct migration *migration, char problem[SESSION_PROBLEM_SIZE])
{
    snprintf(problem, SESSION_PROBLEM_SIZE,
             "migration %s was applied with another text than this bccd has; run the version that "
             "migrated the database, or restore the migration's text",
             migration->name);
    return false;
}

static bool problem_newer(int number, char problem[SESSION_PROBLEM_SIZE])
{
    snprintf(problem, SESSION_PROBLEM_SIZE,
             "the database has migration %04d, which this bccd does not know; run the version that "
             "migrated it, or a newer one",
             number);
    return false;
}

/* session_problem, or what follows when the session has none. */
static bool problem_of(const struct session *session, const char *name,
                       char problem[SESSION_PROBLEM_SIZE])
{
    snprintf(problem, SESSION_PROBLEM_SIZE, "%s: %s%s%s", name, session_problem(session),
             session_sqlstate(session)[0] != '\0' ? ", SQLSTATE " : "", session_sqlstate(session));
    return false;
}

static bool bookkeeping_make(struct session *session, char problem[SESSION_PROBLEM_SIZE])
{
    session_begin(session);
    session_execute(session, MIGRATION_LOCK);
    session_execute(session, "set local client_min_messages = warning");
    session_execute(session, "create table if not exists public.schema_migration ("
                             " number integer primary key,"
                             " name text not null,"
                             " sha256 text not null,"
                             " applied_at timestamptz not null default now())");
    session_execute(session, "comment on table public.schema_migration is "
                             "'domain: db; the migrations that were applied'");
    session_execute(session, "grant select on public.schema_migration to public");
    return session_commit(session) || problem_of(session, "schema_migration", problem);
}

/* The note comes first, since a migration may go on in the role of the tables' owner. */
static void migration_apply(struct session *session, const struct migration *migration)
{
    char note[QUERY_SIZE];

    snprintf(note, sizeof note,
             "insert into public.schema_migration (number, name, sha256) values (%d, '%s', '%s')",
             migration->number, migration->name, migration->sha256);
    session_execute(session, note);
    session_execute(session, migration->text);
}

static bool migration_ensure(struct session *session, const struct migration *migration,
                             char problem[SESSION_PROBLEM_SIZE])
{
    int64_t start = monotonic_milliseconds();

    session_begin(session);
    session_execute(session, MIGRATION_LOCK);
    enum migration_state state = migration_state(session, migration);
    if (state == MIGRATION_CHANGED) {
        session_rollback(session);
        return problem_changed(migration, problem);
    }
    if (state == MIGRATION_MISSING)
        migration_apply(session, migration);
    if (!session_commit(session))
        return problem_of(session, migration->name, problem);
    if (state == MIGRATION_MISSING)
        log_info("migration_applied", log_text("name", migration->name),
                 log_number("milliseconds", monotonic_milliseconds() - start));
    return true;
}

bool migration_apply_all(struct session *session, char problem[SESSION_PROBLEM_SIZE])
{
    if (!bookkeeping_make(session, problem))
        return false;
    int unknown = migration_unknown(session);
    if (unknown != 0)
        return problem_newer(unknown, problem);
    for (size_t i = 0; i < migration_count; i++)
        if (!migration_ensure(session, &migrations[i], problem))
            return false;
    return true;
}

bool migration_check(struct session *session, char problem[SESSION_PROBLEM_SIZE])
{
    static const char undefined_table[] = "42P01";

    for (size_t i = 0; i < migration_count; i++) {
        enum migration_state state = migration_state(session, &migrations[i]);
        if (session_failed(session) && strcmp(session_sqlstate(session), undefined_table) != 0)
            return problem_of(session, "schema_migration", problem);
        if (state == MIGRATION_CHANGED)
            return problem_changed(&migrations[i], problem);
        if (state == MIGRATION_MISSING) {
            snprintf(problem, SESSION_PROBLEM_SIZE,
                     "migration %s is not applied to the database; run bccd migrate",
                     migrations[i].name);
            return false;
        }
    }
    int unknown = migration_unknown(session);
    return unknown == 0 || problem_newer(unknown, problem);
}
