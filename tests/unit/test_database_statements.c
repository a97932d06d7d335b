/*
 * Every statement against the migrated schema: PostgreSQL prepares each wording, and one of the
 * login roles at least has the rights that it takes.
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/buffer.h"
#include "daemon/db/migration.h"
#include "daemon/db/statement.h"
#include "tests/unit/database_support.h"
#include "tests/unit/unit.h"

enum { SQL_LIMIT = 65536 };

static const char *const ROLES[] = {"bccd_tenant", "bccd_operator", "bccd_jobs", "bccd_auth"};
enum { ROLES_COUNT = sizeof ROLES / sizeof ROLES[0] };

static PGconn *migrated(void)
{
    static PGconn *connection;
    char problem[SESSION_PROBLEM_SIZE] = "", uri[CLUSTER_URI_SIZE + 32];

    if (connection != NULL)
        return connection;
    if (!migration_apply_all(support_session(), problem))
        unit_failed(__FILE__, __LINE__, "migrations: %s", problem);
    snprintf(uri, sizeof uri, "%s user=%s", support_uri(), CLUSTER_ADMIN);
    connection = PQconnectdb(uri);
    return connection;
}

/* "" or what PostgreSQL says. */
static const char *run(const char *sql)
{
    static char problem[SESSION_PROBLEM_SIZE];
    PGresult *result = PQexec(migrated(), sql);
    ExecStatusType status = PQresultStatus(result);

    problem[0] = '\0';
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        snprintf(problem, sizeof problem, "%s", PQerrorMessage(migrated()));
    PQclear(result);
    return problem;
}

/* Planning and starting a statement checks the rights that it takes, and changes nothing. */
static const char *explain(const struct statement *statement, const char *role)
{
    static char problem[SESSION_PROBLEM_SIZE];
    struct buffer sql = buffer_make(SQL_LIMIT);

    buffer_append_format(&sql, "begin; set local role %s; explain execute tried", role);
    for (size_t i = 0; i < statement->parameter_count; i++)
        buffer_append_text(&sql, i == 0 ? "(null" : ", null");
    buffer_append_text(&sql, statement->parameter_count > 0 ? ")" : "");
    buffer_append_character(&sql, '\0');
    snprintf(problem, sizeof problem, "%s", run((const char *)sql.data));
    buffer_free(&sql);
    run("rollback");
    return problem;
}

static bool prepare(const struct statement *statement, size_t variant)
{
    PGresult *result = PQprepare(migrated(), "tried", statement->text[variant], 0, NULL);
    bool good = PQresultStatus(result) == PGRES_COMMAND_OK;

    if (!good)
        unit_failed(__FILE__, __LINE__, "%s of %s, wording %zu: %s", statement->name,
                    statement->file, variant, PQerrorMessage(migrated()));
    PQclear(result);
    return good;
}

static void try_wording(const struct statement *statement, size_t variant)
{
    const char *refusals = "";

    if (!prepare(statement, variant))
        return;
    for (size_t i = 0; i < ROLES_COUNT; i++) {
        refusals = explain(statement, ROLES[i]);
        if (refusals[0] == '\0')
            break;
    }
    if (refusals[0] != '\0')
        unit_failed(__FILE__, __LINE__, "%s of %s, wording %zu: no login role may: %s",
                    statement->name, statement->file, variant, refusals);
    run("deallocate tried");
}

TEST(database_statements_prepare)
{
    EXPECT(PQstatus(migrated()) == CONNECTION_OK);
    EXPECT(statement_count > 0);
    for (size_t number = 0; number < statement_count; number++)
        for (size_t variant = 0; variant < STATEMENT_VARIANTS; variant++)
            if (variant == 0 ||
                statements[number]->text[variant] != statements[number]->text[variant - 1])
                try_wording(statements[number], variant);
}

TEST(database_migrations_are_applied_once)
{
    char problem[SESSION_PROBLEM_SIZE] = "";

    EXPECT(PQstatus(migrated()) == CONNECTION_OK);
    EXPECT(migration_apply_all(support_session(), problem));
    EXPECT(migration_check(support_session(), problem));
    EXPECT_TEXT(problem, "");
}
