#include "daemon/net/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "common/check.h"
#include "common/instant.h"
#include "common/memory.h"
#include "daemon/net/tls.h"
#include "daemon/net/transport.h"
#include "proto/http1_internal.h"

enum {
    CLIENT_MAGIC = 0x434c4e54,
    PORT_SIZE = 8,
    REQUEST_LIMIT = CLIENT_BODY_LIMIT,
    FIRST_FINAL_STATUS = 200
};

struct client {
    unsigned magic;
    char *host;
    int port;
    SSL_CTX *tls;
    struct transport transport; /* descriptor -1: not connected */
    struct buffer input;        /* read, not taken */
    int64_t deadline;           /* monotonic milliseconds, of what is under way */
    char *problem;              /* of the call under way */
    bool cut_off;               /* the connection ended where it should not */
    char scratch[TRANSPORT_READ_SIZE];
};

__attribute__((format(printf, 2, 3))) static bool fail(struct client *client, const char *format,
                                                       ...)
{
    va_list arguments;
    int length = snprintf(client->problem, CLIENT_PROBLEM_SIZE, "https://%s:%d: ", client->host,
                          client->port);

    if (length < 0 || length >= CLIENT_PROBLEM_SIZE)
        return false;
    va_start(arguments, format);
    vsnprintf(client->problem + length, CLIENT_PROBLEM_SIZE - (size_t)length, format, arguments);
    va_end(arguments);
    return false;
}

struct client *client_new(const char *host, int port, const char *authority,
                          char problem[CLIENT_PROBLEM_SIZE])
{
    SSL_CTX *tls = tls_client_new(authority, problem);
    struct client *client;

    if (tls == NULL)
        return NULL;
    client = memory_allocate(1, sizeof *client);
    client->magic = CLIENT_MAGIC;
    client->host = memory_text(host);
    client->port = port;
    client->tls = tls;
    client->transport.descriptor = -1;
    client->input = buffer_make(HTTP1_HEAD_LIMIT + TRANSPORT_READ_SIZE);
    return client;
}

static void disconnect(struct client *client)
{
    if (client->transport.descriptor >= 0)
        transport_close(&client->transport, false);
    buffer_free(&client->input);
}

bool client_use_certificate(struct client *client, const char *certificate, const char *key,
                            char problem[CLIENT_PROBLEM_SIZE])
{
    if (SSL_CTX_use_certificate_chain_file(client->tls, certificate) == 1 &&
        SSL_CTX_use_PrivateKey_file(client->tls, key, SSL_FILETYPE_PEM) == 1 &&
        SSL_CTX_check_private_key(client->tls) == 1)
        return true;
    ERR_clear_error();
    snprintf(problem, CLIENT_PROBLEM_SIZE,
             "%.400s with key %.400s cannot be used; give PEM files that belong together",
             certificate, key);
    return false;
}

void client_free(struct client **pointer)
{
    struct client *client = *pointer;

    if (client == NULL)
        return;
    check_magic(client, CLIENT_MAGIC);
    if (client->transport.descriptor >= 0)
        transport_finish(&client->transport);
    disconnect(client);
    SSL_CTX_free(client->tls);
    memory_free(client->host);
    client->magic = 0;
    memory_free(client);
    *pointer = NULL;
}

/* Waiting */

static bool await(struct client *client, short events)
{
    struct pollfd descriptor = {.fd = client->transport.descriptor, .events = events};
    int ready;

    do {
        int64_t left = client->deadline - monotonic_milliseconds();
        ready = poll(&descriptor, 1, left > 0 ? (int)left : 0);
    } while (ready < 0 && errno == EINTR);
    return ready > 0 || fail(client, "no answer in time; is the server overloaded or stopped?");
}

/* True when the transfer is to be tried again. */
static bool await_transfer(struct client *client, enum transport_result result)
{
    switch (result) {
    case TRANSPORT_WANTS_READ:
        return await(client, POLLIN);
    case TRANSPORT_WANTS_WRITE:
        return await(client, POLLOUT);
    case TRANSPORT_DONE:
    case TRANSPORT_END:
    case TRANSPORT_FAILED:
        break;
    }
    client->cut_off = true;
    return fail(client, "the connection was cut off in the middle of a request; look at the "
                        "server's log");
}

/* Connecting */

