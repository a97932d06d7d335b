#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/instant.h"
#include "daemon/db/database.h"
#include "daemon/net/address.h"
#include "tests/unit/database_support.h"
#include "tests/unit/unit.h"

#define WORDING(sql) .text = {sql, sql, sql, sql}
#define STATEMENT(number_, name_, count_, sql)                                                     \
    static const struct statement name_ = {.name = #name_,                                         \
                                           .file = "test",                                         \
                                           WORDING(sql),                                           \
                                           .parameter_count = count_,                              \
                                           .number = number_}

enum {
    SUBMISSIONS = 1000,
    LONG_TIME = 60000,
    QUEUE_TIMEOUT = 6000,
    PATIENCE = 60000,
    TICKETS = DATABASE_QUEUE_LIMIT + 64,
    VALUE_SIZE = 64,
    TIMEOUT = 60000
};

STATEMENT(0, say, 1, "select $1::text");
STATEMENT(1, put, 1, "insert into shelf (id) values ($1::bigint) returning id");
STATEMENT(2, divide, 1, "select 1 / $1::bigint");
STATEMENT(3, put_child, 1, "insert into leaf (id, stem) values (1, $1::bigint) returning id");
STATEMENT(4, doze, 1, "select pg_sleep($1::numeric)");
STATEMENT(5, read_shelf, 0, "select id from shelf order by id");
STATEMENT(6, forget_all, 0, "deallocate all");
STATEMENT(7, try_once, 0, "select stumble(2)");
STATEMENT(8, try_ever, 0, "select stumble(1)");
STATEMENT(9, process, 0, "select pg_backend_pid()");
STATEMENT(10, complain, 0, "do $$ begin raise warning 'a word'; end $$");

struct told {
    unsigned times;
    enum database_outcome outcome;
    char sqlstate[6], constraint[VALUE_SIZE], value[VALUE_SIZE];
};

/* One client under test, and what it was told. */
struct world {
    struct event_base *base;
    struct database *database;
    size_t answered;
    bool submitting;
    struct told tickets[TICKETS];
    struct told last; /* what `ask` was told */
    unsigned heard, renewed;
    char payload[VALUE_SIZE];
};

static struct world world;

static void on_done(void *context, uint64_t ticket, const struct database_answer *answer)
{
    EXPECT(context == &world && ticket < TICKETS);
    EXPECT(!world.submitting);
    world.answered++;
    world.tickets[ticket].times++;
    world.tickets[ticket].outcome = answer->outcome;
    memcpy(world.tickets[ticket].sqlstate, answer->sqlstate, sizeof answer->sqlstate);
    snprintf(world.tickets[ticket].constraint, VALUE_SIZE, "%s", answer->constraint);
    const PGresult *last = answer->count == 0 ? NULL : answer->results[answer->count - 1];
    EXPECT(answer->outcome != DATABASE_OK || last != NULL);
    snprintf(world.tickets[ticket].value, VALUE_SIZE, "%s",
             PQntuples(last) > 0 ? PQgetvalue(last, 0, 0) : "");
}

static void on_heard(void *context, const char *payload)
{
    (void)context;
    if (payload == NULL)
        world.renewed++;
    else
        world.heard++;
    snprintf(world.payload, sizeof world.payload, "%s", payload == NULL ? "" : payload);
}

static void world_connect(const char *uri, int connections)
{
    struct database_settings settings = {
        .uri = uri,
        .role = {CLUSTER_ADMIN, NULL, "bccd_auth"},
        .connections = connections,
        .connect_timeout = 1000,
        .queue_timeout = QUEUE_TIMEOUT,
    };

    world = (struct world){.base = event_base_new()};
    world.database = database_new(world.base, &settings, on_done, &world);
}

static void world_start(int connections)
{
    support_execute("do $$ begin if not exists (select from pg_roles where rolname = 'bccd_auth')"
                    " then create role bccd_auth login; end if; end $$;"
                    "drop table if exists leaf; drop table if exists shelf;"
                    "create table shelf (id bigint primary key);"
                    "create table leaf (id bigint, stem bigint constraint leaf_stem"
                    " references shelf deferrable initially deferred)");
    world_connect(support_uri(), connections);
}

