/*
 * The catalog: families, offerings, plans with versions, what there is, and who waits.
 *
 * Invariants
 * - A published version of a plan never changes.
 * - The rules of an offering (what it requires or excludes, whom it is for, how many seats there
 * are) hold in the database, whoever rents.
 * - An add-on does not outlive what it is added to.
 * - First come, first served: what is offered is held until it is taken or the offer lapses, and
 * nobody is served before those who came earlier.
 */
#ifndef DAEMON_CATALOG_CATALOG_H
#define DAEMON_CATALOG_CATALOG_H

#include "daemon/db/job.h"

/* Every few seconds: offers what became free, and ends offers whose time is over. */
extern const struct job_kind catalog_waiting_kind;

#endif
