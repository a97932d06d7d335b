/*
 * Resources: what tenants rent, of three kinds with one life.
 *
 * Invariants
 * - A state is changed by resource_act alone, under the lock of the resource's row, along the table
 *   resource_actions; each change has its row in resource_transitions, with who, when, why, and
 *   from when it counts for billing.
 * - What is suspended has a hold, and what has none is not.
 * - A term ends with its last day, unless it was renewed before.
 */
#ifndef DAEMON_RESOURCES_RESOURCES_H
#define DAEMON_RESOURCES_RESOURCES_H

#include "daemon/db/job.h"

/* Ends what was rented until a day that is over. */
extern const struct job_kind resources_expire_kind;

#endif
