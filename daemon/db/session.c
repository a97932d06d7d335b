#include "daemon/db/session.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/instant.h"
#include "common/log.h"
#include "common/memory.h"
#include "daemon/db/connect.h"

enum { SESSION_MAGIC = 0x53455353, SQLSTATE_SIZE = 6, BINARY_FORMAT = 1 };

struct session {
    unsigned magic;
    PGconn *connection; /* NULL once lost */
    int64_t timeout;
    bool in_transaction;
    bool failed;
    bool warned;  /* the server has warned since the last command was sent */
    bool streams; /* rows that nobody has taken may come */
    bool stale;   /* prepared statements must be made again */
    bool *prepared;
    size_t prepared_count; /* by statement->number */
    char problem[SESSION_PROBLEM_SIZE];
    char sqlstate[SQLSTATE_SIZE];
};

static void copy_line(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from == NULL ? "" : from);
    for (size_t length = strlen(to); length > 0 && to[length - 1] == '\n'; length--)
        to[length - 1] = '\0';
}

/* The first failure of a transaction is the one that is told. */
static void session_fail(struct session *session, const char *problem, const char *sqlstate)
{
    if (session->failed)
        return;
    session->failed = true;
    copy_line(session->problem, sizeof session->problem, problem);
    copy_line(session->sqlstate, sizeof session->sqlstate, sqlstate);
    if (strcmp(session->sqlstate, "0A000") == 0 || strcmp(session->sqlstate, "26000") == 0)
        session->stale = true;
}

static void session_lose(struct session *session, const char *problem)
{
    session_fail(session, problem, NULL);
    PQfinish(session->connection);
    session->connection = NULL;
    session->in_transaction = false;
}

/* Sends what is left, and waits until a result can be taken without blocking; false when the
 * session was lost. */
static bool session_await(struct session *session, int64_t deadline)
{
    while (PQisBusy(session->connection)) {
        int unsent = PQflush(session->connection);
        struct pollfd descriptor = {.fd = PQsocket(session->connection),
                                    .events = unsent > 0 ? POLLIN | POLLOUT : POLLIN};
        int64_t left = deadline - monotonic_milliseconds();
        int ready = left <= 0 ? 0 : poll(&descriptor, 1, (int)left);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0) {
            session_lose(session, "the database did not answer in time; whether it did what was "
                                  "asked is unknown");
            return false;
        }
        if (unsent < 0 || PQconsumeInput(session->connection) == 0) {
            session_lose(session, PQerrorMessage(session->connection));
            return false;
        }
    }
    return true;
}

static bool result_good(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);

    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ||
           status == PGRES_SINGLE_TUPLE || status == PGRES_EMPTY_QUERY;
}

static PGresult *result_empty(void)
{
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);

    check(result != NULL);
    return result;
}

/* Notes a failed result. */
static void session_note(struct session *session, const PGresult *result)
{
    if (result_good(result))
        return;
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    session_fail(session, message == NULL ? PQresultErrorMessage(result) : message,
                 PQresultErrorField(result, PG_DIAG_SQLSTATE));
}

static void session_lose_broken(struct session *session)
{
    if (session->connection != NULL && PQstatus(session->connection) == CONNECTION_BAD)
        session_lose(session, PQerrorMessage(session->connection));
}

/* Takes the results of what was sent; the last one is given back. Never NULL. */
static PGresult *session_receive(struct session *session, int sent)
{
    int64_t deadline = monotonic_milliseconds() + session->timeout;
    PGresult *last = NULL, *next;

    if (!sent)
        session_lose(session, PQerrorMessage(session->connection));
    while (session->connection != NULL && session_await(session, deadline) &&
           (next = PQgetResult(session->connection)) != NULL) {
        PQclear(last);
        last = next;
        session_note(session, last);
        ExecStatusType status = PQresultStatus(last);
        if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH)
            session_lose(session, "COPY is not for a session");
    }
    session_lose_broken(session);
    if (last != NULL && !session->failed)
        return last;
    PQclear(last);
    return result_empty();
}

/* True when a call may go to the server. Outside a transaction each call begins afresh. */
static bool session_may_run(struct session *session)
{
    check_magic(session, SESSION_MAGIC);
    check(!session->streams);
    if (session->connection == NULL) {
        session_fail(session, "the connection to the database was lost", NULL);
        return false;
    }
    if (!session->in_transaction) {
        session->failed = false;
        session->problem[0] = '\0';
        session->sqlstate[0] = '\0';
    }
    session->warned = false;
    return !session->failed;
}

