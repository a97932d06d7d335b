/*
 * Running other programs (initdb, postgres) as another system user, for the embedded cluster.
 * All of it blocks.
 */
#ifndef DAEMON_DB_PROGRAM_H
#define DAEMON_DB_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Becomes that user for good; nothing to do for who is it already. False when it may not. */
bool program_user(uid_t user, gid_t group);

/* Replaces this process by a program: usual signals, no descriptors but the first three, and an
 * environment of its own, in the root directory. Returns only on failure. */
void program_become(const char *const *arguments);

/* Runs a program with at most `seconds` of time, and keeps the end of what it says, terminated.
 * True when it ended with 0. */
bool program_run(const char *const *arguments, unsigned seconds, char *output, size_t size);

/* The line of a program's output that tells what went wrong, cut out in place. */
const char *program_complaint(char *output);

#endif
