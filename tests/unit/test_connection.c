/*
 * The connection layer over real TLS on loopback. Clients run in a thread; what they EXPECT is
 * noted like any other.
 */
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "common/check.h"
#include "common/instant.h"
#include "common/memory.h"
#include "tests/unit/loopback.h"
#include "tests/unit/unit.h"

enum {
    PIPELINED = 300,
    TINY_MILLISECONDS = 200,
    LARGE_BODY = 3 * 1024 * 1024,
    TRIES = 500,
    WAITING = 40
};

static void serve(void (*client)(struct loopback *server))
{
    struct loopback server;

    loopback_start(&server);
    loopback_run(&server, client);
    loopback_end(&server);
}

/* Sends, reads to the end, and expects the text to come. */
static void exchange(struct loopback *server, const char *text, const char *expected)
{
    struct raw raw = raw_open(server);

    raw_send(&raw, text);
    EXPECT(raw_read_all(&raw));
    if (raw_count(&raw, expected) != 1)
        unit_failed(__FILE__, __LINE__, "expected \"%s\" in \"%.300s\"", expected,
                    raw.received.length == 0 ? "" : raw.received.data);
    raw_close(&raw);
}

/* Keep-alive and pipelining */

static void ask_twice(struct loopback *server)
{
    struct raw raw = raw_open(server);

    raw_send(&raw, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT(raw_expect(&raw, "\r\n\r\nhello"));
    EXPECT(raw_count(&raw, "HTTP/1.1 200 OK\r\nDate: ") == 1);
    EXPECT(raw_count(&raw, " GMT\r\nContent-Length: 5\r\nX-Test: yes\r\n\r\n") == 1);
    raw_send(&raw, "GET /later HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    EXPECT(raw_read_all(&raw));
    EXPECT_NUMBER(raw_count(&raw, "hello"), 2);
    EXPECT_NUMBER(raw_count(&raw, "Connection: close\r\n"), 1);
    raw_close(&raw);
}

TEST(connection_keeps_alive)
{
    serve(ask_twice);
}

static void ask_many(struct loopback *server)
{
    struct raw raw = raw_open(server);
    struct buffer text = buffer_make(65536);

    for (int i = 0; i < PIPELINED; i++)
        buffer_append_format(&text, "POST /%s HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n%06d",
                             i == 100 ? "later" : "echo", i);
    buffer_append_text(&text, "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    raw_send(&raw, text.data);
    EXPECT(raw_read_all(&raw));
    EXPECT_NUMBER(raw_count(&raw, "HTTP/1.1 200 OK"), 101); /* /later did not read its body */
    EXPECT_NUMBER(raw_count(&raw, "000099"), 1);
    raw_close(&raw);
    raw = raw_open(server);
    buffer_free(&text);
    for (int i = 0; i < PIPELINED; i++)
        buffer_append_format(&text,
                             "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n%06d", i);
    raw_send(&raw, text.data);
    EXPECT(raw_expect(&raw, "000299"));
    EXPECT_NUMBER(raw_count(&raw, "HTTP/1.1 200 OK"), PIPELINED);
    EXPECT_NUMBER(raw_count(&raw, "000000"), 1);
    raw_close(&raw);
    buffer_free(&text);
}

TEST(connection_serves_pipelined_requests)
{
    serve(ask_many);
}

static void ask_slowly(struct loopback *server)
{
    static const char TEXT[] =
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
        "Connection: close\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n";
    struct raw raw = raw_open(server);

    for (size_t i = 0; i < sizeof TEXT - 1; i++)
        raw_send_bytes(&raw, (struct slice){TEXT + i, 1});
    EXPECT(raw_read_all(&raw));
    EXPECT(raw_count(&raw, "\r\n\r\nhello world") == 1);
    raw_close(&raw);
}

TEST(connection_takes_a_request_byte_by_byte)
{
    serve(ask_slowly);
}

/* Bodies */

static void send_bodies(struct loopback *server)
{
    exchange(server,
             "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
             "3\r\nabc\r\n0\r\n\r\n"
             "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
             "Content-Length: 3\r\n\r\nabcHTTP/1.1 200 OK");
    exchange(server, "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n",
             "failed: 413 body_too_large");
    exchange(server,
             "POST /small HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
             "b\r\n0123456789a\r\n",
             "failed: 413 body_too_large");
    exchange(server,
             "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nConnection: close\r\n\r\n"
             "0123456789",
             "\r\n\r\n0123456789");
    exchange(server,
             "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n",
             "failed: 400 chunk_framing");
    /* A body nobody read is never taken for a request. */
    exchange(server,
             "POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 35\r\n\r\n"
             "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n",
             "HTTP/1.1 200");
}

TEST(connection_reads_bodies)
{
    struct loopback server;

    loopback_start(&server);
    loopback_run(&server, send_bodies);
    EXPECT_NUMBER(server.bodies, 3);
    EXPECT_NUMBER(server.closed, 3); /* refused while the handler waited for a body */
    loopback_end(&server);
}

static void send_large_body(struct loopback *server)
{
    struct raw raw = raw_open(server);
    char *body = memory_allocate(LARGE_BODY, 1);

    memset(body, 'x', LARGE_BODY);
    raw_send(&raw, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3145728\r\n"
                   "Connection: close\r\n\r\n");
    raw_send_bytes(&raw, (struct slice){body, LARGE_BODY});
    EXPECT(raw_read_all(&raw));
    EXPECT(raw.received.length > LARGE_BODY);
    EXPECT(raw.received.length < LARGE_BODY ||
           memcmp(raw.received.data + raw.received.length - LARGE_BODY, body, LARGE_BODY) == 0);
    raw_close(&raw);
    memory_free(body);
}

TEST(connection_echoes_a_large_body)
{
    serve(send_large_body);
}

static void expect_continue(struct loopback *server)
{
    struct raw raw = raw_open(server);

    raw_send(&raw, "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                   "Content-Length: 5\r\nConnection: close\r\n\r\n");
    EXPECT(raw_expect(&raw, "HTTP/1.1 100 Continue\r\n\r\n"));
    EXPECT_NUMBER(raw_count(&raw, "HTTP/1.1"), 1);
    raw_send(&raw, "hello");
    EXPECT(raw_read_all(&raw));
    EXPECT(raw_count(&raw, "\r\n\r\nhello") == 1);
    raw_close(&raw);
    /* Whoever refuses does not ask for the body first. */
    raw = raw_open(server);
    raw_send(&raw, "POST /small HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                   "Content-Length: 5000\r\n\r\n");
    EXPECT(raw_read_all(&raw));
    EXPECT(raw_count(&raw, "HTTP/1.1") == 1 && raw_count(&raw, "HTTP/1.1 413") == 1);
    raw_close(&raw);
    raw = raw_open(server);
    raw_send(&raw, "POST /hello HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                   "Content-Length: 5000\r\n\r\n");
    EXPECT(raw_read_all(&raw));
    EXPECT(raw_count(&raw, "HTTP/1.1") == 1 && raw_count(&raw, "HTTP/1.1 200") == 1);
    raw_close(&raw);
}

TEST(connection_asks_to_continue)
{
    serve(expect_continue);
}

static void hang_up(struct loopback *server)
{
    struct raw raw = raw_open(server);

    raw_send(&raw, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel");
    loopback_await(&server->heads, 1);
    raw_close(&raw);
}

static bool nobody_there(const struct loopback *server)
{
    return network_connections(server->network) == 0;
}

TEST(connection_tells_when_the_client_is_gone)
{
    struct loopback server;

    loopback_start(&server);
    loopback_run(&server, hang_up);
    EXPECT(loopback_wait(&server, nobody_there));
    EXPECT_NUMBER(server.closed, 1);
    EXPECT_NUMBER(server.bodies, 0);
    EXPECT(connection_find(server.network, server.last_number) == NULL);
    loopback_end(&server);
}

/* Answers */

static void ask_without_bodies(struct loopback *server)
{
    struct raw raw = raw_open(server);

    raw_send(&raw, "HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n"
                   "HEAD /constant HTTP/1.1\r\nHost: a\r\n\r\n"
                   "HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n"
                   "GET /empty HTTP/1.1\r\nHost: a\r\n\r\n"
                   "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    EXPECT(raw_read_all(&raw));
    EXPECT_NUMBER(raw_count(&raw, "HTTP/1.1 2"), 5);
    EXPECT_NUMBER(raw_count(&raw, "hello"), 1);
    EXPECT_NUMBER(raw_count(&raw, "Content-Length"), 4);
    EXPECT_NUMBER(raw_count(&raw, "Content-Length: 4194304\r\n\r\nHTTP/1.1 200 OK"), 1);
    EXPECT_NUMBER(raw_count(&raw, "Content-Length: 16777216\r\n\r\nHTTP/1.1 204 No Content"), 1);
    raw_close(&raw);
}

TEST(connection_answers_without_body)
{
    serve(ask_without_bodies);
}

static void read_much(struct loopback *server)
{
    struct raw raw = raw_open(server);
    size_t start;

    raw_send(&raw, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n"
                   "GET /stream HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    usleep(100000); /* the server has to wait for us */
    EXPECT(raw_read_all(&raw));
    EXPECT(raw.received.length > LOOPBACK_BIG + LOOPBACK_STREAM);
    EXPECT_NUMBER(raw_count(&raw, "HTTP/1.1 200"), 2);
    start = raw.received.length - LOOPBACK_STREAM;
    for (size_t i = 0; i < LOOPBACK_STREAM; i += LOOPBACK_PIECE)
        EXPECT(raw.received.data[start + i] == (char)('a' + i / LOOPBACK_PIECE % 26));
    raw_close(&raw);
}

TEST(connection_answers_at_length)
{
    serve(read_much);
}

static void read_constant(struct loopback *server)
{
    struct raw raw = raw_open(server);
    size_t start;

    raw_send(&raw, "GET /constant HTTP/1.1\r\nHost: a\r\n\r\n"
                   "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
                   "GET /constant HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    usleep(100000);
    EXPECT(raw_read_all(&raw));
    EXPECT_NUMBER(raw_count(&raw, "HTTP/1.1 200"), 3);
    EXPECT_NUMBER(raw_count(&raw, "hello"), 1);
    EXPECT(raw.received.length > 2 * LOOPBACK_BIG);
    start = raw.received.length - LOOPBACK_BIG;
    for (size_t i = 0; i < LOOPBACK_BIG; i++)
        if (raw.received.data[start + i] != (char)('a' + i % 26)) {
            unit_failed(__FILE__, __LINE__, "byte %zu is another", i);
            break;
        }
    raw_close(&raw);
}

/* However much it is, it takes no memory. */
TEST(connection_answers_with_constant_bytes)
{
    struct loopback server;

    loopback_start(&server);
    server.limits.body_memory = 1000;
    loopback_run(&server, read_constant);
    loopback_end(&server);
}

static void read_aborted(struct loopback *server)
{
    struct raw raw = raw_open(server);

    raw_send(&raw, "GET /abort HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT(!raw_read_all(&raw)); /* a reset, no orderly end */
    raw_close(&raw);
}

TEST(connection_aborts)
{
    struct loopback server;

    loopback_start(&server);
    loopback_run(&server, read_aborted);
    EXPECT(loopback_wait(&server, nobody_there));
    EXPECT_NUMBER(server.closed, 0);
    loopback_end(&server);
}

/* Deadlines */

static void never_shake_hands(struct loopback *server)
{
    struct raw raw = raw_connect(server->port);

    EXPECT(raw_read_all(&raw) && raw.received.length == 0);
    raw_close(&raw);
}

static void never_ask(struct loopback *server)
{
    struct raw raw = raw_open(server);

    EXPECT(raw_read_all(&raw) && raw.received.length == 0);
    raw_close(&raw);
}

static void ask_half(struct loopback *server)
{
    int64_t start = monotonic_milliseconds();

    exchange(server, "GET /hello HTTP/1.1\r\nHost:", "failed: 408 head_timeout");
    EXPECT(monotonic_milliseconds() - start >= TINY_MILLISECONDS);
}

static void send_half(struct loopback *server)
{
    int64_t start = monotonic_milliseconds();

    exchange(server, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel",
             "failed: 408 body_timeout");
    EXPECT(monotonic_milliseconds() - start >= TINY_MILLISECONDS);
}

/* One limit is tiny at a time, so that no other is met on a slow machine. */
static void meet_deadline(void (*client)(struct loopback *server), size_t limit)
{
    struct loopback server;

    loopback_start(&server);
    *(int64_t *)((char *)&server.limits + limit) = TINY_MILLISECONDS;
    loopback_run(&server, client);
    loopback_end(&server);
}

TEST(connection_deadlines)
{
    meet_deadline(never_shake_hands, offsetof(struct network_limits, handshake_timeout));
    meet_deadline(never_ask, offsetof(struct network_limits, idle_timeout));
    meet_deadline(ask_half, offsetof(struct network_limits, head_timeout));
    meet_deadline(send_half, offsetof(struct network_limits, body_timeout));
}

/* A byte now and then does not put the deadline off. */
static void trickle(struct loopback *server)
{
    struct raw raw = raw_open(server);
    int64_t start = monotonic_milliseconds();

    raw_send(&raw, "GET /hello HTTP/1.1\r\nHost: a\r\nX: ");
    while (monotonic_milliseconds() - start < 2 * TINY_MILLISECONDS) {
        raw_send(&raw, "x");
        usleep(20000);
    }
    EXPECT(raw_read_all(&raw));
    EXPECT(raw_count(&raw, "failed: 408 head_timeout") == 1);
    raw_close(&raw);
}

TEST(connection_deadlines_are_absolute)
{
    meet_deadline(trickle, offsetof(struct network_limits, head_timeout));
}

static void never_read(struct loopback *server)
{
    struct raw raw = raw_open(server);

    raw_send(&raw, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
    loopback_await(&server->closed, 1);
    EXPECT(!raw_read_all(&raw));
    EXPECT(raw.received.length < LOOPBACK_STREAM);
    raw_close(&raw);
}

TEST(connection_write_deadline)
{
    struct loopback server;

    loopback_start(&server);
    server.limits.write_timeout = TINY_MILLISECONDS;
    loopback_run(&server, never_read);
    EXPECT_NUMBER(server.closed, 1);
    loopback_end(&server);
}

/* Fifty bytes a second, where a hundred are asked for after the first five seconds. */
static void send_body_slowly(struct loopback *server)
{
    struct raw raw = raw_open(server);
    int64_t start = monotonic_milliseconds();

    raw_send(&raw, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
    while (monotonic_milliseconds() - start < 5500) {
        raw_send(&raw, "xxxxx");
        usleep(100000);
    }
    EXPECT(raw_read_all(&raw));
    EXPECT(raw_count(&raw, "failed: 408 body_timeout") == 1);
    raw_close(&raw);
}

TEST(connection_minimum_rate)
{
    serve(send_body_slowly);
}

/* Caps */

static void crowd(struct loopback *server)
{
    struct raw first = raw_open(server);
    struct raw second = raw_open(server);
    struct raw third;

    raw_send(&first, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT(raw_expect(&first, "hello"));
    third = raw_connect(server->port);
    EXPECT(raw_read_all(&third) && third.received.length == 0);
    raw_close(&third);
    raw_close(&second);
    bool served = false;
    for (int i = 0; i < TRIES && !served; i++) { /* there is a place again, in a moment */
        usleep(20000);
        third = raw_open(server);
        raw_send(&third, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
        served = raw_expect(&third, "hello");
        raw_close(&third);
    }
    EXPECT(served);
    raw_close(&first);
}

TEST(connection_cap)
{
    struct loopback server;

    loopback_start(&server);
    server.limits.connections = 2;
    loopback_run(&server, crowd);
    loopback_end(&server);
}

TEST(connection_cap_of_one_address)
{
    struct loopback server;

    loopback_start(&server);
    server.limits.connections_address = 2;
    loopback_run(&server, crowd);
    loopback_end(&server);
}

static void fill_memory(struct loopback *server)
{
    struct raw raw = raw_open(server);
    char *body = memory_allocate(LARGE_BODY, 1);

    memset(body, 'x', LARGE_BODY);
    raw_send(&raw, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3145728\r\n\r\n");
    raw_send_bytes(&raw, (struct slice){body, LARGE_BODY / 2}); /* the rest never comes */
    raw_read_all(&raw);
    EXPECT_NUMBER(raw_count(&raw, "failed: 503 overloaded"), 1);
    EXPECT_NUMBER(raw_count(&raw, "Retry-After: "), 1);
    raw_close(&raw);
    memory_free(body);
    exchange(server, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n", "failed: 503 overloaded");
    exchange(server, "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "hello");
}

TEST(connection_cap_of_memory)
{
    struct loopback server;

    loopback_start(&server);
    server.limits.body_memory = 1024 * 1024;
    loopback_run(&server, fill_memory);
    loopback_end(&server);
}

/* Lowers the limit of descriptors to one more than are open; gives back the limit before. */
static struct rlimit limit_descriptors(void)
{
    struct rlimit before;
    struct rlimit lowered;
    int next = dup(STDOUT_FILENO);

    check(next >= 0 && getrlimit(RLIMIT_NOFILE, &before) == 0);
    close(next);
    lowered = before;
    lowered.rlim_cur = (rlim_t)next + 1;
    check(setrlimit(RLIMIT_NOFILE, &lowered) == 0);
    return before;
}

static int64_t cpu_milliseconds(void)
{
    struct timespec used;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (int64_t)used.tv_sec * 1000 + used.tv_nsec / 1000000;
}

static void wait_for_descriptors(struct loopback *server)
{
    struct raw served = raw_connect(server->plain_port);
    struct raw waiting;
    struct rlimit before;
    int64_t used;

    raw_send(&served, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT(raw_expect(&served, "hello"));
    before = limit_descriptors();
    waiting = raw_connect(server->plain_port); /* takes the last one */
    used = cpu_milliseconds();
    raw_send(&waiting, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    usleep(400000);
    EXPECT(cpu_milliseconds() - used < 100);
    raw_send(&served, "GET /empty HTTP/1.1\r\nHost: a\r\n\r\n"); /* who is there is served */
    EXPECT(raw_expect(&served, "204 No Content"));
    check(setrlimit(RLIMIT_NOFILE, &before) == 0);
    EXPECT(raw_expect(&waiting, "hello"));
    raw_close(&waiting);
    raw_close(&served);
}

TEST(connection_out_of_descriptors)
{
    serve(wait_for_descriptors);
}

/* Draining */

static void drain_all(struct loopback *server)
{
    struct raw idle = raw_open(server);
    struct raw busy = raw_open(server);
    struct raw fresh = raw_open(server);
    struct raw silent = raw_open(server);

    raw_send(&idle, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT(raw_expect(&idle, "hello"));
    raw_send(&busy, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel");
    loopback_await(&server->heads, 2);
    loopback_drain(server);
    raw_send(&fresh, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"); /* it has but a moment */
    EXPECT(raw_read_all(&idle));
    raw_send(&busy, "lo");
    EXPECT(raw_read_all(&busy));
    EXPECT(raw_count(&busy, "Connection: close\r\n") == 1 && raw_count(&busy, "hello") == 1);
    EXPECT(raw_read_all(&fresh));
    EXPECT(raw_count(&fresh, "Connection: close\r\n") == 1);
    EXPECT(raw_read_all(&silent) && silent.received.length == 0);
    raw_close(&idle);
    raw_close(&busy);
    raw_close(&fresh);
    raw_close(&silent);
}

static bool is_drained(const struct loopback *server)
{
    return server->drained;
}

TEST(connection_drains)
{
    struct loopback server;

    loopback_start(&server);
    loopback_run(&server, drain_all);
    EXPECT(loopback_wait(&server, is_drained));
    EXPECT_NUMBER(network_connections(server.network), 0);
    EXPECT_NUMBER(server.closed, 0);
    loopback_end(&server);
}

static struct raw waiting[WAITING];

static void read_waiting(struct loopback *server)
{
    (void)server;
    for (size_t i = 0; i < WAITING; i++) {
        EXPECT(raw_read_all(&waiting[i]));
        EXPECT(raw_count(&waiting[i], "hello") == 1);
        raw_close(&waiting[i]);
    }
}

static void note_drained(void *context)
{
    *(bool *)context = true;
}

/* Of a burst that waited to be accepted, the drain took sixteen and forgot the others. */
TEST(bug_0034_a_drain_accepts_all_who_wait)
{
    struct loopback server;
    bool drained = false;

    loopback_start(&server);
    for (size_t i = 0; i < WAITING; i++) {
        waiting[i] = raw_connect(server.plain_port);
        raw_send(&waiting[i], "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    network_drain(server.network, note_drained, &drained);
    EXPECT_NUMBER(network_connections(server.network), WAITING);
    if (network_connections(server.network) == WAITING)
        loopback_run(&server, read_waiting);
    loopback_end(&server);
}

static void leave_open(struct loopback *server)
{
    struct raw raw = raw_open(server);

    raw_send(&raw, "GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
    loopback_await(&server->heads, 1);
    raw_close(&raw);
}

TEST(connection_network_ends_with_exchanges_under_way)
{
    struct loopback server;

    loopback_start(&server);
    loopback_run(&server, leave_open);
    EXPECT_NUMBER(network_connections(server.network), 1);
    loopback_end(&server);
    EXPECT_NUMBER(server.closed, 1);
}

/* Hostile bytes */

static void send_vectors(struct loopback *server)
{
    json_t *vectors = json_load_file(unit_data_path("smuggling.json"), JSON_ALLOW_NUL, NULL);
    size_t index;
    json_t *vector;

    EXPECT(json_array_size(vectors) > 0);
    json_array_foreach(vectors, index, vector)
    {
        struct raw raw = raw_open(server);
        const json_t *bytes = json_object_get(vector, "bytes");
        const json_t *status = json_object_get(vector, "status");
        char expected[32] = "HTTP/1.1 ";

        if (json_is_integer(status))
            snprintf(expected, sizeof expected, "HTTP/1.1 %d ", (int)json_integer_value(status));
        /* Bytes above 0x7f go as UTF-8, which is as bad where they are not allowed. */
        raw_send_bytes(&raw, (struct slice){json_string_value(bytes), json_string_length(bytes)});
        if (!raw_read_all(&raw) || raw_count(&raw, expected) != 1 ||
            raw_count(&raw, "HTTP/1.1 ") != 1)
            unit_failed(__FILE__, __LINE__, "%s: %.100s",
                        json_string_value(json_object_get(vector, "name")),
                        raw.received.length == 0 ? "" : raw.received.data);
        raw_close(&raw);
    }
    json_decref(vectors);
}

TEST(connection_smuggling_vectors)
{
    serve(send_vectors);
}

static void send_garbage(struct loopback *server)
{
    for (int i = 0; i < 50; i++) {
        struct raw raw = raw_connect(i % 2 == 0 ? server->port : server->plain_port);
        char garbage[512];

        for (size_t k = 0; k < sizeof garbage; k++)
            garbage[k] = (char)unit_random_below(256);
        if (i % 4 == 0)
            memcpy(garbage, "\x16\x03\x01\x01\xfb\x01", 6); /* like a ClientHello */
        raw_send_bytes(&raw, (struct slice){garbage, sizeof garbage});
        shutdown(raw.descriptor, SHUT_WR);
        raw_read_all(&raw);
        raw_close(&raw);
    }
    exchange(server, "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "hello");
}

TEST(connection_survives_garbage)
{
    serve(send_garbage);
}

static void ask_plainly(struct loopback *server)
{
    struct raw raw = raw_connect(server->plain_port);

    raw_send(&raw, "GET /hello HTTP/1.0\r\n\r\n");
    EXPECT(raw_read_all(&raw));
    EXPECT(raw_count(&raw, "Connection: close\r\n") == 1 && raw_count(&raw, "hello") == 1);
    raw_close(&raw);
}

TEST(connection_plain)
{
    serve(ask_plainly);
}
