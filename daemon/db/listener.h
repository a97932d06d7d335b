/*
 * A connection that listens on one channel. LISTEN is said again every few seconds: it changes
 * nothing, and an answer that does not come in time shows a server that hangs, whose notifications
 * would be missed.
 */
#ifndef DAEMON_DB_LISTENER_H
#define DAEMON_DB_LISTENER_H

#include "daemon/db/database.h"

struct listener;

/* Keeps the pointers to `settings` and `channel`. */
struct listener *listener_new(struct event_base *base, const struct database_settings *settings,
                              const char *role, const char *channel,
                              void (*heard)(void *context, const char *payload), void *context);

/* False while it connects again, as it does after an answer that did not come in time. */
bool listener_ready(const struct listener *listener);
void listener_free(struct listener **listener);

#endif