static void session_notice(void *context, const PGresult *notice)
{
    struct session *session = context;
    const char *severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);

    if (severity == NULL || strcmp(severity, "WARNING") != 0)
        return;
    session->warned = true;
    log_warning("database_warning",
                log_text("message", PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY)));
}

struct session *session_open(const char *uri, const char *role, char problem[SESSION_PROBLEM_SIZE])
{
    struct session *session = memory_allocate(1, sizeof *session);

    session->magic = SESSION_MAGIC;
    session->timeout = SESSION_TIMEOUT;
    session->connection = connect_wait(uri, role);
    PQsetNoticeReceiver(session->connection, session_notice, session);
    if (PQstatus(session->connection) != CONNECTION_OK) {
        copy_line(problem, SESSION_PROBLEM_SIZE, PQerrorMessage(session->connection));
        session_close(&session);
        return NULL;
    }
    check(PQsetnonblocking(session->connection, 1) == 0);
    PGresult *result = session_query(session, "show synchronous_commit");
    const char *objection = session->failed
                                ? session->problem
                                : connect_objection(PQserverVersion(session->connection),
                                                    result_text(result, 0, "synchronous_commit"));
    PQclear(result);
    if (objection != NULL) {
        copy_line(problem, SESSION_PROBLEM_SIZE, objection);
        session_close(&session);
    }
    return session;
}

void session_close(struct session **session)
{
    if (*session == NULL)
        return;
    check_magic(*session, SESSION_MAGIC);
    PQfinish((*session)->connection);
    (*session)->magic = 0;
    memory_free((*session)->prepared);
    memory_free(*session);
    *session = NULL;
}

void session_set_timeout(struct session *session, int64_t milliseconds)
{
    check_magic(session, SESSION_MAGIC);
    check(milliseconds > 0 && milliseconds <= INT32_MAX);
    session->timeout = milliseconds;
}

bool session_lost(const struct session *session)
{
    check_magic(session, SESSION_MAGIC);
    return session->connection == NULL;
}

PGresult *session_query(struct session *session, const char *sql)
{
    if (!session_may_run(session))
        return result_empty();
    return session_receive(session, PQsendQuery(session->connection, sql));
}

void session_execute(struct session *session, const char *sql)
{
    PQclear(session_query(session, sql));
}

/* After a change of the schema, plans that were kept fail again and again until they are dropped.
 */
static void session_refresh(struct session *session)
{
    if (!session->stale)
        return;
    session->stale = false;
    for (size_t i = 0; i < session->prepared_count; i++)
        session->prepared[i] = false;
    session_execute(session, "deallocate all");
}

void session_begin(struct session *session)
{
    check_magic(session, SESSION_MAGIC);
    check(!session->in_transaction);
    session_refresh(session);
    session_execute(session, "begin");
    session->in_transaction = true;
}

bool session_commit(struct session *session)
{
    check_magic(session, SESSION_MAGIC);
    if (session->connection == NULL || session->failed) {
        session_rollback(session);
        return false;
    }
    check(session->in_transaction);
    PGresult *result = session_query(session, "commit");
    session->in_transaction = false;
    /* PostgreSQL answers the COMMIT of a failed transaction with ROLLBACK, and warns when it may be
     * on this node only. */
    if (!session->failed && strcmp(PQcmdStatus(result), "COMMIT") != 0)
        session_fail(session, "the transaction was rolled back", NULL);
    if (!session->failed && session->warned)
        session_fail(session, "the database warned at the commit; whether it holds is unknown",
                     NULL);
    PQclear(result);
    return !session->failed;
}

void session_rollback(struct session *session)
{
    check_magic(session, SESSION_MAGIC);
    if (session->connection != NULL && session->in_transaction) {
        int sent = PQsendQuery(session->connection, "rollback");
        PQclear(session_receive(session, sent));
    }
    session->in_transaction = false;
}

static bool *session_prepared(struct session *session, size_t number)
{
    if (number >= session->prepared_count) {
        size_t count = number + 1 > statement_count ? number + 1 : statement_count;
        session->prepared = memory_resize(session->prepared, count, sizeof *session->prepared);
        for (size_t i = session->prepared_count; i < count; i++)
            session->prepared[i] = false;
        session->prepared_count = count;
    }
    return &session->prepared[number];
}

static bool session_prepare(struct session *session, const struct statement *statement)
{
    bool *prepared = session_prepared(session, statement->number);

    if (!*prepared) {
        const char *text = statement->text[STATEMENT_OPERATOR];
        int sent = PQsendPrepare(session->connection, statement->name, text, 0, NULL);
        PQclear(session_receive(session, sent));
        *prepared = !session->failed;
    }
    return *prepared && !session->failed;
}

