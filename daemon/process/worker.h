/*
 * The worker: one event loop, which joins the network, the database and the steps of a request. One
 * a core.
 */
#ifndef DAEMON_PROCESS_WORKER_H
#define DAEMON_PROCESS_WORKER_H

#include "daemon/process/settings.h"

enum { WORKER_LISTENERS = 3 };
enum worker_listener { WORKER_PUBLIC, WORKER_CLIENT, WORKER_METRICS };

/* What a worker is handed by the supervisor; all of it survives the worker. */
struct worker_environment {
    unsigned number;
    struct settings *settings; /* the worker's own copy after the fork */
    const char *settings_path; /* read again on reload; NULL: none */
    const char *database_uri;
    int listeners[WORKER_LISTENERS]; /* listening sockets; -1: none */
    int sibling_listener; /* a crash-looping sibling's public socket to serve as well; -1: none */
    int hasher;           /* SOCK_SEQPACKET to the hasher */
    const unsigned char *ticket_keys; /* of TLS sessions, shared by the workers */
};

/* Runs until SIGTERM has drained it; SIGHUP reloads. The exit status of the process. */
int worker_run(const struct worker_environment *environment);

#endif