static bool connect_to(struct client *client, const struct addrinfo *address)
{
    int error = 0;
    int on = 1;
    socklen_t length = sizeof error;
    int descriptor =
        socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);

    if (descriptor < 0)
        return fail(client, "no socket: %s", strerror(errno));
    client->transport = (struct transport){.descriptor = descriptor};
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(descriptor, address->ai_addr, address->ai_addrlen) == 0)
        return true;
    if (errno != EINPROGRESS)
        error = errno;
    else if (await(client, POLLOUT))
        getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length);
    else
        error = ETIMEDOUT;
    if (error == 0)
        return true;
    disconnect(client);
    return fail(client, "cannot connect: %s; is the server running?", strerror(error));
}

static bool connect_any(struct client *client)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *addresses = NULL;
    char port[PORT_SIZE];
    bool connected = false;
    int error;

    snprintf(port, sizeof port, "%d", client->port);
    error = getaddrinfo(client->host, port, &hints, &addresses);
    if (error != 0)
        return fail(client, "cannot resolve the name: %s", gai_strerror(error));
    client->deadline = monotonic_milliseconds() + CLIENT_CONNECT_MILLISECONDS;
    for (const struct addrinfo *each = addresses; each != NULL && !connected; each = each->ai_next)
        connected = connect_to(client, each);
    freeaddrinfo(addresses);
    return connected;
}

/* The certificate must name the host: an address as an address, a name as a name. */
static void expect_host(SSL *tls, const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];

    if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1) {
        check(X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), host) == 1);
        return;
    }
    check(SSL_set1_host(tls, host) == 1);
    check(SSL_set_tlsext_host_name(tls, host) == 1);
}

static bool shake_hands(struct client *client)
{
    SSL *tls = SSL_new(client->tls);
    enum transport_result result;

    check(tls != NULL);
    client->transport.tls = tls;
    check(SSL_set_fd(tls, client->transport.descriptor) == 1);
    expect_host(tls, client->host);
    SSL_set_connect_state(tls);
    do {
        result = transport_handshake(&client->transport);
        if (result == TRANSPORT_DONE)
            return true;
    } while ((result == TRANSPORT_WANTS_READ || result == TRANSPORT_WANTS_WRITE) &&
             await_transfer(client, result));
    if (SSL_get_verify_result(tls) != X509_V_OK)
        return fail(client,
                    "the server's certificate is not trusted: %s; name its authority's "
                    "ca.pem",
                    X509_verify_cert_error_string(SSL_get_verify_result(tls)));
    if (result == TRANSPORT_FAILED || result == TRANSPORT_END)
        return fail(client, "the TLS handshake failed; is this the port of HTTPS?");
    return false;
}

static bool connected(struct client *client)
{
    if (client->transport.descriptor >= 0)
        return true;
    if (!connect_any(client))
        return false;
    if (shake_hands(client))
        return true;
    disconnect(client);
    return false;
}

/* One exchange */

static bool send_bytes(struct client *client, struct slice bytes)
{
    while (bytes.length > 0) {
        size_t written = 0;
        enum transport_result result =
            transport_write(&client->transport, bytes.data, bytes.length, &written);

        if (result != TRANSPORT_DONE && !await_transfer(client, result))
            return false;
        bytes.data += written;
        bytes.length -= written;
    }
    return true;
}

/* Reads what has come; *ended at the end of the connection, where that may be. */
static bool receive(struct client *client, struct slice *bytes, bool *ended)
{
    size_t length = 0;

    for (;;) {
        enum transport_result result =
            transport_read(&client->transport, client->scratch, sizeof client->scratch, &length);

        *bytes = (struct slice){client->scratch, length};
        if (result == TRANSPORT_DONE)
            return true;
        if (result == TRANSPORT_END && ended != NULL) {
            *ended = true;
            return true;
        }
        if (!await_transfer(client, result))
            return false;
    }
}

/* Interim answers (100 Continue) are dropped. */
static enum http1_result parse_answer(struct client *client, struct http1_answer *answer,
                                      size_t *length, struct http1_error *error)
{
    enum http1_result result;

    while ((result = http1_parse_answer(buffer_slice(&client->input), answer, length, error)) ==
               HTTP1_COMPLETE &&
           answer->status < FIRST_FINAL_STATUS)
        buffer_consume(&client->input, *length);
    return result;
}

static bool receive_head(struct client *client, struct client_answer *answer, bool *any)
{
    struct http1_error error = {0};
    enum http1_result result;
    struct slice bytes;
    size_t length = 0;

    while ((result = parse_answer(client, &answer->head, &length, &error)) == HTTP1_INCOMPLETE) {
        if (!receive(client, &bytes, NULL))
            return false;
        *any = true;
        buffer_append_slice(&client->input, bytes);
    }
    if (result == HTTP1_BAD)
        return fail(client, "no proper HTTP answer (%s); is this the right port?", error.code);
    answer->head_bytes = client->input; /* `head` points into them */
    client->input = buffer_make(answer->head_bytes.limit);
    buffer_append(&client->input, answer->head_bytes.data + length,
                  answer->head_bytes.length - length);
    return true;
}

