/*
 * The asynchronous client of PostgreSQL: a pool of connections a login role, pipeline segments in,
 * answers out, on libevent. One segment is one implicit transaction and one wait.
 *
 * Invariants
 * - A connection is broken, connecting, greeting, free, or leased to one segment, and one function
 * changes that (backend.c).
 * - A segment is answered exactly once, at the latest at its deadline. It is answered OK only after
 * the result of its Sync: a deferred constraint fails after the rows came.
 * - Every wait is bounded: segments in the queue by number and by time.
 */
#ifndef DAEMON_DB_DATABASE_H
#define DAEMON_DB_DATABASE_H

#include <stdbool.h>
#include <stdint.h>

#include <event2/event.h>
#include <libpq-fe.h>

#include "daemon/db/statement.h"

enum {
    SEGMENT_STATEMENTS_LIMIT = 6,
    DATABASE_QUEUE_LIMIT = 1024, /* segments that wait for a connection, a pool */
    DATABASE_CONNECTIONS_LIMIT = 64,
    DATABASE_LISTENERS_LIMIT = 4,
    DATABASE_STATEMENT_TIMEOUT = 60000, /* milliseconds */
};

enum database_role { DATABASE_TENANT, DATABASE_OPERATOR, DATABASE_AUTH, DATABASE_ROLES };

/* What a process needs to know to connect. Strings are kept as pointers. */
struct database_settings {
    const char *uri; /* postgresql://..., or keywords; without user: roles are set here */
    const char *role[DATABASE_ROLES]; /* "bccd_tenant", ...; NULL: no pool of that role */
    int connections;                  /* a pool; 4 a core were measured to be enough */
    int64_t connect_timeout;          /* milliseconds */
    int64_t queue_timeout;            /* milliseconds that a segment may wait for a connection */
    int64_t statement_timeout; /* milliseconds after which the server itself ends a statement; above
                                  every segment's timeout; 0: DATABASE_STATEMENT_TIMEOUT */
};

struct segment_part {
    const struct statement *statement;
    enum statement_variant variant;
    const char *const *values; /* statement->parameter_count texts; NULL is SQL's NULL */
};

struct segment {
    enum database_role role;
    size_t count;
    struct segment_part parts[SEGMENT_STATEMENTS_LIMIT];
    int64_t timeout; /* milliseconds from being sent; then the connection is closed and replaced */
};

enum database_outcome {
    DATABASE_OK,
    DATABASE_REFUSED,     /* PostgreSQL said no, and nothing was changed: see sqlstate */
    DATABASE_UNKNOWN,     /* sent whole, and not known whether it was committed */
    DATABASE_UNAVAILABLE, /* not sent whole, and so not committed: no connection, a full queue */
};

struct database_answer {
    enum database_outcome outcome;
    size_t count;
    /* Of OK: one a part, owned by the database layer, which clears them after the call. */
    PGresult *results[SEGMENT_STATEMENTS_LIMIT];
    /* Of REFUSED; "" where PostgreSQL gives none. */
    char sqlstate[6];
    const char *constraint, *table, *message, *detail;
};

struct database;

/* Called once a segment, from the event loop, never from within database_submit. */
typedef void database_done(void *context, uint64_t ticket, const struct database_answer *answer);

struct database *database_new(struct event_base *base, const struct database_settings *settings,
                              database_done *done, void *context);

/* Segments under way are dropped without an answer. Not from within a callback. */
void database_free(struct database **database);

/* The values must stay valid until the answer. Retries once what PostgreSQL rolled back for a
 * serialization failure or a deadlock (40001, 40P01), or what was not sent whole when its
 * connection broke; and on connections made afresh, what it rolled back for a stale plan (0A000
 * "cached plan"), a lost prepared statement (26000), or a server that only reads by now (25006). */
void database_submit(struct database *database, const struct segment *segment, uint64_t ticket);

/* True while a connection of every role, and of every channel, is up. A server that hangs is seen
 * by the channels. */
bool database_ready(const struct database *database);

/* Listens on a channel (lower-case letters and _; one connection apart, role DATABASE_AUTH).
 * `heard` gets the payload of each NOTIFY, and NULL each time that listening has begun, at first
 * and after the connection was lost, since something may have been missed. */
void database_listen(struct database *database, const char *channel,
                     void (*heard)(void *context, const char *payload), void *context);

#endif
