#include "daemon/db/backend.h"

#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/instant.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/metric.h"
#include "daemon/db/connect.h"
#include "daemon/db/exchange.h"

enum {
    BACKEND_MAGIC = 0x4241434b,
    STEADY = 5000, /* milliseconds; a connection that lasted so long is made again at once */
    NUMBER_SIZE = 24,
    PROBLEM_SIZE = 256,
};

struct backend {
    unsigned magic;
    enum backend_state state;
    struct event_base *base;
    const struct database_settings *settings;
    const char *role;
    const struct backend_user *user;
    void *context;

    PGconn *connection; /* NULL while BROKEN */
    struct event *read, *write, *timer;
    struct prepared prepared;
    struct exchange exchange;    /* under way while GREETING or LEASED */
    bool replace;                /* when it is free again */
    char farewell[PROBLEM_SIZE]; /* the server's reason to end the connection; "" until then */
    unsigned failures;           /* since it was last steady */
    int64_t up_since;            /* monotonic milliseconds; 0 while not greeted */
    int64_t leased_at;           /* monotonic microseconds */
};

/* Timeouts so that a server whose client is gone does not go on for long, and two facts. */
static const struct statement greeting = {
    .name = "greeting",
    .file = "daemon/db/backend.c",
    .text = {"select set_config('statement_timeout', $1, false),"
             " set_config('client_connection_check_interval', '1s', false),"
             " current_setting('synchronous_commit')"},
    .parameter_count = 1,
    .parameters = {"statement_timeout"},
};
enum { GREETING_SYNCHRONOUS_COMMIT = 2 };

static void timer_set(struct backend *backend, int64_t milliseconds)
{
    struct timeval time = timeval_of(milliseconds);

    event_add(backend->timer, &time);
}

static void backend_set_state(struct backend *backend, enum backend_state state)
{
    bool was_up = backend->state >= BACKEND_FREE, is_up = state >= BACKEND_FREE;

    if (is_up && !was_up)
        backend->up_since = monotonic_milliseconds();
    if (is_up != was_up)
        metric_add(METRIC_DATABASE_CONNECTIONS, is_up ? 1 : -1);
    if (state == BACKEND_FREE)
        event_del(backend->timer);
    backend->state = state;
}

static void event_drop(struct event **event)
{
    if (*event != NULL)
        event_free(*event);
    *event = NULL;
}

static void backend_disconnect(struct backend *backend)
{
    event_drop(&backend->read);
    event_drop(&backend->write);
    PQfinish(backend->connection);
    backend->connection = NULL;
    prepared_forget(&backend->prepared);
    backend->replace = false;
    backend->farewell[0] = '\0';
}

static void backend_break(struct backend *backend, int64_t pause)
{
    backend_disconnect(backend);
    backend_set_state(backend, BACKEND_BROKEN);
    timer_set(backend, pause);
}

/* Ends a segment with what is known of it, and gives the answer to its user, who may send another
 * at once. */
static void backend_answer(struct backend *backend, struct exchange *exchange, bool ended,
                           bool late)
{
    struct database_answer answer = exchange_answer(exchange, ended);
    enum backend_retry retry = late ? BACKEND_RETRY_NEVER : exchange_retry(exchange, &answer);

    metric_observe(METRIC_QUERY_TIME, monotonic_microseconds() - backend->leased_at);
    if (answer.outcome != DATABASE_OK)
        metric_add(METRIC_QUERIES_FAILED, 1);
    backend->user->answered(backend->context, &answer, retry);
    exchange_clear(exchange);
}

/* The connection is of no use any more. */
static void backend_lose(struct backend *backend, const char *problem, bool late)
{
    struct exchange exchange = backend->exchange;
    bool leased = backend->state == BACKEND_LEASED;

    log_warning("database_connection_lost", log_text("role", backend->role),
                log_text("problem", problem));
    if (backend->up_since != 0 && monotonic_milliseconds() - backend->up_since >= STEADY)
        backend->failures = 0;
    backend->up_since = 0;
    backend->exchange = (struct exchange){0};
    backend_break(backend, connect_pause(backend->failures++));
    if (leased)
        backend_answer(backend, &exchange, false, late);
    else
        exchange_clear(&exchange);
}

/* With the server's or libpq's own words, copied because they end with the connection. */
static void backend_lose_connection(struct backend *backend)
{
    char problem[PROBLEM_SIZE];

    snprintf(problem, sizeof problem, "%s",
             backend->farewell[0] != '\0' ? backend->farewell
                                          : PQerrorMessage(backend->connection));
    problem[strcspn(problem, "\n")] = '\0';
    backend_lose(backend, problem, false);
}

