#include "tests/unit/loopback.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

#include "common/check.h"
#include "common/memory.h"
#include "daemon/net/address.h"
#include "daemon/net/tls.h"
#include "tests/unit/unit.h"

enum {
    RECEIVED_LIMIT = 64 * 1024 * 1024,
    READ_SIZE = 16384,
    GIVE_UP_SECONDS = 60,
    GIVE_UP_MILLISECONDS = 1000 * GIVE_UP_SECONDS,
    ECHO_LIMIT = 8 * 1024 * 1024,
    SMALL_LIMIT = 10,
    LATER_MICROSECONDS = 5000,
};

static struct loopback *current; /* the server of the test that runs */
static uint64_t stream_written;
static const struct slice NO_FIELDS = {0};

/* The handler */

struct later {
    uint64_t number;
    struct event *timer;
};

static void answer_later(evutil_socket_t descriptor, short what, void *context)
{
    struct later *later = context;
    struct connection *connection = connection_find(current->network, later->number);

    (void)descriptor;
    (void)what;
    if (connection != NULL)
        connection_answer(connection, 200, NO_FIELDS, slice_of("hello"));
    event_free(later->timer);
    memory_free(later);
}

static void begin_later(struct connection *connection)
{
    struct later *later = memory_allocate(1, sizeof *later);
    struct timeval delay = {.tv_usec = LATER_MICROSECONDS};

    later->number = connection_number(connection);
    later->timer = evtimer_new(current->base, answer_later, later);
    check(later->timer != NULL);
    evtimer_add(later->timer, &delay);
}

static void write_stream(struct connection *connection)
{
    static char piece[LOOPBACK_PIECE];

    memset(piece, 'a' + (int)(stream_written / LOOPBACK_PIECE % 26), sizeof piece);
    stream_written += sizeof piece;
    connection_write(connection, (struct slice){piece, sizeof piece});
}

static void answer_big(struct connection *connection)
{
    char *big = memory_allocate(LOOPBACK_BIG, 1);

    memset(big, 'b', LOOPBACK_BIG);
    connection_answer(connection, 200, NO_FIELDS, (struct slice){big, LOOPBACK_BIG});
    memory_free(big);
}

static void answer_constant(struct connection *connection)
{
    static char constant[LOOPBACK_BIG];

    for (size_t i = 0; i < sizeof constant; i++)
        constant[i] = (char)('a' + i % 26);
    connection_answer_constant(connection, 200, NO_FIELDS,
                               (struct slice){constant, sizeof constant});
}

static void answer_abort(struct connection *connection)
{
    connection_answer_begin(connection, 200, NO_FIELDS, 1000);
    connection_write(connection, slice_of("0123456789"));
    stream_written = 0;
}

static void answer_stream(struct connection *connection)
{
    connection_answer_begin(connection, 200, NO_FIELDS, LOOPBACK_STREAM);
    stream_written = 0;
    write_stream(connection);
}

static void on_head(struct connection *connection, const struct http1_head *head)
{
    EXPECT_NUMBER(connection_exchange(connection), 0);
    connection_set_exchange(connection, 7);
    current->last_number = connection_number(connection);
    current->heads++;
    if (slice_is(head->path, "/hello"))
        connection_answer(connection, 200, slice_of("X-Test: yes\r\n"), slice_of("hello"));
    else if (slice_is(head->path, "/later"))
        begin_later(connection);
    else if (slice_is(head->path, "/echo"))
        connection_read_body(connection, ECHO_LIMIT);
    else if (slice_is(head->path, "/small"))
        connection_read_body(connection, SMALL_LIMIT);
    else if (slice_is(head->path, "/empty"))
        connection_answer(connection, 204, NO_FIELDS, NO_FIELDS);
    else if (slice_is(head->path, "/name"))
        connection_answer(connection, 200, NO_FIELDS,
                          slice_of(connection_certificate_name(connection)));
    else if (slice_is(head->path, "/big"))
        answer_big(connection);
    else if (slice_is(head->path, "/constant"))
        answer_constant(connection);
    else if (slice_is(head->path, "/stream"))
        answer_stream(connection);
    else if (slice_is(head->path, "/abort"))
        answer_abort(connection);
    else if (!slice_is(head->path, "/never"))
        connection_answer(connection, 200, NO_FIELDS, slice_of("ok"));
}

static void on_body(struct connection *connection, struct buffer *body)
{
    current->bodies++;
    connection_answer(connection, 200, NO_FIELDS, buffer_slice(body));
    buffer_free(body);
}

static void on_drained(struct connection *connection)
{
    if (stream_written == 0)
        connection_abort(connection);
    else
        write_stream(connection);
}

static void on_closed(struct connection *connection)
{
    EXPECT(connection_find(current->network, connection_number(connection)) == NULL);
    current->closed++;
}

