/*
 * Events that void others: {"type": "center.usage.void", "data": {"id": ..., "source": ...}}. What
 * is voided counts no more, and stays readable, as what voids it does.
 */
#ifndef DAEMON_METERING_VOIDS_H
#define DAEMON_METERING_VOIDS_H

#include "daemon/metering/ingest.h"

/* Reads what the good events of the batch void, and rejects those that do not say it; false: they
 * void nothing. */
bool voids_read(struct request *request);

/* Has the events to be voided looked up, judges by what was found, and goes on with ingest_settle.
 */
enum step voids_find(struct request *request);

/* Binds what the events that go void, and lets the first and last slot cover it; false where they
 * void nothing. */
bool voids_bind(struct request *request);

#endif
