/*
 * What must be there before the first child: state directory, lock, master key, certificates,
 * listening sockets, database. In this order, so that what is cheap to find wrong is found first.
 */
#ifndef DAEMON_PROCESS_PREPARE_H
#define DAEMON_PROCESS_PREPARE_H

#include <stdbool.h>

#include "common/option.h"
#include "daemon/db/cluster.h"
#include "daemon/db/connect.h"
#include "daemon/net/tls.h"
#include "daemon/process/child.h"
#include "daemon/process/listeners.h"
#include "daemon/process/settings.h"

enum hasher_end { HASHER_END_WORKER, HASHER_END_HASHER };

/* What the supervisor hands to its children; it outlives them all. */
struct ground {
    struct settings *settings;
    struct identity identity;
    int lock; /* on STATE/bccd.pid: one supervisor a state directory */
    unsigned workers;
    struct listeners listeners;
    int hashers[WORKERS_LIMIT][2]; /* by worker and enum hasher_end */
    struct tls_ticket_keys ticket_keys;
    bool embedded;
    struct cluster cluster;
    char database_uri[CONNECT_URI_SIZE];
};

/* False with one line that says what is wrong and how to mend it; ground_leave is due either way.
 */
bool ground_prepare(struct ground *ground, struct settings *settings,
                    char problem[OPTION_PROBLEM_SIZE]);

/* Closes the sockets, stops the embedded cluster and gives up the lock. */
void ground_leave(struct ground *ground);

/* The database alone, for commands: the embedded cluster of a supervisor that runs, or one started
 * for as long as the command needs it. */
bool ground_prepare_database(struct ground *ground, struct settings *settings,
                             char problem[OPTION_PROBLEM_SIZE]);

/* Runs `work` in a child as the serving user, and waits for it. False with its problem. */
bool ground_run(const struct ground *ground,
                bool (*work)(const struct ground *ground, void *context,
                             char problem[OPTION_PROBLEM_SIZE]),
                void *context, char problem[OPTION_PROBLEM_SIZE]);

/* Applies the migrations that are missing, as whom the URI says. */
bool ground_migrate(const struct ground *ground, char problem[OPTION_PROBLEM_SIZE]);

#endif
