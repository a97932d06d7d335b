#include "daemon/process/courier.h"

#include <event2/event.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/instant.h"
#include "common/log.h"
#include "common/memory.h"
#include "daemon/db/session.h"
#include "daemon/process/child.h"
#include "daemon/process/disconnect.h"
#include "daemon/process/vendor_calls.h"
#include "statements.h"

enum {
    COURIER_MAGIC = 0x636f7572,
    DELIVERIES_LIMIT = 64,
    POLL_SECONDS = 1,
    LEASE_SLACK = 10,      /* seconds that a lease outlasts the pause it is given for */
    QUERY_TIMEOUT = 10000, /* milliseconds: the loop waits for the database no longer */
    NUMBER_SIZE = 24,
};

struct courier {
    unsigned magic;
    const char *database_uri;
    struct event_base *base;
    struct event *poll, *term, *reload, *notices;
    struct seal_keys keys;
    struct session *session; /* NULL while there is none */
    struct disconnect *deliveries[DELIVERIES_LIMIT];
    size_t count;
    struct vendor_calls *vendor_calls;
};

static void lose_session(struct courier *courier)
{
    if (courier->notices != NULL)
        event_free(courier->notices);
    courier->notices = NULL;
    session_close(&courier->session);
}

static void claim(struct courier *courier);

static void on_notice(evutil_socket_t descriptor, short what, void *context)
{
    struct courier *courier = context;
    PGconn *connection;
    PGnotify *notice;

    (void)descriptor;
    (void)what;
    check_magic(courier, COURIER_MAGIC);
    connection = session_connection(courier->session);
    if (connection == NULL || PQconsumeInput(connection) == 0) {
        lose_session(courier);
        return;
    }
    while ((notice = PQnotifies(connection)) != NULL)
        PQfreemem(notice);
    claim(courier);
}

/* True with a session that can be used. */
static bool have_session(struct courier *courier)
{
    char problem[SESSION_PROBLEM_SIZE];

    if (courier->session != NULL && session_lost(courier->session))
        lose_session(courier);
    if (courier->session != NULL)
        return true;
    courier->session = session_open(courier->database_uri, "bccd_jobs", problem);
    if (courier->session == NULL) {
        log_error("courier_without_database", log_text("problem", problem));
        return false;
    }
    session_set_timeout(courier->session, QUERY_TIMEOUT);
    PQclear(session_query(courier->session, "listen bccd_courier"));
    if (session_lost(courier->session))
        return false;
    courier->notices = event_new(courier->base, PQsocket(session_connection(courier->session)),
                                 EV_READ | EV_PERSIST, on_notice, courier);
    check(courier->notices != NULL && event_add(courier->notices, NULL) == 0);
    return true;
}

static void forget(struct courier *courier, struct disconnect *delivery)
{
    for (size_t i = 0; i < courier->count; i++)
        if (courier->deliveries[i] == delivery) {
            courier->deliveries[i] = courier->deliveries[--courier->count];
            break;
        }
    disconnect_free(&delivery);
}

/* What cannot be noted now is found again by its lease's end and sent once more, which does no
 * harm. */
static void note_result(struct courier *courier, int64_t id, const struct disconnect_result *result)
{
    char number[NUMBER_SIZE], cause[NUMBER_SIZE];

    snprintf(number, sizeof number, "%" PRId64, id);
    snprintf(cause, sizeof cause, "%" PRIu32, result->error_cause);
    log_info("disconnect_ended", log_number("message", id), log_text("answer", result->answer),
             log_number("error_cause", result->error_cause));
    if (have_session(courier))
        PQclear(session_run_named(courier->session, &statement_end_courier_message, "id", number,
                                  "state", result->good ? "sent" : "failed", "answer",
                                  result->answer, "error_cause",
                                  result->error_cause == 0 ? NULL : cause, NULL));
}

static void on_ended(void *context, struct disconnect *delivery,
                     const struct disconnect_result *result)
{
    struct courier *courier = context;

    note_result(courier, disconnect_number(delivery), result);
    forget(courier, delivery);
}

static void on_sent_again(void *context, struct disconnect *delivery, int64_t pause)
{
    struct courier *courier = context;
    char id[NUMBER_SIZE], lease[NUMBER_SIZE];

    snprintf(id, sizeof id, "%" PRId64, disconnect_number(delivery));
    snprintf(lease, sizeof lease, "%" PRId64, pause + LEASE_SLACK);
    if (have_session(courier))
        PQclear(session_run_named(courier->session, &statement_hold_courier_message, "id", id,
                                  "lease", lease, NULL));
}

