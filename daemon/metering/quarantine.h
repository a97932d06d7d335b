/*
 * Events of a subject or type that is not known yet are held where the sender wants it, count
 * nowhere, and come in once their cause is mended: by being replayed, which is the same as being
 * sent again.
 */
#ifndef DAEMON_METERING_QUARANTINE_H
#define DAEMON_METERING_QUARANTINE_H

#include "daemon/metering/ingest.h"

/* Whether what is wrong with an event can be mended without sending another one. */
bool quarantine_takes(const char *reason);

/* Holds the events of the batch that are to be, if any, and goes on with `then`. What is held
 * already stays as it is; where it has other content, the event is in conflict. */
enum step quarantine_hold(struct request *request, enum step (*then)(struct request *request));

/* Reads events that are held and whose subject and type are known now into the request's batch, and
 * goes on with `then`. */
enum step quarantine_read(struct request *request, enum step (*then)(struct request *request));

/* Takes those of a replayed batch out that are not held any more, and goes on with `then`. */
enum step quarantine_release(struct request *request, enum step (*then)(struct request *request));

#endif
