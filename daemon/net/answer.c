#include <inttypes.h>
#include <time.h>

#include "common/check.h"
#include "common/metric.h"
#include "daemon/net/connection_internal.h"

enum { FIELDS_LIMIT = 2048 }; /* of an answer that `failed` renders */

static const char RETRY_AFTER[] = "Retry-After: 5\r\n";

/* The Date field, written once a second. */
static const char *date_now(struct network *network)
{
    time_t now = time(NULL);
    struct tm parts;

    if (network->date_second != now) {
        network->date_second = now;
        check(gmtime_r(&now, &parts) != NULL);
        strftime(network->date, sizeof network->date, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n",
                 &parts);
    }
    return network->date;
}

static void count_answer(int status)
{
    if (status >= 500)
        metric_add(METRIC_REQUESTS_5XX, 1);
    else
        metric_add(status >= 400 ? METRIC_REQUESTS_4XX : METRIC_REQUESTS_2XX, 1);
}

/* Writes the head of the answer to `output`. */
static void begin_answer(struct connection *connection, int status, struct slice fields,
                         uint64_t length)
{
    struct buffer *output = &connection->output;
    bool empty = status == 204 || status == 304;

    connection->begun = true;
    connection->answer_remaining = length;
    connection->bodiless = connection->bodiless || empty;
    if (connection->body_pending || connection->network->draining)
        connection->closing = true;
    http1_write_status(output, status);
    buffer_append_text(output, date_now(connection->network));
    if (!empty)
        buffer_append_format(output, "Content-Length: %" PRIu64 "\r\n", length);
    if (connection->closing)
        buffer_append_text(output, "Connection: close\r\n");
    buffer_append_slice(output, fields);
    buffer_append_text(output, "\r\n");
    count_answer(status);
}

static void write_piece(struct connection *connection, struct slice bytes)
{
    check(bytes.length <= connection->answer_remaining);
    connection->answer_remaining -= bytes.length;
    if (!connection->bodiless)
        buffer_append_slice(&connection->output, bytes);
    check(!buffer_overflowed(&connection->output));
    if (connection->answer_remaining == 0)
        connection->owed = false;
    connection_enter(connection, CONNECTION_WRITE);
    connection_schedule(connection);
}

void connection_fail(struct connection *connection, int status, const char *code)
{
    const struct network_handler *handler = connection->network->handler;
    struct buffer body = buffer_make(CONNECTION_FAILED_BODY_LIMIT);
    struct buffer fields = buffer_make(FIELDS_LIMIT);

    if (connection->owed) {
        connection->owed = false;
        handler->closed(connection);
    }
    connection_hold(connection, 0);
    connection->closing = true;
    handler->failed(status, code, &fields, &body);
    if (status == 503)
        buffer_append_text(&fields, RETRY_AFTER);
    check(!buffer_overflowed(&fields) && !buffer_overflowed(&body));
    begin_answer(connection, status, buffer_slice(&fields), body.length);
    write_piece(connection, buffer_slice(&body));
    buffer_free(&body);
    buffer_free(&fields);
}

static void check_turn(const struct connection *connection, bool begun)
{
    check_magic(connection, CONNECTION_MAGIC);
    check(connection->owed && connection->begun == begun);
    check(connection->state != CONNECTION_CLOSED);
}

void connection_read_body(struct connection *connection, size_t limit)
{
    check_turn(connection, false);
    const struct http1_head *head = connection->head;

    connection->body = buffer_make(limit);
    if (head->expects_continue && connection->body_pending && head->content_length <= limit &&
        connection->input.length == 0)
        buffer_append_text(&connection->output, "HTTP/1.1 100 Continue\r\n\r\n");
    connection_enter(connection, CONNECTION_BODY);
    connection_schedule(connection);
}

void connection_answer(struct connection *connection, int status, struct slice fields,
                       struct slice body)
{
    check_turn(connection, false);
    if (!connection_hold(connection, body.length)) {
        connection->owed = false; /* the handler has done its part */
        connection_fail(connection, 503, "overloaded");
        return;
    }
    begin_answer(connection, status, fields, body.length);
    write_piece(connection, body);
}

void connection_answer_constant(struct connection *connection, int status, struct slice fields,
                                struct slice body)
{
    check_turn(connection, false);
    connection_hold(connection, 0);
    begin_answer(connection, status, fields, body.length);
    if (!connection->bodiless)
        connection->constant = body;
    connection->answer_remaining = 0;
    write_piece(connection, (struct slice){0});
}

void connection_answer_begin(struct connection *connection, int status, struct slice fields,
                             uint64_t length)
{
    check_turn(connection, false);
    connection_hold(connection, 0);
    begin_answer(connection, status, fields, length);
    if (length == 0)
        write_piece(connection, (struct slice){0});
}

void connection_write(struct connection *connection, struct slice bytes)
{
    check_turn(connection, true);
    write_piece(connection, bytes);
    connection_hold(connection, connection->output.length);
}

void connection_abort(struct connection *connection)
{
    check_turn(connection, connection->begun);
    connection->owed = false;
    connection_close(connection, true);
    connection_schedule(connection);
}
