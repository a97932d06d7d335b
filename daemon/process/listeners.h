/*
 * The listening sockets: made, or taken from systemd, by the supervisor, and kept open by it, so
 * that a restarted worker inherits its queue of connections.
 */
#ifndef DAEMON_PROCESS_LISTENERS_H
#define DAEMON_PROCESS_LISTENERS_H

#include <stdbool.h>

#include "common/option.h"
#include "daemon/process/settings.h"
#include "daemon/process/worker.h"

enum { WORKERS_LIMIT = 64, LISTENERS_INHERITED_LIMIT = 128 };

/* By worker; -1 where there is none. The public and the client listener have a SO_REUSEPORT socket
 * a worker; that of metrics is shared by all. */
struct listeners {
    unsigned workers;
    int sockets[WORKERS_LIMIT][WORKER_LISTENERS];
};

/* Sockets handed over by systemd (LISTEN_FDS) are used instead of the addresses configured: their
 * FileDescriptorName= is "public", "client" or "metrics". False with what is wrong and the remedy.
 */
bool listeners_open(struct listeners *listeners, const struct settings *settings, unsigned workers,
                    char problem[OPTION_PROBLEM_SIZE]);
void listeners_close(struct listeners *listeners);

#endif