static void world_end(void)
{
    database_free(&world.database);
    EXPECT(world.database == NULL);
    event_base_free(world.base);
}

/* Turns the loop until that is so. */
#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        int64_t until_start = monotonic_milliseconds();                                            \
        while (!(condition) && monotonic_milliseconds() - until_start < PATIENCE)                  \
            world_turn();                                                                          \
        EXPECT(condition);                                                                         \
    } while (0)

static void world_turn(void)
{
    struct timeval slice = {0, 20000};

    event_base_loopexit(world.base, &slice);
    event_base_dispatch(world.base);
}

static void submit(uint64_t ticket, const struct segment *segment)
{
    world.submitting = true;
    database_submit(world.database, segment, ticket);
    world.submitting = false;
}

static const char *no_values[1];

static struct segment_part part(const struct statement *statement, const char *const *values)
{
    return (struct segment_part){
        .statement = statement,
        .variant = STATEMENT_TENANT,
        .values = values == NULL ? no_values : values,
    };
}

/* One part, one value, one answer. */
static enum database_outcome ask(const struct statement *statement, const char *value)
{
    static const uint64_t ticket = TICKETS - 1;
    const char *values[] = {value};
    struct segment segment = {.count = 1, .parts = {part(statement, values)}, .timeout = TIMEOUT};

    world.tickets[ticket].times = 0;
    submit(ticket, &segment);
    UNTIL(world.tickets[ticket].times > 0);
    world.last = world.tickets[ticket];
    return world.last.outcome;
}

#define EXPECT_ANSWER(statement, value, expected) EXPECT_NUMBER(ask(statement, value), expected)

TEST(database_client_answers)
{
    const char *values[] = {"hello"}, *more[] = {"there"};

    world_start(2);
    EXPECT(!database_ready(world.database));
    EXPECT_ANSWER(&say, "hi", DATABASE_OK);
    EXPECT_TEXT(world.last.value, "hi");
    EXPECT_ANSWER(&say, "again", DATABASE_OK);
    EXPECT_TEXT(world.last.value, "again");
    UNTIL(database_ready(world.database));
    struct segment segment = {
        .count = 3,
        .parts = {part(&say, values), part(&read_shelf, NULL), part(&say, more)},
        .timeout = TIMEOUT,
    };
    submit(50, &segment);
    submit(51, &segment);
    submit(52, &segment);
    UNTIL(world.tickets[52].times == 1 && world.tickets[51].times == 1);
    EXPECT_TEXT(world.tickets[50].value, "there");
    segment.role = DATABASE_AUTH;
    submit(53, &segment);
    UNTIL(world.tickets[53].times == 1);
    EXPECT_NUMBER(world.tickets[53].outcome, DATABASE_REFUSED);
    EXPECT_TEXT(world.tickets[53].sqlstate, "42501");
    /* A large segment does not fit into the socket's buffer. */
    static char large[4000001];
    memset(large, 'x', sizeof large - 1);
    EXPECT_ANSWER(&say, large, DATABASE_OK);
    world_end();
}

TEST(database_client_segment_is_one_transaction)
{
    const char *one[] = {"1"}, *zero[] = {"0"};
    struct segment segment = {
        .count = 3,
        .parts = {part(&put, one), part(&divide, zero), part(&say, one)},
        .timeout = TIMEOUT,
    };

    world_start(1);
    EXPECT_ANSWER(&process, NULL, DATABASE_OK);
    struct told before = world.last;
    submit(0, &segment);
    UNTIL(world.tickets[0].times == 1);
    EXPECT_NUMBER(world.tickets[0].outcome, DATABASE_REFUSED);
    EXPECT_TEXT(world.tickets[0].sqlstate, "22012");
    EXPECT_TEXT(support_value("select count(*) from shelf"), "0");
    /* What stood behind the error was never prepared, and what stood before it was. */
    EXPECT_ANSWER(&say, "x", DATABASE_OK);
    EXPECT_ANSWER(&put, "1", DATABASE_OK);
    EXPECT_ANSWER(&divide, "1", DATABASE_OK);
    EXPECT_ANSWER(&put, "1", DATABASE_REFUSED);
    EXPECT_TEXT(world.last.sqlstate, "23505");
    EXPECT_TEXT(world.last.constraint, "shelf_pkey");
    /* All that on one connection: none had to be made afresh. */
    EXPECT_ANSWER(&process, NULL, DATABASE_OK);
    EXPECT_TEXT(world.last.value, before.value);
    world_end();
}

