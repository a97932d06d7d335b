/*
 * The connections of one login role and the segments that wait for them, first come, first served.
 * A segment waits in the queue, runs on one backend, may go back to the head of the queue once, and
 * is answered exactly once.
 */
#ifndef DAEMON_DB_POOL_H
#define DAEMON_DB_POOL_H

#include "daemon/db/database.h"

struct pool;

/* Keeps the pointer to `settings`. */
struct pool *pool_new(struct event_base *base, const struct database_settings *settings,
                      const char *role, database_done *done, void *context);
void pool_free(struct pool **pool);

void pool_submit(struct pool *pool, const struct segment *segment, uint64_t ticket);

/* True while a connection is there. */
bool pool_ready(const struct pool *pool);

#endif
