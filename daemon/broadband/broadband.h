/*
 * Broadband lines: RADIUS, access points, network access servers, the address plan, tiers.
 *
 * Invariants
 * - A line has a place at its access point from its request until it has ended; no access point has
 *   more lines than places.
 * - An address is one line's at a time, and rests before it is another's; who had it stays on
 * record.
 * - A session has ended when its Stop has come. Until then its server is told again.
 * - What RADIUS accounting or counters that were read tell of a line's traffic stands by five
 * minutes in line_samples, to the byte, each origin by itself; metering makes bandwidth of it.
 */
#ifndef DAEMON_BROADBAND_BROADBAND_H
#define DAEMON_BROADBAND_BROADBAND_H

#include "daemon/db/job.h"

/* Every few seconds: tiers that have begun, and sessions whose Stop has not come. */
extern const struct job_kind broadband_sessions_kind;

#endif