TEST(database_client_waits_for_the_commit)
{
    world_start(1);
    /* The row comes, and then the deferred constraint fails. */
    EXPECT_ANSWER(&put_child, "9", DATABASE_REFUSED);
    EXPECT_TEXT(world.last.sqlstate, "23503");
    EXPECT_TEXT(world.last.constraint, "leaf_stem");
    EXPECT_TEXT(support_value("select count(*) from leaf"), "0");
    EXPECT_ANSWER(&put, "9", DATABASE_OK);
    EXPECT_ANSWER(&put_child, "9", DATABASE_OK);
    /* A warning of a statement is no warning of the commit. */
    EXPECT_ANSWER(&complain, NULL, DATABASE_OK);
    world_end();
}

TEST(database_client_is_unsure_when_the_commit_is)
{
    world_start(2);
    EXPECT_ANSWER(&put, "1", DATABASE_OK);
    support_execute("alter system set synchronous_standby_names = 'nobody'");
    support_execute("select pg_reload_conf()");
    /* Once the server has heard of it, a commit waits. */
    static const char waiting[] = "select count(*) from pg_stat_activity"
                                  " where wait_event = 'SyncRep'";
    char number[VALUE_SIZE];
    const char *values[] = {number};
    struct segment segment = {.count = 1, .parts = {part(&put, values)}, .timeout = TIMEOUT};
    uint64_t last = 0;
    do {
        snprintf(number, sizeof number, "%d", (int)++last + 1);
        submit(last, &segment);
        UNTIL(world.tickets[last].times == 1 || strcmp(support_value(waiting), "1") == 0);
    } while (world.tickets[last].times == 1 && last < SUBMISSIONS);
    EXPECT_NUMBER(world.tickets[last].times, 0);
    support_execute("select pg_cancel_backend(pid) from pg_stat_activity"
                    " where wait_event = 'SyncRep'");
    UNTIL(world.tickets[last].times == 1);
    EXPECT_NUMBER(world.tickets[last].outcome, DATABASE_UNKNOWN);
    EXPECT_NUMBER(atol(support_value("select count(*) from shelf")), last + 1);
    /* And when nobody answers. */
    const char *more[] = {"1000"};
    segment.parts[0].values = more;
    segment.timeout = 300;
    submit(0, &segment);
    UNTIL(world.tickets[0].times == 1);
    EXPECT_NUMBER(world.tickets[0].outcome, DATABASE_UNKNOWN);
    support_execute("alter system reset synchronous_standby_names");
    support_execute("select pg_reload_conf()"); /* which wakes who waits */
    EXPECT_ANSWER(&put, "1001", DATABASE_OK);
    world_end();
}

TEST(database_client_has_deadlines)
{
    const char *long_time[] = {"60"};
    struct segment segment = {.count = 1, .parts = {part(&doze, long_time)}, .timeout = 200};

    world_start(1);
    EXPECT_ANSWER(&say, "x", DATABASE_OK);
    int64_t start = monotonic_milliseconds();
    submit(0, &segment);
    UNTIL(world.tickets[0].times == 1);
    EXPECT_NUMBER(world.tickets[0].outcome, DATABASE_UNKNOWN);
    EXPECT_ANSWER(&say, "y", DATABASE_OK);
    /* The server notices that nobody waits any more. */
    UNTIL(strcmp(support_value("select count(*) from pg_stat_activity where state = 'active'"
                               " and query like 'select pg_sleep($1%'"),
                 "0") == 0);
    EXPECT(monotonic_milliseconds() - start < LONG_TIME);
    EXPECT_NUMBER(world.tickets[0].times, 1);
    world_end();
}

