/*
 * A blocking HTTPS client for our own command line: one server, one connection kept alive, one
 * request at a time, each within its time. The process ignores SIGPIPE.
 */
#ifndef DAEMON_NET_CLIENT_H
#define DAEMON_NET_CLIENT_H

#include <stdbool.h>

#include "common/buffer.h"
#include "proto/http1_answer.h"

enum {
    CLIENT_CONNECT_MILLISECONDS = 5000, /* resolving aside: connecting and the handshake */
    CLIENT_ANSWER_MILLISECONDS = 60000, /* from sending a request to the end of its answer */
    CLIENT_BODY_LIMIT = 64 * 1024 * 1024,
    CLIENT_PROBLEM_SIZE = 1024,
};

struct client;

struct client_answer {
    struct http1_answer head;
    struct buffer head_bytes; /* what `head` points into */
    struct buffer body;
};

/* A client of https://host:port. The server's certificate must name `host`, a name or an address,
 * and be signed by an authority of the PEM file, or by one of the system's where it is NULL. NULL
 * with `problem` when the file cannot be read. Nothing is connected yet. */
struct client *client_new(const char *host, int port, const char *authority,
                          char problem[CLIENT_PROBLEM_SIZE]);
void client_free(struct client **client);

/* Shows a client certificate (PEM files) to the server from the next connection on. */
bool client_use_certificate(struct client *client, const char *certificate, const char *key,
                            char problem[CLIENT_PROBLEM_SIZE]);

/* Sends a request, with header fields "Name: value\r\n" each, and reads its answer. A kept-alive
 * connection that the server closed before any byte of the answer came is replaced, once. False
 * with what is wrong and the remedy; `answer` is then empty. The caller frees the answer. */
bool client_request(struct client *client, const char *method, const char *target,
                    struct slice fields, struct slice body, struct client_answer *answer,
                    char problem[CLIENT_PROBLEM_SIZE]);

/* The value of the field of that name; false when there is none. */
bool client_answer_field(const struct client_answer *answer, const char *name, struct slice *value);

void client_answer_free(struct client_answer *answer);

#endif
