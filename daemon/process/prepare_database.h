/*
 * The database before the first child: the embedded cluster, or the check of a real one.
 */
#ifndef DAEMON_PROCESS_PREPARE_DATABASE_H
#define DAEMON_PROCESS_PREPARE_DATABASE_H

#include <stdbool.h>

#include "daemon/process/prepare.h"

/* Says where the embedded cluster is, without touching it. */
void database_describe(struct ground *ground);

/* Starts the embedded cluster, or looks up the hosts of the database that is configured. */
bool database_prepare(struct ground *ground, char problem[OPTION_PROBLEM_SIZE]);

/* The embedded cluster is migrated; of a real database it is checked that it is. */
bool database_ready_check(const struct ground *ground, char problem[OPTION_PROBLEM_SIZE]);

#endif
