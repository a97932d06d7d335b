/*
 * The runner of due work (daemon/db/job.h): one job after another, as plain blocking code. Any
 * number of runners, on any number of hosts, share the table of operations.
 *
 * Two runners a host: one for what somebody asked for, which may take long, and one for what comes
 * round by itself, which must not wait for that.
 */
#ifndef DAEMON_PROCESS_JOBS_H
#define DAEMON_PROCESS_JOBS_H

#include <stdbool.h>

#include "daemon/process/settings.h"

/* Until SIGTERM, or SIGHUP, after which it is started again with the new settings; a job under way
 * sees either as job_stopping. The exit status of the process. */
int jobs_run(const struct settings *settings, const char *database_uri, bool periodic);

#endif