static void on_failed(int status, const char *code, struct buffer *fields, struct buffer *body)
{
    buffer_append_text(fields, "Content-Type: text/plain\r\n");
    buffer_append_format(body, "failed: %d %s", status, code);
}

static const struct network_handler HANDLER = {on_head, on_body, on_drained, on_closed, on_failed};

/* The server */

static void remove_directory(void)
{
    static const char *const FILES[] = {"ca.pem",     "ca.key",   "server.pem",
                                        "server.key", "node.pem", "node.key"};
    char path[256];

    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        snprintf(path, sizeof path, "%s/%s", loopback_directory(), FILES[i]);
        unlink(path);
    }
    rmdir(loopback_directory());
}

const char *loopback_directory(void)
{
    static char directory[128];
    char problem[TLS_PROBLEM_SIZE];
    const char *parent = getenv("TMPDIR");

    if (directory[0] != '\0')
        return directory;
    snprintf(directory, sizeof directory, "%s/bccd-unit-XXXXXX",
             parent == NULL ? P_tmpdir : parent);
    check(mkdtemp(directory) != NULL);
    check(tls_make_certificate(directory, NULL, 0, problem));
    check(tls_issue_client(directory, "node", "node-1", problem));
    atexit(remove_directory);
    return directory;
}

SSL_CTX *loopback_context(bool asks_clients)
{
    static struct tls_ticket_keys keys;
    char certificate[256];
    char key[256];
    char authority[256];
    char problem[TLS_PROBLEM_SIZE];
    struct tls_files files = {certificate, key, asks_clients ? authority : NULL};

    snprintf(certificate, sizeof certificate, "%s/server.pem", loopback_directory());
    snprintf(key, sizeof key, "%s/server.key", loopback_directory());
    snprintf(authority, sizeof authority, "%s/ca.pem", loopback_directory());
    SSL_CTX *context = tls_server_new(&files, &keys, problem);
    check(context != NULL);
    return context;
}

static int listen_with(struct loopback *server, SSL_CTX *context, int kind,
                       struct network_listener **listener)
{
    char problem[ADDRESS_PROBLEM_SIZE];
    int descriptor;

    check(address_listen("127.0.0.1:0", &descriptor, 1, problem));
    *listener = network_listen(server->network, descriptor, context, kind);
    SSL_CTX_free(context);
    return descriptor;
}

static int listeners[3];

static void note_drained(void *context)
{
    struct loopback *server = context;

    server->drained = true;
}

static void start_drain(evutil_socket_t descriptor, short what, void *context)
{
    struct loopback *server = context;

    (void)descriptor;
    (void)what;
    network_drain(server->network, note_drained, server);
    atomic_store(&server->draining, true);
}

void loopback_start(struct loopback *server)
{
    *server = (struct loopback){
        .limits = {.handshake_timeout = GIVE_UP_MILLISECONDS,
                   .head_timeout = GIVE_UP_MILLISECONDS,
                   .body_timeout = GIVE_UP_MILLISECONDS,
                   .write_timeout = GIVE_UP_MILLISECONDS,
                   .idle_timeout = GIVE_UP_MILLISECONDS,
                   .body_minimum_rate = 100,
                   .connections = 100,
                   .connections_address = 100,
                   .body_memory = INT64_C(256) * 1024 * 1024},
    };
    signal(SIGPIPE, SIG_IGN);
    current = server;
    server->base = event_base_new();
    check(server->base != NULL);
    server->network = network_new(server->base, &server->limits, &HANDLER);
    struct network_listener *unused;
    listeners[0] = listen_with(server, loopback_context(false), 1, &unused);
    listeners[1] = listen_with(server, NULL, 2, &unused);
    listeners[2] = listen_with(server, loopback_context(true), 3, &server->client_listener);
    server->port = address_port(listeners[0]);
    server->plain_port = address_port(listeners[1]);
    server->client_port = address_port(listeners[2]);
    server->drain_request = eventfd(0, EFD_CLOEXEC);
    server->drain_event =
        event_new(server->base, server->drain_request, EV_READ, start_drain, server);
    check(server->drain_event != NULL && event_add(server->drain_event, NULL) == 0);
}

struct run {
    struct loopback *server;
    void (*client)(struct loopback *server);
    int finished; /* eventfd */
};

static void *run_client(void *context)
{
    struct run *run = context;
    uint64_t one = 1;

    run->client(run->server);
    check(write(run->finished, &one, sizeof one) == sizeof one);
    return NULL;
}

static void on_finished(evutil_socket_t descriptor, short what, void *context)
{
    (void)descriptor;
    (void)what;
    event_base_loopbreak(context);
}

