/*
 * The supervisor: prepares the ground, starts the children, starts again what ends, reloads on
 * SIGHUP, drains on SIGTERM or SIGINT (a second one makes it quick), and runs the embedded cluster.
 *
 * A worker that ends again and again (RESTART_LOOPING times within a minute) leaves connections
 * waiting in its socket. Its neighbour holds that socket too (worker_environment.sibling_listener)
 * and is told by SIGUSR1 to accept on it as well.
 */
#ifndef DAEMON_PROCESS_SUPERVISOR_H
#define DAEMON_PROCESS_SUPERVISOR_H

#include "daemon/process/settings.h"

/* Takes the settings over. The exit status of the process: 0 after a drain, 1 when it could not
 * start, with one line on standard error. */
int supervisor_run(struct settings *settings, const char *settings_path);

#endif
