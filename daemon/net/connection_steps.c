/*
 * The steps of the state machine, one a state. Each does one thing, or notes what it waits for.
 */
#include <openssl/x509v3.h>

#include "common/instant.h"
#include "common/memory.h"
#include "common/metric.h"
#include "daemon/net/connection_internal.h"

enum {
    TRANSFERS_LIMIT = 64,        /* reads and writes before others have their turn */
    CERTIFICATE_NAME_LIMIT = 64, /* ub-common-name of RFC 5280 */
};

/* Reading and writing */

/* True when something was transferred; otherwise the connection waits, or is closed. */
static bool transferred(struct connection *connection, enum transport_result result)
{
    switch (result) {
    case TRANSPORT_DONE:
        return true;
    case TRANSPORT_WANTS_READ:
        connection->wait = WAIT_FOR_READ;
        return false;
    case TRANSPORT_WANTS_WRITE:
        connection->wait = WAIT_FOR_WRITE;
        return false;
    case TRANSPORT_END:
    case TRANSPORT_FAILED:
        connection_close(connection, false);
    }
    return false;
}

/* After so many transfers others have their turn. */
static bool turn_over(struct connection *connection)
{
    if (connection->transfers++ < TRANSFERS_LIMIT)
        return false;
    connection->wait = WAIT_FOR_TURN;
    return true;
}

static bool receive(struct connection *connection, struct slice *bytes)
{
    char *scratch = connection->network->scratch;
    size_t length;

    if (turn_over(connection) ||
        !transferred(connection,
                     transport_read(&connection->transport, scratch, TRANSPORT_READ_SIZE, &length)))
        return false;
    *bytes = (struct slice){scratch, length};
    return true;
}

/* Sends the next piece; true once all output was sent. */
static bool flush(struct connection *connection)
{
    const struct buffer *output = &connection->output;
    bool buffered = connection->output_sent < output->length;
    struct slice rest = buffered ? (struct slice){output->data + connection->output_sent,
                                                  output->length - connection->output_sent}
                                 : connection->constant;
    size_t written;

    if (rest.length == 0) {
        buffer_free(&connection->output);
        connection->output_sent = 0;
        return true;
    }
    if (turn_over(connection) ||
        !transferred(connection,
                     transport_write(&connection->transport, rest.data, rest.length, &written)))
        return false;
    if (buffered)
        connection->output_sent += written;
    else
        connection->constant = (struct slice){rest.data + written, rest.length - written};
    return false;
}

/* The steps */

static char *certificate_name(SSL *tls)
{
    X509 *certificate = tls == NULL ? NULL : SSL_get1_peer_certificate(tls);
    const X509_NAME *subject = certificate == NULL ? NULL : X509_get_subject_name(certificate);
    int place = subject == NULL ? -1 : X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    unsigned char *text = NULL;
    char *name = NULL;

    if (place >= 0 && SSL_get_verify_result(tls) == X509_V_OK) {
        X509_NAME_ENTRY *entry = X509_NAME_get_entry(subject, place);
        int length = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(entry));
        if (length > 0 && length <= CERTIFICATE_NAME_LIMIT &&
            memchr(text, '\0', (size_t)length) == NULL)
            name = memory_copy(text, (size_t)length);
        OPENSSL_free(text);
    }
    X509_free(certificate);
    return name;
}

static void step_handshake(struct connection *connection)
{
    if (transferred(connection, transport_handshake(&connection->transport))) {
        connection->certificate_name = certificate_name(connection->transport.tls);
        connection_enter(connection, CONNECTION_IDLE);
    } else if (connection->state == CONNECTION_CLOSED) {
        metric_add(METRIC_HANDSHAKES_FAILED, 1);
    }
}

void connection_drop_request(struct connection *connection)
{
    memory_free(connection->head);
    connection->head = NULL;
    buffer_free(&connection->head_bytes);
    buffer_free(&connection->body);
}

/* The head keeps the bytes that it points into; what follows it is the new input. */
static void begin_exchange(struct connection *connection, size_t head_length)
{
    const struct http1_head *head = connection->head;
    struct slice rest = {connection->input.data + head_length,
                         connection->input.length - head_length};

    connection->head_bytes = connection->input;
    connection->input = buffer_make(CONNECTION_INPUT_LIMIT);
    if (rest.length > 0)
        buffer_append_slice(&connection->input, rest);
    connection->served = connection->owed = true;
    connection->exchange = 0;
    connection->closing = !head->keep_alive;
    connection->bodiless = head->method == HTTP1_HEAD;
    connection->body_pending = head->chunked || head->content_length > 0;
    connection->body_remaining = head->content_length;
    connection->body_received = 0;
    connection->chunks = (struct http1_chunks){0};
    connection->request_started = monotonic_microseconds();
    connection_enter(connection, CONNECTION_WAIT);
    connection->network->handler->head(connection, head);
}

static void parse_input(struct connection *connection)
{
    struct http1_error error = {0};
    size_t length;

    connection->input_fresh = false;
    if (connection->head == NULL)
        connection->head = memory_allocate(1, sizeof *connection->head);
    switch (http1_parse_head(buffer_slice(&connection->input), connection->head, &length, &error)) {
    case HTTP1_COMPLETE:
        begin_exchange(connection, length);
        return;
    case HTTP1_INCOMPLETE:
        return;
    case HTTP1_BAD:
        connection_fail(connection, error.status, error.code);
    }
}

