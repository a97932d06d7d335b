/*
 * Forward-only numbered migrations, deploy/schema/NNNN_name.sql, compiled into the binary with
 * their SHA-256. Each is applied in a transaction of its own, under an advisory lock, and noted
 * with its checksum in schema_migration; an applied one whose text has changed since is refused.
 */
#ifndef DAEMON_DB_MIGRATION_H
#define DAEMON_DB_MIGRATION_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/db/session.h"

struct migration {
    int number;
    const char *name; /* "0001_foundation" */
    const char *text;
    const char *sha256; /* hexadecimal */
};

extern const struct migration migrations[];
extern const size_t migration_count;

/* Applies what is missing, as a role that may (the embedded cluster's superuser, or a member of
 * bccd_owner that may create roles). Notes each on the log. False with the reason in `problem`. */
bool migration_apply_all(struct session *session, char problem[SESSION_PROBLEM_SIZE]);

/* True when exactly the migrations that this binary knows are applied. Otherwise says what to do.
 */
bool migration_check(struct session *session, char problem[SESSION_PROBLEM_SIZE]);

#endif