/* `lengths` and `formats` are those of PQsendQueryPrepared. */
static bool send(struct session *session, const struct statement *statement,
                 const char *const *values, const int *lengths, const int *formats)
{
    if (!session_may_run(session) || !session_prepare(session, statement))
        return false;
    if (PQsendQueryPrepared(session->connection, statement->name, (int)statement->parameter_count,
                            values, lengths, formats, 0) != 1)
        session_lose(session, PQerrorMessage(session->connection));
    return session->connection != NULL;
}

static PGresult *run(struct session *session, const struct statement *statement,
                     const char *const *values, const int *lengths, const int *formats)
{
    return send(session, statement, values, lengths, formats) ? session_receive(session, true)
                                                              : result_empty();
}

PGresult *session_run(struct session *session, const struct statement *statement,
                      const char *const *values)
{
    return run(session, statement, values, NULL, NULL);
}

static size_t parameter_place(const struct statement *statement, const char *name)
{
    size_t place = 0;

    while (place < statement->parameter_count && strcmp(statement->parameters[place], name) != 0)
        place++;
    check(place < statement->parameter_count);
    return place;
}

/* Takes pairs of name and value until NULL; `set` of them are named already. */
static void take_named(const struct statement *statement, va_list arguments, size_t set,
                       const char *values[STATEMENT_PARAMETERS_LIMIT])
{
    bool named[STATEMENT_PARAMETERS_LIMIT] = {0};
    const char *name;

    for (; (name = va_arg(arguments, const char *)) != NULL; set++) {
        size_t place = parameter_place(statement, name);
        check(!named[place] && values[place] == NULL);
        named[place] = true;
        values[place] = va_arg(arguments, const char *);
    }
    check(set == statement->parameter_count);
}

PGresult *session_run_named(struct session *session, const struct statement *statement, ...)
{
    const char *values[STATEMENT_PARAMETERS_LIMIT] = {0};
    va_list arguments;

    va_start(arguments, statement);
    take_named(statement, arguments, 0, values);
    va_end(arguments);
    return session_run(session, statement, values);
}

PGresult *session_run_bytes(struct session *session, const struct statement *statement,
                            const char *name, struct slice bytes, ...)
{
    const char *values[STATEMENT_PARAMETERS_LIMIT] = {0};
    int lengths[STATEMENT_PARAMETERS_LIMIT] = {0}, formats[STATEMENT_PARAMETERS_LIMIT] = {0};
    size_t place = parameter_place(statement, name);
    va_list arguments;

    check(bytes.length <= INT_MAX);
    values[place] = bytes.data;
    lengths[place] = (int)bytes.length;
    formats[place] = BINARY_FORMAT;
    va_start(arguments, bytes);
    take_named(statement, arguments, 1, values);
    va_end(arguments);
    return run(session, statement, values, lengths, formats);
}

void session_stream(struct session *session, const struct statement *statement, ...)
{
    const char *values[STATEMENT_PARAMETERS_LIMIT] = {0};
    va_list arguments;

    va_start(arguments, statement);
    take_named(statement, arguments, 0, values);
    va_end(arguments);
    session->streams = send(session, statement, values, NULL, NULL);
    if (session->streams)
        check(PQsetSingleRowMode(session->connection) == 1);
}

PGresult *session_next(struct session *session)
{
    check_magic(session, SESSION_MAGIC);
    int64_t deadline = monotonic_milliseconds() + session->timeout;
    PGresult *next;

    while (session->streams && session_await(session, deadline) &&
           (next = PQgetResult(session->connection)) != NULL) {
        session_note(session, next);
        if (PQresultStatus(next) == PGRES_SINGLE_TUPLE)
            return next;
        PQclear(next); /* the end of the rows, or an error; NULL comes after it */
    }
    session_lose_broken(session);
    session->streams = false;
    return NULL;
}

bool session_failed(const struct session *session)
{
    check_magic(session, SESSION_MAGIC);
    return session->failed;
}

const char *session_problem(const struct session *session)
{
    check_magic(session, SESSION_MAGIC);
    return session->problem;
}

const char *session_sqlstate(const struct session *session)
{
    check_magic(session, SESSION_MAGIC);
    return session->sqlstate;
}

PGconn *session_connection(struct session *session)
{
    check_magic(session, SESSION_MAGIC);
    return session->connection;
}