static void begin(struct courier *courier, const PGresult *rows, int row)
{
    static const struct disconnect_handler handler = {on_sent_again, on_ended};
    const struct disconnect_order order = {
        .number = result_number(rows, row, "id"),
        .nas_address = result_text(rows, row, "nas_address"),
        .nas_port = result_text(rows, row, "nas_port"),
        .secret = result_text(rows, row, "secret"),
        .secret_place = result_text(rows, row, "secret_place"),
        .user_name = result_text(rows, row, "user_name"),
        .session_id = result_text(rows, row, "session_id"),
        .time_left = result_number(rows, row, "time_left"),
    };
    struct disconnect_result result = {.good = false};
    struct disconnect *delivery =
        disconnect_new(courier->base, &order, &courier->keys, &handler, courier, &result.answer);

    if (delivery == NULL)
        note_result(courier, order.number, &result);
    else
        courier->deliveries[courier->count++] = delivery;
}

static bool is_known(const struct courier *courier, int64_t number)
{
    for (size_t i = 0; i < courier->count; i++)
        if (disconnect_number(courier->deliveries[i]) == number)
            return true;
    return false;
}

static void claim_disconnects(struct courier *courier)
{
    char limit[NUMBER_SIZE], lease[NUMBER_SIZE];
    PGresult *rows;

    if (courier->count == DELIVERIES_LIMIT)
        return;
    snprintf(limit, sizeof limit, "%zu", DELIVERIES_LIMIT - courier->count);
    snprintf(lease, sizeof lease, "%d", DISCONNECT_PAUSE + LEASE_SLACK);
    rows = session_run_named(courier->session, &statement_claim_courier_messages, "limit", limit,
                             "lease", lease, NULL);
    /* One that is known was held too late, while the database was away. */
    for (int row = 0; row < PQntuples(rows); row++)
        if (!is_known(courier, result_number(rows, row, "id")))
            begin(courier, rows, row);
    PQclear(rows);
}

static void claim(struct courier *courier)
{
    if (have_session(courier))
        claim_disconnects(courier);
    if (have_session(courier))
        vendor_calls_claim(courier->vendor_calls, courier->session);
}

static struct session *session_for_calls(void *context)
{
    struct courier *courier = context;

    return have_session(courier) ? courier->session : NULL;
}

static void on_poll(evutil_socket_t descriptor, short what, void *context)
{
    (void)descriptor;
    (void)what;
    claim(context);
}

static void on_end(evutil_socket_t number, short what, void *context)
{
    struct courier *courier = context;

    (void)number;
    (void)what;
    event_base_loopbreak(courier->base);
}

static void start(struct courier *courier)
{
    static const struct timeval interval = {.tv_sec = POLL_SECONDS};

    courier->magic = COURIER_MAGIC;
    courier->base = event_base_new();
    check(courier->base != NULL);
    courier->poll = event_new(courier->base, -1, EV_PERSIST, on_poll, courier);
    courier->term = evsignal_new(courier->base, SIGTERM, on_end, courier);
    courier->reload = evsignal_new(courier->base, SIGHUP, on_end, courier);
    check(courier->poll != NULL && courier->term != NULL && courier->reload != NULL &&
          event_add(courier->poll, &interval) == 0 && event_add(courier->term, NULL) == 0 &&
          event_add(courier->reload, NULL) == 0);
    courier->vendor_calls =
        vendor_calls_new(courier->base, &courier->keys, session_for_calls, courier);
    child_take_reloads();
}

/* What is under way is left to the lease: the next courier goes on with it. */
static void finish(struct courier *courier)
{
    child_leave_reloads();
    while (courier->count > 0)
        disconnect_free(&courier->deliveries[--courier->count]);
    vendor_calls_free(&courier->vendor_calls);
    lose_session(courier);
    event_free(courier->poll);
    event_free(courier->term);
    event_free(courier->reload);
    event_base_free(courier->base);
    memory_wipe(&courier->keys, sizeof courier->keys);
}

int courier_run(const struct settings *settings, const char *database_uri)
{
    struct courier courier = {.database_uri = database_uri};
    char problem[OPTION_PROBLEM_SIZE];

    if (!seal_keys_read(settings->master_key_file, &courier.keys, problem, sizeof problem)) {
        log_error("courier_without_keys", log_text("problem", problem));
        return EXIT_FAILURE;
    }
    start(&courier);
    event_base_dispatch(courier.base);
    finish(&courier);
    return EXIT_SUCCESS;
}
