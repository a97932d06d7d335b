/*
 * Work on site: appointments, what is due by the business calendar, what was scanned and signed.
 *
 * Invariants
 * - An order that rents or gives back lines or terminals makes the work that it needs.
 * - A work order that is completed brings about in the same transaction what it was for: what was
 *   installed is active from when it was done, and what was removed is terminated.
 * - A promise runs in business hours and not while the work is paused; a warning and a breach of it
 *   are noted once.
 * - A document is the type that its bytes say, and never changes.
 */
#ifndef DAEMON_WORK_ORDERS_WORK_ORDERS_H
#define DAEMON_WORK_ORDERS_WORK_ORDERS_H

#include "daemon/db/job.h"

/* Notes what is late, or soon will be. */
extern const struct job_kind work_orders_watch_kind;

#endif