static void backend_become_free(struct backend *backend)
{
    backend_set_state(backend, BACKEND_FREE);
    if (backend->replace)
        backend_break(backend, 0);
}

/* After the greeting. */
static void backend_welcome(struct backend *backend, struct exchange *exchange)
{
    const PGresult *result = exchange->results[0];
    const char *setting =
        PQntuples(result) == 1 ? PQgetvalue(result, 0, GREETING_SYNCHRONOUS_COMMIT) : "";
    const char *objection = exchange->error == NULL
                                ? connect_objection(PQserverVersion(backend->connection), setting)
                                : PQresultErrorField(exchange->error, PG_DIAG_MESSAGE_PRIMARY);

    /* The greeting has the number of a statement that is not it. */
    prepared_forget(&backend->prepared);
    if (objection == NULL)
        backend_become_free(backend);
    else
        backend_lose(backend, objection, false);
    exchange_clear(exchange);
}

static void backend_conclude(struct backend *backend)
{
    struct exchange exchange = backend->exchange;
    bool fresh = backend->state == BACKEND_GREETING;

    backend->exchange = (struct exchange){0};
    if (fresh) {
        backend_welcome(backend, &exchange);
    } else {
        backend_become_free(backend);
        backend_answer(backend, &exchange, true, false);
    }
    if (backend->state == BACKEND_FREE)
        backend->user->freed(backend->context, fresh);
}

/* False when the connection was lost. */
static bool backend_flush(struct backend *backend)
{
    int left = PQflush(backend->connection);

    if (left < 0)
        return false;
    if (left == 0)
        backend->exchange.drained = true;
    else
        event_add(backend->write, NULL);
    return true;
}

static void notifications_take(struct backend *backend)
{
    PGnotify *notification;

    while ((notification = PQnotifies(backend->connection)) != NULL) {
        if (backend->user->notified != NULL)
            backend->user->notified(backend->context, notification->extra);
        PQfreemem(notification);
    }
}

/* Reads what has come; false when the connection is at its end. */
static bool backend_look(struct backend *backend)
{
    if (PQconsumeInput(backend->connection) == 0)
        return false;
    if (backend->state == BACKEND_FREE)
        (void)PQisBusy(backend->connection); /* takes notices and notifications in */
    return backend->farewell[0] == '\0';
}

static void on_read(evutil_socket_t descriptor, short what, void *context)
{
    struct backend *backend = context;

    (void)descriptor, (void)what;
    check_magic(backend, BACKEND_MAGIC);
    if (!backend_look(backend)) {
        backend_lose_connection(backend);
        return;
    }
    enum exchange_progress progress = EXCHANGE_WAITS;
    if (backend->state != BACKEND_FREE)
        progress = exchange_receive(&backend->exchange, backend->connection, &backend->prepared);
    notifications_take(backend);
    if (progress == EXCHANGE_BROKEN)
        backend_lose_connection(backend);
    else if (progress == EXCHANGE_ENDED)
        backend_conclude(backend);
    else if (!backend_flush(backend))
        backend_lose_connection(backend);
}

static void on_write(evutil_socket_t descriptor, short what, void *context)
{
    struct backend *backend = context;

    (void)descriptor, (void)what;
    check_magic(backend, BACKEND_MAGIC);
    if (!backend_flush(backend))
        backend_lose_connection(backend);
}

static void on_notice(void *context, const PGresult *notice)
{
    struct backend *backend = context;
    const char *severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);

    /* An error that answers nothing that was asked, such as the server's shutdown. */
    if (severity != NULL && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0))
        snprintf(backend->farewell, sizeof backend->farewell, "%s",
                 PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY));
    exchange_notice(&backend->exchange, notice);
}

/* Queues a segment and begins to send it; false when the connection turned out to be broken. */
static bool backend_begin(struct backend *backend, const struct segment *segment)
{
    return exchange_send(&backend->exchange, backend->connection, &backend->prepared, segment) &&
           backend_flush(backend);
}

static void backend_greet(struct backend *backend)
{
    char timeout[NUMBER_SIZE];
    const char *values[] = {timeout};
    struct segment segment = {
        .count = 1,
        .parts = {{.statement = &greeting, .variant = STATEMENT_TENANT, .values = values}},
    };
    int64_t milliseconds = backend->settings->statement_timeout;
    int descriptor = PQsocket(backend->connection);

    snprintf(timeout, sizeof timeout, "%lld",
             (long long)(milliseconds == 0 ? DATABASE_STATEMENT_TIMEOUT : milliseconds));
    backend->read = event_new(backend->base, descriptor, EV_READ | EV_PERSIST, on_read, backend);
    backend->write = event_new(backend->base, descriptor, EV_WRITE, on_write, backend);
    check(backend->read != NULL && backend->write != NULL);
    event_add(backend->read, NULL);
    backend_set_state(backend, BACKEND_GREETING);
    if (PQsetnonblocking(backend->connection, 1) != 0 ||
        PQenterPipelineMode(backend->connection) == 0 || !backend_begin(backend, &segment))
        backend_lose_connection(backend);
}