TEST(database_client_survives_killed_backends)
{
    static const char kill_others[] =
        "select pg_terminate_backend(pid, 60000) from pg_stat_activity"
        " where application_name = 'bccd' and pid <> pg_backend_pid()";
    const char *long_time[] = {"60"};
    struct segment segment = {.count = 1, .parts = {part(&doze, long_time)}, .timeout = TIMEOUT};

    world_start(2);
    EXPECT_ANSWER(&say, "x", DATABASE_OK);
    UNTIL(database_ready(world.database));
    submit(0, &segment);
    for (int i = 0; i < 5; i++)
        world_turn();
    support_execute(kill_others);
    UNTIL(world.tickets[0].times == 1);
    EXPECT_NUMBER(world.tickets[0].outcome, DATABASE_UNKNOWN);
    EXPECT_ANSWER(&say, "y", DATABASE_OK);
    UNTIL(database_ready(world.database));
    /* While idle: it is seen before anything is sent. */
    support_execute(kill_others);
    EXPECT_ANSWER(&say, "z", DATABASE_OK);
    world_end();
}

TEST(database_client_bounds_its_queue)
{
    const char *time[] = {"2"}, *value[] = {"x"};
    struct segment slow = {.count = 1, .parts = {part(&doze, time)}, .timeout = TIMEOUT};
    struct segment quick = {.count = 1, .parts = {part(&say, value)}, .timeout = TIMEOUT};
    enum { OVER = 10, LAST = DATABASE_QUEUE_LIMIT + OVER };
    size_t refused = 0, good = 0;

    world_start(1);
    EXPECT_ANSWER(&say, "x", DATABASE_OK);
    world.answered = 0;
    submit(0, &slow);
    for (size_t i = 1; i <= LAST; i++) {
        world.tickets[i].times = 0;
        submit(i, &quick);
    }
    UNTIL(world.answered >= OVER);
    EXPECT_NUMBER(world.answered, OVER);
    UNTIL(world.answered >= LAST + 1);
    for (size_t i = 0; i <= LAST; i++) {
        EXPECT_NUMBER(world.tickets[i].times, 1);
        refused += world.tickets[i].outcome == DATABASE_UNAVAILABLE;
        good += world.tickets[i].outcome == DATABASE_OK;
    }
    EXPECT_NUMBER(refused, OVER);
    EXPECT_NUMBER(good, LAST + 1 - OVER);
    world_end();
}

TEST(database_client_bounds_the_wait)
{
    const char *time[] = {"8"};
    struct segment slow = {.count = 1, .parts = {part(&doze, time)}, .timeout = TIMEOUT};

    world_start(1);
    EXPECT_ANSWER(&say, "x", DATABASE_OK);
    submit(0, &slow);
    int64_t start = monotonic_milliseconds();
    EXPECT_ANSWER(&say, "x", DATABASE_UNAVAILABLE);
    EXPECT(monotonic_milliseconds() - start >= QUEUE_TIMEOUT);
    UNTIL(world.tickets[0].times == 1);
    EXPECT_ANSWER(&say, "x", DATABASE_OK);
    world_end();
}

TEST(database_client_replaces_stale_plans)
{
    world_start(3);
    UNTIL(database_ready(world.database));
    for (int i = 0; i < 5; i++)
        world_turn();
    /* Every connection has the plan. */
    struct segment segment = {.count = 1, .parts = {part(&read_shelf, NULL)}, .timeout = TIMEOUT};
    for (uint64_t i = 0; i < 3; i++)
        submit(i, &segment);
    UNTIL(world.answered == 3);
    support_execute("drop table leaf; alter table shelf alter id type integer");
    for (uint64_t i = 10; i < 16; i++)
        submit(i, &segment);
    UNTIL(world.answered == 9);
    for (uint64_t i = 10; i < 16; i++)
        EXPECT_NUMBER(world.tickets[i].outcome, DATABASE_OK);
    world_end();
}

TEST(database_client_prepares_lost_statements_again)
{
    world_start(1);
    EXPECT_ANSWER(&say, "x", DATABASE_OK);
    EXPECT_ANSWER(&forget_all, NULL, DATABASE_OK);
    EXPECT_ANSWER(&say, "y", DATABASE_OK);
    EXPECT_TEXT(world.last.value, "y");
    world_end();
}

