/*
 * What every child does first: it gives up what it does not need (root, descriptors, the
 * supervisor's signals) and dies with its supervisor.
 */
#ifndef DAEMON_PROCESS_CHILD_H
#define DAEMON_PROCESS_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/log.h"

enum { CHILD_NAME_SIZE = 16 }; /* what the kernel keeps of a process's name */

/* Whom children run as. Without `change` they stay who the supervisor is. */
struct identity {
    bool change;
    char name[33];
    uid_t user;
    gid_t group;
};

struct child_plan {
    const char *name; /* kept as a pointer by the log */
    unsigned metric_slot;
    enum log_level log_level;
    const struct identity *identity;
    pid_t supervisor;
    const int *keep; /* descriptors beyond 0, 1 and 2; -1 stands for none */
    size_t keep_count;
};

/* Ends the process with a line on the log when a step fails. Afterwards SIGTERM ends the process,
 * SIGINT, SIGUSR1 and SIGPIPE are ignored, until it says otherwise, and SIGHUP is blocked. */
void child_enter(const struct child_plan *plan);

/* Lets SIGHUP through, once it is handled: one that came before is not missed. */
void child_take_reloads(void);

/* Blocks SIGHUP again, for one that ends: its handler goes before the process does. */
void child_leave_reloads(void);

/* Becomes the identity for good: groups, group, user. False with errno. */
bool identity_assume(const struct identity *identity);

#endif
