/*
 * One client connection: bytes in, requests out, answers back. It speaks HTTP/1.1 over TLS (over
 * plain TCP on the metrics listener), one request at a time, and knows nothing of operations.
 *
 * Invariants
 * - A connection is in one state (enum connection_state), changed by one function; each state has
 *   one absolute deadline: handshake, idle, head, wait (none: the other side's deadlines bound it),
 *   body, write (of one answer, or of one piece of a long one), linger.
 * - From `head` until the handler gave the whole answer, the handler owes it: one exchange is under
 *   way. What the client sends meanwhile stays in the kernel beyond one read.
 * - Across an asynchronous gap a connection is named by its number (connection_find); it may be
 *   gone when the answer comes, and then there is nothing to do.
 * - Any framing error is answered (where an answer can be framed) and closes.
 * - No function of this header calls the handler, and none frees a connection, before it returns:
 *   both happen from the event loop. (Aside: network_free, and `failed`, which only renders.)
 * - The process ignores SIGPIPE.
 */
#ifndef DAEMON_NET_CONNECTION_H
#define DAEMON_NET_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include <event2/event.h>
#include <openssl/ssl.h>

#include "common/buffer.h"
#include "proto/http1.h"

enum { CONNECTION_FAILED_BODY_LIMIT = 4096 };

struct connection;
struct network; /* what the connections of one process share */

/* Milliseconds and bytes; every field comes from an option of the same name. */
struct network_limits {
    int64_t handshake_timeout, head_timeout, body_timeout, write_timeout, idle_timeout;
    int64_t body_minimum_rate;   /* bytes a second, measured after the first 5 seconds */
    int64_t connections;         /* in this process */
    int64_t connections_address; /* from one address, in this process */
    int64_t body_memory;         /* bytes of all bodies and answers held at once in this process */
};

/* What the layer above is told. `listener_kind` is that given to network_listen. Slices are valid
 * during the call only, except that the head stays valid until the answer was begun. */
struct network_handler {
    /* A request's head has come and is well framed. The handler answers now or later with
     * connection_answer, or asks for the body first with connection_read_body. */
    void (*head)(struct connection *connection, const struct http1_head *head);
    /* The whole body, after connection_read_body. Ownership of the bytes passes to the handler, who
     * copies the struct and frees it later, or frees it at once. */
    void (*body)(struct connection *connection, struct buffer *body);
    /* What was written with connection_write has left and the answer is not complete yet: more
     * may be written. */
    void (*drained)(struct connection *connection);
    /* The handler owes an answer no more: the connection is gone, or its body could not be read
     * (which `failed` answers). Its number finds nothing from now on. */
    void (*closed)(struct connection *connection);
    /* A request that could not be framed or read (400, 408, 413, 414, 417, 431, 501, 503, 505): the
     * handler renders the answer's body into `body` (CONNECTION_FAILED_BODY_LIMIT bytes at most)
     * and its content type. The connection closes after it. */
    void (*failed)(int status, const char *code, struct buffer *fields, struct buffer *body);
};

/* `handler` is kept as a pointer. */
struct network *network_new(struct event_base *base, const struct network_limits *limits,
                            const struct network_handler *handler);
void network_free(struct network **network); /* closes every connection */

/* Takes connections from a listening socket, which stays the caller's. `tls` NULL means plain TCP;
 * a reference is kept. `kind` is handed on by connection_listener. */
struct network_listener *network_listen(struct network *network, int descriptor, SSL_CTX *tls,
                                        int kind);

/* New connections use the new context; those there are keep theirs. */
void network_listener_set_tls(struct network_listener *listener, SSL_CTX *tls);
void network_set_limits(struct network *network, const struct network_limits *limits);

/* Accepts who waits for it, and then nobody; closes idle connections, and says "Connection: close"
 * on every further answer. `drained` is called from the event loop once none is left; it may free
 * the network. */
void network_drain(struct network *network, void (*drained)(void *context), void *context);

size_t network_connections(const struct network *network);

/* The number names the connection for its whole life; one that is owed no answer is not found. */
uint64_t connection_number(const struct connection *connection);
struct connection *connection_find(struct network *network, uint64_t number); /* NULL when gone */
int connection_listener(const struct connection *connection);
const char *connection_address(const struct connection *connection);  /* "192.0.2.1", no port */
uint64_t connection_address_key(const struct connection *connection); /* address_key of it */

/* The verified client certificate's common name, or NULL. Owned by the connection. */
const char *connection_certificate_name(const struct connection *connection);

/* A place for the layer above: its exchange's number, 0 when a head comes. */
uint64_t connection_exchange(const struct connection *connection);
void connection_set_exchange(struct connection *connection, uint64_t exchange);

/* Reads the body, at most `limit` bytes (413 through `failed` beyond it), sending 100 Continue
 * where the client waits for it; then `body` is called, with an empty one where the request has
 * none. Once an exchange at most. */
void connection_read_body(struct connection *connection, size_t limit);

/* Counts `bytes` of the exchange under way as held in place of what was counted, which are its body
 * or its answer; false when all that the process holds is more than body_memory. */
bool connection_hold(struct connection *connection, uint64_t bytes);

/* The answer to the request under way: status, header fields "Name: value\r\n" each, body. Date,
 * Content-Length and Connection are added here; a HEAD, 204 or 304 sends no body. A request body
 * that was not read closes the connection after the answer. When no memory is left for the answer
 * (body_memory), `failed` renders a 503 instead. */
void connection_answer(struct connection *connection, int status, struct slice fields,
                       struct slice body);

/* The same with a body that outlives the process's connections, such as bytes of the program: it is
 * sent from where it stands, and takes no memory. */
void connection_answer_constant(struct connection *connection, int status, struct slice fields,
                                struct slice body);

/* A long answer in pieces: begin with its whole length, then write until it is complete; wait for
 * `drained` after each piece. The pieces of an answer to HEAD are dropped. */
void connection_answer_begin(struct connection *connection, int status, struct slice fields,
                             uint64_t length);
void connection_write(struct connection *connection, struct slice bytes);

/* Cuts the connection off in the middle of a long answer that cannot be completed; `closed` is not
 * called. */
void connection_abort(struct connection *connection);

#endif
