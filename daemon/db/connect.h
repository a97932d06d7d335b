/*
 * How every connection to PostgreSQL is opened, blocking or not: the settings' URI, with the role
 * of the pool over it, and defaults below it that notice a cut network within seconds and pass by
 * servers that only read. What the URI sets wins over the defaults.
 *
 * libpq looks host names up with a call that blocks. The supervisor therefore turns them into
 * addresses once, before it forks (connect_resolve); an address, or hostaddr beside host, needs no
 * look-up at all.
 */
#ifndef DAEMON_DB_CONNECT_H
#define DAEMON_DB_CONNECT_H

#include <stdbool.h>
#include <stdint.h>

#include <libpq-fe.h>

#include "common/buffer.h"

enum {
    CONNECT_URI_SIZE = 4096,
    CONNECT_PROBLEM_SIZE = 512,
    CONNECT_SERVER_VERSION = 140000, /* the oldest served */
};

/* Begins to connect without waiting; `role` NULL: as the URI says. Of several hosts attempt number
 * `turn` (0 and up) begins with another: libpq's own time limit for each holds only where it waits
 * itself, so one that never answers would keep the others out. Never NULL. */
PGconn *connect_start(const char *uri, const char *role, unsigned turn);

/* Connects, waiting at most CONNECT_WAIT seconds for each host. Never NULL; see PQstatus. */
enum { CONNECT_WAIT = 10 };
PGconn *connect_wait(const char *uri, const char *role);

/* Writes `uri` as keywords with the addresses of each named host added. False with the reason and
 * the remedy when the URI is wrong, too long, or a name has no address. */
bool connect_resolve(const char *uri, char resolved[CONNECT_URI_SIZE],
                     char problem[CONNECT_PROBLEM_SIZE]);

/* Appends name='value' with libpq's escapes, behind a blank where something stands before it. */
void connect_keyword(struct buffer *text, const char *name, const char *value);

/* Milliseconds to wait after so many failures: none the first time, then longer and longer, and
 * never the same for all. */
int64_t connect_pause(unsigned failures);

/* What a server answered to "show synchronous_commit" and its version: NULL when commits are safe
 * with it, otherwise what is wrong and the remedy. */
const char *connect_objection(int server_version, const char *synchronous_commit);

#endif