/* A head is looked at only when a line has ended, or there is too much: who sends byte by byte
 * shall not make us read the same bytes a thousand times. */
static void step_head(struct connection *connection)
{
    struct slice bytes;

    if (connection->input_fresh)
        return parse_input(connection);
    if (connection->state == CONNECTION_IDLE && connection->input.length > 0)
        return connection_enter(connection, CONNECTION_HEAD);
    if (!receive(connection, &bytes))
        return;
    buffer_append_slice(&connection->input, bytes);
    connection->input_fresh = memchr(bytes.data, '\n', bytes.length) != NULL ||
                              connection->input.length >= HTTP1_HEAD_LIMIT;
}

/* Takes the next bytes of the body, from what was read with the head or from the client. */
static bool next_body_bytes(struct connection *connection, struct slice *bytes)
{
    if (connection->input.length == 0)
        return receive(connection, bytes);
    *bytes = buffer_slice(&connection->input);
    return true;
}

/* What lies behind the body is the next request's. */
static void keep_rest(struct connection *connection, struct slice rest)
{
    if (connection->input.length > 0)
        buffer_consume(&connection->input, connection->input.length - rest.length);
    else if (rest.length > 0)
        buffer_append_slice(&connection->input, rest);
}

static enum http1_result take_body(struct connection *connection, struct slice *bytes,
                                   struct http1_error *error)
{
    if (connection->head->chunked)
        return http1_decode_chunks(&connection->chunks, bytes, &connection->body, error);
    if (bytes->length > connection->body_remaining)
        bytes->length = (size_t)connection->body_remaining;
    buffer_append_slice(&connection->body, *bytes);
    connection->body_remaining -= bytes->length;
    bytes->data += bytes->length;
    return connection->body_remaining == 0 ? HTTP1_COMPLETE : HTTP1_INCOMPLETE;
}

static void finish_body(struct connection *connection)
{
    struct buffer body = connection->body;

    connection->body = buffer_make(0);
    connection->body_pending = false;
    connection_enter(connection, CONNECTION_WAIT);
    connection->network->handler->body(connection, &body);
}

static void step_body(struct connection *connection)
{
    struct http1_error error = {0};
    struct slice bytes;
    size_t before = connection->body.length;

    if (!connection->body_pending)
        return finish_body(connection);
    if (connection->body_remaining > connection->body.limit - before)
        return connection_fail(connection, 413, "body_too_large");
    if (!flush(connection) || !next_body_bytes(connection, &bytes)) /* 100 Continue goes first */
        return;
    const char *end = bytes.data + bytes.length;
    enum http1_result result = take_body(connection, &bytes, &error);
    bytes.length = (size_t)(end - bytes.data);
    keep_rest(connection, bytes);
    connection->body_received += connection->body.length - before;
    if (buffer_overflowed(&connection->body))
        connection_fail(connection, 413, "body_too_large");
    else if (result == HTTP1_BAD)
        connection_fail(connection, error.status, error.code);
    else if (!connection_hold(connection, connection->body.capacity))
        connection_fail(connection, 503, "overloaded");
    else if (result == HTTP1_COMPLETE)
        finish_body(connection);
}

static void finish_exchange(struct connection *connection)
{
    if (connection->request_started != 0)
        metric_observe(METRIC_REQUEST_TIME, monotonic_microseconds() - connection->request_started);
    connection->request_started = 0;
    connection->begun = connection->bodiless = connection->body_pending = false;
    connection_hold(connection, 0);
    connection_drop_request(connection);
    if (connection->closing || connection->network->draining) {
        transport_finish(&connection->transport);
        return connection_enter(connection, CONNECTION_LINGER);
    }
    connection->input_fresh = connection->input.length > 0;
    connection_enter(connection, CONNECTION_IDLE);
    if (!connection->input_fresh) {
        buffer_free(&connection->input);
        if (!transport_pending(&connection->transport))
            connection->wait = WAIT_FOR_READ; /* most ask again only once they have the answer */
    }
}

static void step_write(struct connection *connection)
{
    if (!flush(connection))
        return;
    if (connection->answer_remaining == 0)
        return finish_exchange(connection);
    connection_enter(connection, CONNECTION_WAIT);
    connection->network->handler->drained(connection);
}

static void step_linger(struct connection *connection)
{
    char *scratch = connection->network->scratch;

    if (!turn_over(connection))
        transferred(connection,
                    transport_discard(&connection->transport, scratch, TRANSPORT_READ_SIZE));
}

void connection_step(struct connection *connection)
{
    switch (connection->state) {
    case CONNECTION_HANDSHAKE:
        return step_handshake(connection);
    case CONNECTION_IDLE:
    case CONNECTION_HEAD:
        return step_head(connection);
    case CONNECTION_BODY:
        return step_body(connection);
    case CONNECTION_WRITE:
        return step_write(connection);
    case CONNECTION_LINGER:
        return step_linger(connection);
    case CONNECTION_WAIT:
    case CONNECTION_CLOSED:
        return;
    }
}
