#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/instant.h"
#include "common/memory.h"
#include "daemon/db/connect.h"
#include "daemon/db/migration.h"
#include "tests/unit/database_support.h"
#include "tests/unit/unit.h"

enum { SLEEP = 60000 /* milliseconds */, LARGE = 16 * 1024 * 1024 };

#define WORDING(sql) .text = {sql, sql, sql, sql}

static const struct statement add_row = {
    .name = "add_row",
    .file = "test",
    WORDING("insert into sticky (id, note) values ($1::bigint, $2) returning id"),
    .parameter_count = 2,
    .parameters = {"id", "note"},
    .number = 0,
};

static const struct statement read_row = {
    .name = "read_row",
    .file = "test",
    WORDING("select id, note from sticky where id = $1::bigint"),
    .parameter_count = 1,
    .parameters = {"id"},
    .number = 1,
};

/* Fails at the number given, where there is one; each row is large enough to fill a socket soon. */
static const struct statement count_up = {
    .name = "count_up",
    .file = "test",
    WORDING("select n::bigint as n, 1 / (n - $2::integer) as unused, repeat('x', 1000) as padding"
            " from generate_series(1, $1::integer) n"),
    .parameter_count = 2,
    .parameters = {"rows", "wrong"},
    .number = 2,
};

static void tables_make(void)
{
    support_execute("drop table if exists sticky;"
                    "create table sticky (id bigint primary key, note text)");
}

static struct session *open_session(void)
{
    char problem[SESSION_PROBLEM_SIZE] = "";
    struct session *session = session_open(support_uri(), CLUSTER_ADMIN, problem);

    EXPECT_TEXT(problem, "");
    if (session == NULL)
        exit(1);
    return session;
}

TEST(database_session_reads_and_writes)
{
    tables_make();
    struct session *session = open_session();

    session_begin(session);
    PGresult *result =
        session_run_named(session, &add_row, "note", "one", "id", "7000000000", NULL);
    EXPECT_NUMBER(result_number(result, 0, "id"), 7000000000);
    PQclear(result);
    PQclear(session_run_named(session, &add_row, "id", "2", "note", NULL, NULL));
    EXPECT(session_commit(session));
    result = session_run(session, &read_row, (const char *const[]){"7000000000"});
    EXPECT_TEXT(result_text(result, 0, "note"), "one");
    EXPECT(!result_is_null(result, 0, "note"));
    EXPECT_TEXT(result_text(result, 1, "note"), "");
    EXPECT(result_is_null(result, 1, "note"));
    EXPECT_NUMBER(result_number(result, 1, "id"), 0);
    PQclear(result);
    result = session_run(session, &read_row, (const char *const[]){"2"});
    EXPECT(result_is_null(result, 0, "note"));
    EXPECT_TEXT(result_text(result, 0, "note"), "");
    PQclear(result);
    session_close(&session);
    EXPECT(session == NULL);
    session_close(&session);
}

TEST(database_session_errors_stick)
{
    tables_make();
    struct session *session = open_session();

    session_begin(session);
    PQclear(session_run_named(session, &add_row, "id", "1", "note", "a", NULL));
    PGresult *result = session_run_named(session, &add_row, "id", "1", "note", "b", NULL);
    EXPECT_NUMBER(PQntuples(result), 0);
    PQclear(result);
    EXPECT_TEXT(session_sqlstate(session), "23505");
    result = session_query(session, "select 1 as one");
    EXPECT_NUMBER(PQntuples(result), 0);
    EXPECT_TEXT(result_text(result, 0, "one"), "");
    PQclear(result);
    session_execute(session, "select 1 / 0");
    EXPECT_TEXT(session_sqlstate(session), "23505");
    EXPECT(!session_commit(session));
    EXPECT(session_failed(session));
    EXPECT(strstr(session_problem(session), "duplicate key") != NULL);
    EXPECT_TEXT(support_value("select count(*) from sticky"), "0");

    session_begin(session);
    EXPECT(!session_failed(session));
    EXPECT_TEXT(session_problem(session), "");
    PQclear(session_run_named(session, &add_row, "id", "1", "note", "a", NULL));
    EXPECT(session_commit(session));
    session_begin(session);
    PQclear(session_run_named(session, &add_row, "id", "3", "note", "a", NULL));
    session_rollback(session);
    EXPECT_TEXT(support_value("select count(*) from sticky"), "1");
    session_close(&session);
}

TEST(database_session_sees_a_commit_fail)
{
    support_execute("drop table if exists child; drop table if exists parent;"
                    "create table parent (id bigint primary key);"
                    "create table child (id bigint primary key, parent bigint"
                    " references parent deferrable initially deferred)");
    struct session *session = open_session();

    session_begin(session);
    session_execute(session, "insert into child values (1, 5)");
    EXPECT(!session_failed(session));
    EXPECT(!session_commit(session));
    EXPECT_TEXT(session_sqlstate(session), "23503");
    /* A transaction that failed out of our sight: COMMIT answers ROLLBACK. */
    session_begin(session);
    PQclear(PQexec(session_connection(session), "select 1 / 0"));
    EXPECT(!session_commit(session));
    EXPECT_TEXT(session_problem(session), "the transaction was rolled back");
    session_close(&session);
}

