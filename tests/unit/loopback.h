/*
 * A server of the connection layer on loopback, with an event loop in the calling thread, and a raw
 * client in a thread of its own. The handler answers by path:
 *   /hello        "hello"                   /later   the same, 5 ms later, found by number
 *   /echo         the request's body        /small   the same, 10 bytes at most
 *   /empty        204                       /name    the client certificate's common name
 *   /big          BIG bytes at once         /stream  STREAM bytes in pieces
 *   /abort        10 bytes of 1000          /never   nothing
 *   /constant     BIG bytes that stay
 *   any other     "ok"
 */
#ifndef TESTS_UNIT_LOOPBACK_H
#define TESTS_UNIT_LOOPBACK_H

#include <stdatomic.h>

#include <openssl/ssl.h>

#include "common/buffer.h"
#include "daemon/net/connection.h"

enum {
    LOOPBACK_BIG = 4 * 1024 * 1024,
    LOOPBACK_STREAM = 16 * 1024 * 1024,
    LOOPBACK_PIECE = 64 * 1024,
};

struct loopback {
    struct event_base *base;
    struct network *network;
    struct network_limits limits; /* change before loopback_run */
    int port;                     /* of TLS */
    int plain_port;
    int client_port; /* of TLS with client certificates */
    struct network_listener *client_listener;
    atomic_int heads;  /* of requests that the handler was given */
    atomic_int closed; /* how often the handler was told so */
    int bodies;
    int drain_request; /* eventfd */
    struct event *drain_event;
    atomic_bool draining;
    bool drained;
    uint64_t last_number; /* of the last head's connection */
};

/* A directory with ca.pem, server.pem and node.pem (common name "node-1"), made once. */
const char *loopback_directory(void);

/* The server's context, for listeners of a test's own; the caller frees it. */
SSL_CTX *loopback_context(bool asks_clients);

void loopback_start(struct loopback *server);

/* Runs `client` in a thread and the event loop until it returns. */
void loopback_run(struct loopback *server, void (*client)(struct loopback *server));

/* Runs the event loop, with no client, until `condition` holds or a minute has passed. */
bool loopback_wait(struct loopback *server, bool (*condition)(const struct loopback *server));
void loopback_end(struct loopback *server);

/* Waits, in the client's thread, until a counter of the server is there. */
void loopback_await(const atomic_int *counter, int least);

/* Asks the event loop, from the client's thread, to drain, and waits until it began to. */
void loopback_drain(struct loopback *server);

/* The raw client. Reading gives up after a minute. */
struct raw {
    int descriptor;
    SSL *tls; /* NULL on a plain port */
    struct buffer received;
    bool ended; /* the other side has closed in order */
};

struct raw raw_connect(int port);                   /* TCP only */
void raw_start_tls(struct raw *raw, SSL *tls);      /* takes over `tls` */
struct raw raw_open(const struct loopback *server); /* TCP and TLS */
void raw_send(struct raw *raw, const char *text);
void raw_send_bytes(struct raw *raw, struct slice bytes);

/* Reads until what was received contains `text`; false when it never does. */
bool raw_expect(struct raw *raw, const char *text);

/* Reads to the end; true when the end came. */
bool raw_read_all(struct raw *raw);
void raw_close(struct raw *raw);

/* How often `text` occurs. */
size_t raw_count(const struct raw *raw, const char *text);

#endif
