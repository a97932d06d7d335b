/*
 * One connection to PostgreSQL, for the event loop: it connects, greets the server, sends one
 * segment at a time through libpq's pipeline mode, and when it is lost, connects again by itself
 * with a growing pause. Its user (a pool, a listener) gives it segments while it is free.
 *
 *     BROKEN -> CONNECTING -> GREETING -> FREE <-> LEASED, and from each of them to BROKEN
 *
 * The greeting sets what every connection needs and refuses a server that could lose what it
 * acknowledged. Each state but FREE has one deadline, kept by one timer.
 */
#ifndef DAEMON_DB_BACKEND_H
#define DAEMON_DB_BACKEND_H

#include "daemon/db/database.h"

enum backend_state {
    BACKEND_BROKEN,
    BACKEND_CONNECTING,
    BACKEND_GREETING,
    BACKEND_FREE,
    BACKEND_LEASED,
};

/* What may be done with a segment that changed nothing. */
enum backend_retry {
    BACKEND_RETRY_NEVER,
    BACKEND_RETRY,       /* on any connection */
    BACKEND_RETRY_FRESH, /* on one made from now on: those there share the fault */
};

struct backend;

/* Called from the event loop only. `answered` comes once for each segment sent, with the backend
 * already in its next state; `freed` after each change to FREE that `answered` did not use up, with
 * `fresh` when the connection is a new one. `notified` may be NULL. */
struct backend_user {
    void (*freed)(void *context, bool fresh);
    void (*answered)(void *context, const struct database_answer *answer, enum backend_retry retry);
    void (*notified)(void *context, const char *payload);
};

/* Keeps pointers to `settings` and `user`. Connects at once, from the loop. */
struct backend *backend_new(struct event_base *base, const struct database_settings *settings,
                            const char *role, const struct backend_user *user, void *context);
void backend_free(struct backend **backend);

enum backend_state backend_state(const struct backend *backend);

/* Only while FREE. False when the connection turned out to be broken: nothing was sent then, and no
 * answer will come. */
bool backend_send(struct backend *backend, const struct segment *segment);

/* Makes the connection afresh, now if it is free, else after its segment. */
void backend_replace(struct backend *backend);

#endif
