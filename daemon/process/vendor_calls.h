/*
 * Calls to vendors' Open Service Brokers: taken up when they are due, sent, and what came of each
 * handed to the database, which says what follows (deploy/schema: vendor_answer).
 */
#ifndef DAEMON_PROCESS_VENDOR_CALLS_H
#define DAEMON_PROCESS_VENDOR_CALLS_H

#include <event2/event.h>

#include "common/seal.h"
#include "daemon/db/session.h"

struct vendor_calls;

/* Gives a session to note an answer with, or NULL: then the call is found again by its lease. */
typedef struct session *(*vendor_session)(void *context);

/* `keys` must outlive it. */
struct vendor_calls *vendor_calls_new(struct event_base *base, const struct seal_keys *keys,
                                      vendor_session session, void *context);

/* What is under way is left to its lease. */
void vendor_calls_free(struct vendor_calls **calls);

/* Takes up and sends what is due, as far as there is room. */
void vendor_calls_claim(struct vendor_calls *calls, struct session *session);

#endif