TEST(database_session_makes_stale_statements_again)
{
    tables_make();
    struct session *session = open_session();

    session_begin(session);
    PQclear(session_run(session, &read_row, (const char *const[]){"1"}));
    EXPECT(session_commit(session));
    support_execute("alter table sticky alter note type varchar(9)");
    session_begin(session);
    PQclear(session_run(session, &read_row, (const char *const[]){"1"}));
    EXPECT(!session_commit(session));
    EXPECT_TEXT(session_sqlstate(session), "0A000");
    session_begin(session);
    PQclear(session_run(session, &read_row, (const char *const[]){"1"}));
    EXPECT(session_commit(session));
    session_close(&session);
}

/* Gives how many rows came; each is the next. */
static int take_stream(struct session *session)
{
    int count = 0;
    PGresult *row;

    while ((row = session_next(session)) != NULL) {
        EXPECT_NUMBER(PQntuples(row), 1);
        EXPECT_NUMBER(result_number(row, 0, "n"), ++count);
        PQclear(row);
    }
    return count;
}

TEST(database_session_streams)
{
    struct session *session = open_session();

    session_stream(session, &count_up, "rows", "3000", "wrong", "0", NULL);
    EXPECT_NUMBER(take_stream(session), 3000);
    EXPECT(!session_failed(session));
    EXPECT(session_next(session) == NULL);
    session_stream(session, &count_up, "rows", "0", "wrong", "0", NULL);
    EXPECT_NUMBER(take_stream(session), 0);
    EXPECT(!session_failed(session));

    session_stream(session, &count_up, "rows", "3000", "wrong", "2000", NULL);
    EXPECT(take_stream(session) < 2000);
    EXPECT_TEXT(session_sqlstate(session), "22012");
    EXPECT(!session_lost(session));
    session_stream(session, &count_up, "rows", "5", "wrong", "0", NULL);
    EXPECT_NUMBER(take_stream(session), 5);

    session_begin(session);
    session_execute(session, "select 1 / 0");
    session_stream(session, &count_up, "rows", "5", "wrong", "0", NULL);
    EXPECT_NUMBER(take_stream(session), 0);
    EXPECT(!session_commit(session));
    session_close(&session);
}

TEST(database_session_is_closed_or_lost_in_a_stream)
{
    struct session *session = open_session();
    PGresult *row;

    session_stream(session, &count_up, "rows", "30000", "wrong", "0", NULL);
    row = session_next(session);
    EXPECT(row != NULL);
    PQclear(row);
    session_close(&session);

    session = open_session();
    session_stream(session, &count_up, "rows", "30000", "wrong", "0", NULL);
    char cut[64];
    snprintf(cut, sizeof cut, "select pg_terminate_backend(%d)",
             PQbackendPID(session_connection(session)));
    support_execute(cut);
    EXPECT(take_stream(session) < 30000);
    EXPECT(session_failed(session));
    EXPECT(session_lost(session));
    EXPECT(session_next(session) == NULL);
    session_close(&session);
}

TEST(database_session_has_a_deadline)
{
    struct session *session = open_session();

    session_set_timeout(session, 200);
    int64_t start = monotonic_milliseconds();
    session_begin(session);
    session_execute(session, "select pg_sleep(60)");
    EXPECT(monotonic_milliseconds() - start < SLEEP);
    EXPECT(session_lost(session));
    EXPECT(!session_commit(session));
    EXPECT(strstr(session_problem(session), "unknown") != NULL);
    session_begin(session);
    session_execute(session, "select 1");
    EXPECT(!session_commit(session));
    session_close(&session);
}

/* A server that stands still took no more bytes, and the call waited for ever. */
TEST(bug_0037_sending_has_the_deadline_too)
{
    tables_make();
    struct session *session = open_session();
    PGresult *result = session_query(session, "select pg_backend_pid() as id");
    pid_t frozen = (pid_t)result_number(result, 0, "id");
    char *large = memory_allocate(LARGE, 1);

    PQclear(result);
    memset(large, 'x', LARGE - 1);
    PQclear(session_run(session, &add_row, (const char *const[]){"1", ""})); /* prepared */
    session_set_timeout(session, 200);
    kill(frozen, SIGSTOP);
    alarm(SLEEP / 1000); /* the end of the tests, where it waits */
    PQclear(session_run(session, &add_row, (const char *const[]){"2", large}));
    alarm(0);
    EXPECT(session_lost(session));
    kill(frozen, SIGCONT);
    session_close(&session);
    memory_free(large);
}