static void connect_step(evutil_socket_t descriptor, short what, void *context);

/* libpq may go on with another descriptor after each step. */
static void connect_wait_for(struct backend *backend, short what)
{
    event_drop(&backend->read);
    backend->read =
        event_new(backend->base, PQsocket(backend->connection), what, connect_step, backend);
    check(backend->read != NULL);
    event_add(backend->read, NULL);
}

static void connect_step(evutil_socket_t descriptor, short what, void *context)
{
    struct backend *backend = context;

    (void)descriptor, (void)what;
    check_magic(backend, BACKEND_MAGIC);
    event_drop(&backend->read); /* before libpq may close its descriptor */
    switch (PQconnectPoll(backend->connection)) {
    case PGRES_POLLING_READING:
        connect_wait_for(backend, EV_READ);
        break;
    case PGRES_POLLING_OK:
        backend_greet(backend);
        break;
    case PGRES_POLLING_FAILED:
        backend_lose_connection(backend);
        break;
    default:
        connect_wait_for(backend, EV_WRITE);
    }
}

static void backend_connect(struct backend *backend)
{
    backend->connection = connect_start(backend->settings->uri, backend->role, backend->failures);
    PQsetNoticeReceiver(backend->connection, on_notice, backend);
    backend_set_state(backend, BACKEND_CONNECTING);
    timer_set(backend, backend->settings->connect_timeout);
    if (PQstatus(backend->connection) == CONNECTION_BAD)
        backend_lose_connection(backend);
    else
        connect_wait_for(backend, EV_WRITE);
}

static void on_timer(evutil_socket_t descriptor, short what, void *context)
{
    struct backend *backend = context;

    (void)descriptor, (void)what;
    check_magic(backend, BACKEND_MAGIC);
    if (backend->state == BACKEND_BROKEN)
        backend_connect(backend);
    else
        backend_lose(backend,
                     backend->state == BACKEND_LEASED ? "a segment ran out of its time"
                                                      : "connecting took too long",
                     true);
}

struct backend *backend_new(struct event_base *base, const struct database_settings *settings,
                            const char *role, const struct backend_user *user, void *context)
{
    struct backend *backend = memory_allocate(1, sizeof *backend);

    *backend = (struct backend){
        .magic = BACKEND_MAGIC,
        .base = base,
        .settings = settings,
        .role = role,
        .user = user,
        .context = context,
    };
    backend->timer = evtimer_new(base, on_timer, backend);
    check(backend->timer != NULL);
    timer_set(backend, 0);
    return backend;
}

void backend_free(struct backend **backend)
{
    if (*backend == NULL)
        return;
    check_magic(*backend, BACKEND_MAGIC);
    backend_disconnect(*backend);
    backend_set_state(*backend, BACKEND_BROKEN);
    exchange_clear(&(*backend)->exchange);
    event_drop(&(*backend)->timer);
    (*backend)->magic = 0;
    memory_free(*backend);
    *backend = NULL;
}

enum backend_state backend_state(const struct backend *backend)
{
    check_magic(backend, BACKEND_MAGIC);
    return backend->state;
}

bool backend_send(struct backend *backend, const struct segment *segment)
{
    check_magic(backend, BACKEND_MAGIC);
    check(backend->state == BACKEND_FREE);
    check(segment->count > 0 && segment->count <= SEGMENT_STATEMENTS_LIMIT);
    check(segment->timeout > 0);
    /* A connection that the server has closed meanwhile takes the bytes and answers nothing, and
     * then nobody knows: look first. */
    if (!backend_look(backend) || !backend_begin(backend, segment)) {
        backend_lose_connection(backend);
        return false;
    }
    metric_add(METRIC_QUERIES, 1);
    backend->leased_at = monotonic_microseconds();
    backend_set_state(backend, BACKEND_LEASED);
    timer_set(backend, segment->timeout);
    return true;
}

void backend_replace(struct backend *backend)
{
    check_magic(backend, BACKEND_MAGIC);
    if (backend->state == BACKEND_FREE)
        backend_break(backend, 0);
    else if (backend->state == BACKEND_LEASED)
        backend->replace = true;
}