TEST(database_client_retries_once)
{
    support_execute("drop sequence if exists attempts; create sequence attempts;"
                    "create or replace function stumble(turns bigint) returns bigint"
                    " language plpgsql as $$ declare attempt bigint := nextval('attempts');"
                    " begin if turns = 1 or attempt % turns = 1 then"
                    " raise exception 'stumbled' using errcode = '40001'; end if;"
                    " return attempt; end $$");
    world_start(2);
    EXPECT_ANSWER(&try_once, NULL, DATABASE_OK);
    EXPECT_TEXT(world.last.value, "2");
    EXPECT_ANSWER(&try_ever, NULL, DATABASE_REFUSED);
    EXPECT_TEXT(world.last.sqlstate, "40001");
    EXPECT_TEXT(support_value("select last_value from attempts"), "4");
    world_end();
}

TEST(database_client_hears)
{
    world_start(1);
    database_listen(world.database, "something_changed", on_heard, NULL);
    UNTIL(world.renewed == 1);
    support_execute("notify something_changed, 'ten_1'");
    UNTIL(world.heard == 1);
    EXPECT_TEXT(world.payload, "ten_1");
    support_execute("select pg_terminate_backend(pid) from pg_stat_activity"
                    " where query = 'listen something_changed'");
    UNTIL(world.renewed == 2);
    support_execute("notify something_changed, 'ten_2'");
    UNTIL(world.heard == 2);
    EXPECT_TEXT(world.payload, "ten_2");
    world_end();
}

/* A server that stands still, and the kernel takes connections for it. */
TEST(bug_0036_a_host_that_never_answers_keeps_no_other_out)
{
    char uri[CLUSTER_URI_SIZE + VALUE_SIZE], problem[ADDRESS_PROBLEM_SIZE];
    int listener;

    support_cluster();
    EXPECT(address_listen("127.0.0.1:0", &listener, 1, problem));
    snprintf(uri, sizeof uri, "dbname=bccd host=127.0.0.1,%s port=%d,5432",
             support_cluster()->socket_directory, address_port(listener));
    world_connect(uri, 1);
    UNTIL(database_ready(world.database));
    world_end();
    close(listener);
}

/* A process that stands still, and the kernel that acknowledges for it. */
TEST(database_client_gets_past_a_frozen_server)
{
    world_start(1);
    EXPECT_ANSWER(&process, NULL, DATABASE_OK);
    pid_t frozen = (pid_t)atol(world.last.value), postmaster = support_cluster()->process;
    struct segment segment = {.count = 1, .parts = {part(&process, NULL)}, .timeout = 300};

    kill(frozen, SIGSTOP);
    submit(2, &segment);
    UNTIL(world.tickets[2].times == 1);
    EXPECT_NUMBER(world.tickets[2].outcome, DATABASE_UNKNOWN);
    EXPECT_ANSWER(&process, NULL, DATABASE_OK);
    pid_t second = (pid_t)atol(world.last.value);
    EXPECT(second != frozen);

    kill(second, SIGSTOP);
    kill(postmaster, SIGSTOP);
    submit(3, &segment);
    submit(4, &segment);
    UNTIL(world.tickets[3].times == 1 && world.tickets[4].times == 1);
    EXPECT_NUMBER(world.tickets[3].outcome, DATABASE_UNKNOWN);
    EXPECT_NUMBER(world.tickets[4].outcome, DATABASE_UNAVAILABLE);
    EXPECT(!database_ready(world.database));
    kill(postmaster, SIGCONT);
    kill(second, SIGCONT);
    kill(frozen, SIGCONT);
    EXPECT_ANSWER(&say, "x", DATABASE_OK);
    world_end();
}

TEST(database_client_refuses_what_could_be_lost)
{
    world_start(1);
    EXPECT_ANSWER(&say, "x", DATABASE_OK);
    world_end();
    support_execute("alter role bccd_admin set synchronous_commit = off");
    world_start(1);
    EXPECT_ANSWER(&say, "x", DATABASE_UNAVAILABLE);
    EXPECT(!database_ready(world.database));
    support_execute("alter role bccd_admin reset synchronous_commit");
    EXPECT_ANSWER(&say, "x", DATABASE_OK);
    world_end();
}
