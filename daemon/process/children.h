/*
 * The table of the supervisor's children: who runs, who is due, who loops.
 *
 * Invariants
 * - A child's process is 0 exactly while it does not run; then `start_at` says when it is due.
 * - Children are started by children_start_due alone and found ended by children_ended alone.
 */
#ifndef DAEMON_PROCESS_CHILDREN_H
#define DAEMON_PROCESS_CHILDREN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/process/child.h"
#include "daemon/process/prepare.h"
#include "daemon/process/restart.h"

enum child_kind { CHILD_HASHER, CHILD_JOBS, CHILD_PERIODIC, CHILD_COURIER, CHILD_WORKER };

enum { CHILDREN_LIMIT = CHILD_WORKER + WORKERS_LIMIT };

struct child {
    enum child_kind kind;
    unsigned number; /* of a worker: its place, from 0 */
    char name[CHILD_NAME_SIZE];
    pid_t process;
    int64_t start_at, started_at; /* monotonic milliseconds */
    struct restart restart;
};

struct children {
    unsigned magic;
    pid_t supervisor;
    const struct ground *ground;
    const char *settings_path;
    unsigned count;
    struct child list[CHILDREN_LIMIT];
};

void children_plan(struct children *children, const struct ground *ground,
                   const char *settings_path);

/* Starts those that are due. In a child it does not come back. */
void children_start_due(struct children *children, int64_t now);

/* After waitpid: true when it was one of them, which is then due again; `expected` when it was told
 * to end. */
bool children_ended(struct children *children, pid_t process, int status, bool expected,
                    int64_t now);

/* Those that run: all, or all but the hasher, which the workers need until they have ended. */
unsigned children_running(const struct children *children, bool with_hasher);
void children_signal(const struct children *children, int number, bool with_hasher);

/* True when all run, and have for `time` milliseconds. */
bool children_settled(const struct children *children, int64_t now, int64_t time);

/* Tells the neighbour of each worker that crashes again and again to accept on its socket as well
 * (SIGUSR1). Telling it twice does no harm, and reaches a neighbour that was started since. */
void children_help_loopers(const struct children *children, int64_t now);

/* When the next is due, or `latest`. */
int64_t children_next(const struct children *children, int64_t latest);

#endif
