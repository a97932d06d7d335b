/*
 * Terminals: the devices that tenants rent, who has which, and what is owed for them beside the
 * rent.
 *
 * Invariants
 * - A device's state is changed by terminal_put alone, under the locks of its resource and its row;
 *   each change has its row in terminal_movements.
 * - Who has a device until when is in terminal_loans, which a trigger keeps; days overdue are
 *   counted from there alone.
 * - A fee for loss or damage may be disputed before it falls due; what stands on a final bill never
 *   changes.
 */
#ifndef DAEMON_TERMINALS_TERMINALS_H
#define DAEMON_TERMINALS_TERMINALS_H

#include "daemon/db/job.h"

/* Counts as lost what was not given back in time; lets fees fall due that nobody disputed. */
extern const struct job_kind terminals_fees_kind;

#endif