TEST(database_session_notices_a_lost_connection)
{
    char command[128];
    struct session *session = open_session();
    PGresult *result = session_query(session, "select pg_backend_pid() as id");

    session_begin(session);
    snprintf(command, sizeof command, "select pg_terminate_backend(%s, 60000)",
             result_text(result, 0, "id"));
    PQclear(result);
    support_execute(command);
    session_execute(session, "select 1");
    EXPECT(!session_commit(session));
    EXPECT(session_lost(session));
    EXPECT(session_connection(session) == NULL);
    session_close(&session);
}

TEST(database_session_refuses_what_could_be_lost)
{
    char problem[SESSION_PROBLEM_SIZE] = "";

    support_execute("alter role bccd_admin set synchronous_commit = local");
    struct session *session = session_open(support_uri(), CLUSTER_ADMIN, problem);
    EXPECT(session == NULL);
    EXPECT(strstr(problem, "synchronous_commit") != NULL);
    session_close(&session);
    support_execute("alter role bccd_admin reset synchronous_commit");
    session = session_open("host=/nowhere dbname=bccd", NULL, problem);
    EXPECT(session == NULL);
    EXPECT(strstr(problem, "/nowhere") != NULL);
    EXPECT(strchr(problem, '\n') == NULL || strchr(problem, '\n')[1] != '\0');
}

TEST(database_uri_is_resolved)
{
    char resolved[CONNECT_URI_SIZE], problem[CONNECT_PROBLEM_SIZE] = "";

    EXPECT(connect_resolve("postgresql://localhost,192.0.2.1:5433/a'b?sslmode=require", resolved,
                           problem));
    EXPECT(strstr(resolved, "dbname='a\\'b'") != NULL);
    EXPECT(strstr(resolved, "host='localhost,192.0.2.1' hostaddr='127.0.0.1,' port=',5433'") !=
               NULL ||
           strstr(resolved, "host='localhost,192.0.2.1' hostaddr='::1,' port=',5433'") != NULL ||
           strstr(resolved, "host='localhost,localhost,192.0.2.1'"
                            " hostaddr='::1,127.0.0.1,' port=',,5433'") != NULL);
    EXPECT(connect_resolve("host=192.0.2.1,192.0.2.2 port=5433 dbname=x", resolved, problem));
    EXPECT_TEXT(resolved, "dbname='x' host='192.0.2.1,192.0.2.2' port='5433,5433'");
    EXPECT(!connect_resolve("host=192.0.2.1,192.0.2.2,192.0.2.3 port=1,2", resolved, problem));
    EXPECT(strstr(problem, "as many ports as hosts") != NULL);
    EXPECT(connect_resolve("host=/run/somewhere dbname=x", resolved, problem));
    EXPECT_TEXT(resolved, "dbname='x' host='/run/somewhere'");
    EXPECT(connect_resolve("host=a.invalid hostaddr=192.0.2.7", resolved, problem));
    EXPECT_TEXT(resolved, "host='a.invalid' hostaddr='192.0.2.7'");
    EXPECT(!connect_resolve("host=a.invalid", resolved, problem));
    EXPECT(strstr(problem, "a.invalid") != NULL);
    EXPECT(!connect_resolve("postgresql://[", resolved, problem));
}

TEST(database_migrations_are_watched)
{
    char problem[SESSION_PROBLEM_SIZE] = "", command[256], uri[CLUSTER_URI_SIZE + 32];

    support_execute("drop database if exists watched");
    support_execute("create database watched");
    snprintf(uri, sizeof uri, "%s dbname=watched", support_uri());
    struct session *session = session_open(uri, CLUSTER_ADMIN, problem);
    EXPECT(migration_count > 0 && !migration_check(session, problem));
    EXPECT(strstr(problem, "bccd migrate") != NULL);
    problem[0] = '\0';
    EXPECT(migration_apply_all(session, problem));
    EXPECT(migration_check(session, problem));
    EXPECT(migration_apply_all(session, problem));
    EXPECT_TEXT(problem, "");
    PGresult *result = session_query(session, "select count(*) as number from schema_migration");
    EXPECT_NUMBER(result_number(result, 0, "number"), migration_count);
    PQclear(result);

    session_execute(session, "insert into schema_migration (number, name, sha256)"
                             " values (9998, '9998_later', '')");
    EXPECT(!migration_check(session, problem));
    EXPECT(strstr(problem, "9998") != NULL);
    EXPECT(!migration_apply_all(session, problem));
    session_execute(session, "delete from schema_migration where number = 9998");
    EXPECT(migration_check(session, problem));

    snprintf(command, sizeof command,
             "update schema_migration set sha256 = 'other' where number = %d",
             migrations[0].number);
    session_execute(session, command);
    EXPECT(!migration_check(session, problem));
    EXPECT(strstr(problem, "another text") != NULL);
    EXPECT(!migration_apply_all(session, problem));
    EXPECT(strstr(problem, migrations[0].name) != NULL);
    session_close(&session);
    support_execute("drop database watched");
}
