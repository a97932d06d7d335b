/*
 * Our own client against our own server, and against answers we would never give.
 */
#include "daemon/net/client.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/check.h"
#include "common/memory.h"
#include "daemon/net/address.h"
#include "tests/unit/loopback.h"
#include "tests/unit/unit.h"

enum { SHORT_MILLISECONDS = 1000, OVER = 20 };

static const struct slice NOTHING = {0};

static struct client *open_client(const struct loopback *server, const char *host)
{
    char authority[256];
    char problem[CLIENT_PROBLEM_SIZE];
    struct client *client;

    snprintf(authority, sizeof authority, "%s/ca.pem", loopback_directory());
    client = client_new(host, server->port, authority, problem);
    check(client != NULL);
    return client;
}

static void expect_answer(struct client *client, const char *method, const char *target,
                          struct slice body, int status, const char *expected)
{
    struct client_answer answer;
    char problem[CLIENT_PROBLEM_SIZE] = "";

    if (!client_request(client, method, target, slice_of("X-One: 1\r\n"), body, &answer, problem)) {
        unit_failed(__FILE__, __LINE__, "%s", problem);
        return;
    }
    EXPECT_NUMBER(answer.head.status, status);
    EXPECT(slice_is(buffer_slice(&answer.body), expected));
    client_answer_free(&answer);
}

static void ask_all(struct loopback *server)
{
    struct client *client = open_client(server, "localhost");
    struct client_answer answer;
    char problem[CLIENT_PROBLEM_SIZE];
    struct slice value = {0};

    expect_answer(client, "GET", "/hello", NOTHING, 200, "hello");
    expect_answer(client, "HEAD", "/hello", NOTHING, 200, "");
    expect_answer(client, "POST", "/echo", slice_of("one two"), 200, "one two");
    expect_answer(client, "GET", "/empty", NOTHING, 204, "");
    expect_answer(client, "POST", "/small", slice_of("12345678901"), 413,
                  "failed: 413 body_too_large");
    EXPECT(client_request(client, "GET", "/stream", NOTHING, NOTHING, &answer, problem));
    EXPECT_NUMBER(answer.body.length, LOOPBACK_STREAM);
    client_answer_free(&answer);
    EXPECT(client_request(client, "GET", "/hello", NOTHING, NOTHING, &answer, problem));
    EXPECT(client_answer_field(&answer, "x-test", &value) && slice_is(value, "yes"));
    EXPECT(!client_answer_field(&answer, "x-none", &value));
    client_answer_free(&answer);
    client_free(&client);
    EXPECT(client == NULL);
    client_free(&client);
}

TEST(client_asks)
{
    struct loopback server;

    loopback_start(&server);
    loopback_run(&server, ask_all);
    EXPECT_NUMBER(server.bodies, 1);
    loopback_end(&server);
}

static void let_it_idle(struct loopback *server)
{
    struct client *client = open_client(server, "127.0.0.1");

    expect_answer(client, "GET", "/hello", NOTHING, 200, "hello");
    usleep(2 * SHORT_MILLISECONDS * 1000);
    expect_answer(client, "GET", "/hello", NOTHING, 200, "hello");
    client_free(&client);
}

TEST(client_connects_again)
{
    struct loopback server;

    loopback_start(&server);
    server.limits.idle_timeout = SHORT_MILLISECONDS;
    loopback_run(&server, let_it_idle);
    loopback_end(&server);
}

static void expect_problem(struct client *client, const char *target, const char *expected)
{
    struct client_answer answer;
    char problem[CLIENT_PROBLEM_SIZE] = "";

    EXPECT(!client_request(client, "GET", target, NOTHING, NOTHING, &answer, problem));
    if (strstr(problem, expected) == NULL)
        unit_failed(__FILE__, __LINE__, "\"%s\" lacks \"%s\"", problem, expected);
    client_answer_free(&answer);
    client_free(&client);
}

static void meet_problems(struct loopback *server)
{
    struct loopback elsewhere = {.port = server->plain_port};
    char problem[CLIENT_PROBLEM_SIZE];

    expect_problem(open_client(server, "localhost"), "/abort", "cut off in the middle");
    expect_problem(open_client(server, "0.0.0.0"), "/hello", "certificate is not trusted");
    expect_problem(open_client(&elsewhere, "localhost"), "/hello", "is this the port of HTTPS?");
    elsewhere.port = 1;
    expect_problem(open_client(&elsewhere, "127.0.0.1"), "/hello", "is the server running?");
    expect_problem(client_new("localhost", server->port, NULL, problem), "/hello",
                   "certificate is not trusted");
    EXPECT(client_new("localhost", 1, "/nonexistent.pem", problem) == NULL);
    EXPECT(strstr(problem, "/nonexistent.pem: No such file") != NULL);
}

TEST(client_names_problems)
{
    struct loopback server;

    loopback_start(&server);
    loopback_run(&server, meet_problems);
    loopback_end(&server);
}

/* One body that goes past the limit and ends in the same record. */
static void *answer_too_long(void *context)
{
    const int *listener = context;
    struct raw raw = {.descriptor = accept(*listener, NULL, NULL)};
    SSL_CTX *tls = loopback_context(false);
    char *body = memory_allocate(CLIENT_BODY_LIMIT, 1), head[128], request[1024];

    memset(body, 'x', CLIENT_BODY_LIMIT);
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n",
             (unsigned)CLIENT_BODY_LIMIT + OVER);
    raw.tls = SSL_new(tls);
    check(SSL_set_fd(raw.tls, raw.descriptor) == 1 && SSL_accept(raw.tls) == 1);
    EXPECT(SSL_read(raw.tls, request, sizeof request) > 0);
    raw_send(&raw, head);
    raw_send_bytes(&raw, (struct slice){body, CLIENT_BODY_LIMIT - OVER});
    memcpy(body + 2 * OVER, "\r\n0\r\n\r\n", 7);
    raw_send_bytes(&raw, (struct slice){body, 2 * OVER + 7});
    raw_close(&raw);
    SSL_CTX_free(tls);
    memory_free(body);
    return NULL;
}

/* It was cut, and taken for whole. */
TEST(bug_0035_no_answer_is_cut_in_silence)
{
    char problem[ADDRESS_PROBLEM_SIZE];
    struct loopback server = {.port = 0};
    int listener;
    pthread_t thread;

    check(address_listen("127.0.0.1:0", &listener, 1, problem));
    check(fcntl(listener, F_SETFL, 0) == 0);
    server.port = address_port(listener);
    check(pthread_create(&thread, NULL, answer_too_long, &listener) == 0);
    expect_problem(open_client(&server, "localhost"), "/", "the answer is longer than");
    check(pthread_join(thread, NULL) == 0);
    close(listener);
}