static enum http1_result take_body(const struct http1_answer *head, struct http1_chunks *chunks,
                                   struct slice *bytes, struct buffer *body,
                                   struct http1_error *error)
{
    size_t length = bytes->length;

    if (head->chunked)
        return http1_decode_chunks(chunks, bytes, body, error);
    if (head->has_length && length > head->content_length - body->length)
        length = (size_t)(head->content_length - body->length);
    buffer_append(body, bytes->data, length);
    bytes->data += length;
    bytes->length -= length;
    return head->has_length && body->length == head->content_length ? HTTP1_COMPLETE
                                                                    : HTTP1_INCOMPLETE;
}

static bool receive_body(struct client *client, struct client_answer *answer)
{
    bool until_end = !answer->head.chunked && !answer->head.has_length;
    struct http1_chunks chunks = {0};
    struct http1_error error = {0};
    struct slice bytes = buffer_slice(&client->input);
    bool ended = false;

    for (;;) {
        enum http1_result result = take_body(&answer->head, &chunks, &bytes, &answer->body, &error);

        if (buffer_overflowed(&answer->body))
            return fail(client, "the answer is longer than %d bytes", CLIENT_BODY_LIMIT);
        switch (result) {
        case HTTP1_BAD:
            return fail(client, "no proper HTTP answer (%s)", error.code);
        case HTTP1_COMPLETE: /* what follows an answer nobody asked for */
            answer->head.keep_alive = answer->head.keep_alive && bytes.length == 0;
            buffer_free(&client->input);
            return true;
        case HTTP1_INCOMPLETE:
            break;
        }
        if (!receive(client, &bytes, until_end ? &ended : NULL))
            return false;
        if (ended)
            return true;
    }
}

static bool exchange(struct client *client, struct slice request, bool to_head,
                     struct client_answer *answer, bool *any)
{
    const struct http1_answer *head = &answer->head;
    bool bodiless;

    client->deadline = monotonic_milliseconds() + CLIENT_ANSWER_MILLISECONDS;
    if (!send_bytes(client, request) || !receive_head(client, answer, any))
        return false;
    bodiless = to_head || head->status == 204 || head->status == 304;
    if (!bodiless && !receive_body(client, answer))
        return false;
    if (!head->keep_alive || !(bodiless || head->has_length || head->chunked))
        disconnect(client);
    return true;
}

static void write_request(const struct client *client, const char *method, const char *target,
                          struct slice fields, struct slice body, struct buffer *request)
{
    bool bracketed = strchr(client->host, ':') != NULL;

    buffer_append_format(request, "%s %s HTTP/1.1\r\nHost: %s%s%s:%d\r\n", method, target,
                         bracketed ? "[" : "", client->host, bracketed ? "]" : "", client->port);
    if (body.length > 0 || strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 ||
        strcmp(method, "PATCH") == 0)
        buffer_append_format(request, "Content-Length: %zu\r\n", body.length);
    buffer_append_slice(request, fields);
    buffer_append_text(request, "\r\n");
    buffer_append_slice(request, body);
}

bool client_request(struct client *client, const char *method, const char *target,
                    struct slice fields, struct slice body, struct client_answer *answer,
                    char problem[CLIENT_PROBLEM_SIZE])
{
    check_magic(client, CLIENT_MAGIC);
    struct buffer request = buffer_make(REQUEST_LIMIT);
    bool any = false;
    bool reused;
    bool done = false;

    client->problem = problem;
    write_request(client, method, target, fields, body, &request);
    check(!buffer_overflowed(&request));
    do {
        *answer = (struct client_answer){.body = buffer_make(CLIENT_BODY_LIMIT)};
        reused = client->transport.descriptor >= 0;
        client->cut_off = false;
        done = connected(client) &&
               exchange(client, buffer_slice(&request), strcmp(method, "HEAD") == 0, answer, &any);
        if (!done) {
            client_answer_free(answer);
            disconnect(client);
        }
    } while (!done && reused && client->cut_off && !any);
    buffer_free(&request);
    return done;
}

bool client_answer_field(const struct client_answer *answer, const char *name, struct slice *value)
{
    const struct http1_field *field =
        http1_find_field(answer->head.fields, answer->head.field_count, name);

    if (field != NULL)
        *value = field->value;
    return field != NULL;
}

void client_answer_free(struct client_answer *answer)
{
    buffer_free(&answer->head_bytes);
    buffer_free(&answer->body);
}
