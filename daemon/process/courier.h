/*
 * The courier: all that goes out, on an event loop of its own; the only process that connects out.
 *
 * It takes messages from the table courier_messages, each under a lease (several couriers share the
 * table), and records what became of them: kind "radius_disconnect" is sent to the NAS as a
 * Disconnect-Request (RFC 5176), again after 2, 4, 8 ... seconds until it is answered or its
 * deadline has passed. Its payload:
 *
 *     nas_address, nas_port   where the NAS listens (configured by the operator, so it may be
 *                             private)
 *     secret, secret_place    the shared secret, sealed (hexadecimal), and the place it is bound to
 *     user_name, session_id   whose session; User-Name and Acct-Session-Id
 *
 * It also makes the calls to vendors' brokers (vendor_calls.h).
 */
#ifndef DAEMON_PROCESS_COURIER_H
#define DAEMON_PROCESS_COURIER_H

#include "daemon/db/job.h"
#include "daemon/process/settings.h"

/* Forgets messages that were sent, or given up, 30 days ago: once an hour, 10,000 at most. Runs
 * with the other jobs. */
extern const struct job_kind courier_forget_kind;

/* Until SIGTERM, or SIGHUP, after which it is started again with the new settings. The exit status
 * of the process. */
int courier_run(const struct settings *settings, const char *database_uri);

#endif