void loopback_run(struct loopback *server, void (*client)(struct loopback *server))
{
    struct run run = {server, client, eventfd(0, EFD_CLOEXEC)};
    struct event *finished =
        event_new(server->base, run.finished, EV_READ, on_finished, server->base);
    pthread_t thread;

    network_set_limits(server->network, &server->limits);
    check(finished != NULL && event_add(finished, NULL) == 0);
    check(pthread_create(&thread, NULL, run_client, &run) == 0);
    event_base_dispatch(server->base);
    check(pthread_join(thread, NULL) == 0);
    event_free(finished);
    close(run.finished);
}

bool loopback_wait(struct loopback *server, bool (*condition)(const struct loopback *server))
{
    for (int i = 0; i < GIVE_UP_MILLISECONDS && !condition(server); i++) {
        event_base_loop(server->base, EVLOOP_NONBLOCK);
        usleep(1000);
    }
    return condition(server);
}

void loopback_end(struct loopback *server)
{
    network_free(&server->network);
    for (size_t i = 0; i < sizeof listeners / sizeof *listeners; i++)
        close(listeners[i]);
    event_free(server->drain_event);
    close(server->drain_request);
    event_base_free(server->base);
    current = NULL;
}

void loopback_await(const atomic_int *counter, int least)
{
    for (int i = 0; i < GIVE_UP_MILLISECONDS && atomic_load(counter) < least; i++)
        usleep(1000);
    EXPECT(atomic_load(counter) >= least);
}

void loopback_drain(struct loopback *server)
{
    uint64_t one = 1;

    check(write(server->drain_request, &one, sizeof one) == sizeof one);
    while (!atomic_load(&server->draining))
        usleep(1000);
}

/* The raw client */

struct raw raw_connect(int port)
{
    struct raw raw = {.descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
                      .received = buffer_make(RECEIVED_LIMIT)};
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval limit = {.tv_sec = GIVE_UP_SECONDS};

    check(raw.descriptor >= 0);
    setsockopt(raw.descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    check(connect(raw.descriptor, (struct sockaddr *)&address, sizeof address) == 0);
    return raw;
}

void raw_start_tls(struct raw *raw, SSL *tls)
{
    raw->tls = tls;
    check(SSL_set_fd(tls, raw->descriptor) == 1);
    if (SSL_connect(tls) != 1)
        raw->ended = true;
    ERR_clear_error();
}

struct raw raw_open(const struct loopback *server)
{
    struct raw raw = raw_connect(server->port);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    check(context != NULL);
    SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
    raw_start_tls(&raw, SSL_new(context));
    SSL_CTX_free(context);
    return raw;
}

void raw_send_bytes(struct raw *raw, struct slice bytes)
{
    while (bytes.length > 0 && !raw->ended) {
        size_t written = 0;
        if (raw->tls != NULL) {
            if (SSL_write_ex(raw->tls, bytes.data, bytes.length, &written) != 1)
                break;
        } else {
            ssize_t sent = send(raw->descriptor, bytes.data, bytes.length, MSG_NOSIGNAL);
            if (sent <= 0)
                break;
            written = (size_t)sent;
        }
        bytes.data += written;
        bytes.length -= written;
    }
    ERR_clear_error();
}

void raw_send(struct raw *raw, const char *text)
{
    raw_send_bytes(raw, slice_of(text));
}

/* False at the end, or after an error. */
static bool receive(struct raw *raw)
{
    char data[READ_SIZE];
    size_t length = 0;

    if (raw->ended)
        return false;
    if (raw->tls != NULL) {
        int returned = SSL_read_ex(raw->tls, data, sizeof data, &length);
        raw->ended = returned != 1 && SSL_get_error(raw->tls, returned) == SSL_ERROR_ZERO_RETURN;
        ERR_clear_error();
    } else {
        ssize_t got = recv(raw->descriptor, data, sizeof data, 0);
        raw->ended = got == 0;
        length = got > 0 ? (size_t)got : 0;
    }
    buffer_append(&raw->received, data, length);
    return length > 0;
}

bool raw_expect(struct raw *raw, const char *text)
{
    while (raw_count(raw, text) == 0)
        if (!receive(raw))
            return false;
    return true;
}

bool raw_read_all(struct raw *raw)
{
    while (receive(raw))
        ;
    return raw->ended;
}

void raw_close(struct raw *raw)
{
    if (raw->tls != NULL && SSL_is_init_finished(raw->tls))
        SSL_shutdown(raw->tls); /* without it OpenSSL takes the session for a bad one */
    ERR_clear_error();
    SSL_free(raw->tls);
    close(raw->descriptor);
    buffer_free(&raw->received);
}

size_t raw_count(const struct raw *raw, const char *text)
{
    size_t length = strlen(text);
    size_t count = 0;
    struct slice rest = buffer_slice(&raw->received);

    while (rest.length >= length) {
        const char *found = memmem(rest.data, rest.length, text, length);
        if (found == NULL)
            break;
        count++;
        rest.length -= (size_t)(found - rest.data) + length;
        rest.data = found + length;
    }
    return count;
}
