/*
 * A PostgreSQL of their own for the tests that need one: made in a temporary directory at the first
 * use, stopped and removed at the end of the program. Started as root, it runs as the system user
 * that UNIT_POSTGRESQL_USER names, "postgres" by default.
 */
#ifndef TESTS_UNIT_DATABASE_SUPPORT_H
#define TESTS_UNIT_DATABASE_SUPPORT_H

#include <stddef.h>
#include <sys/types.h>

#include "daemon/db/cluster.h"
#include "daemon/db/session.h"

/* The running cluster. Ends the program when none can be made. */
struct cluster *support_cluster(void);
const char *support_uri(void);

/* A session of the superuser, the same one each time; whatever state the last test left it in. */
struct session *support_session(void);

/* Runs SQL that must succeed, and one that gives a single value, which is kept until the next. */
void support_execute(const char *sql);
const char *support_value(const char *sql);

/* A new directory that the cluster's user may use, under `parent` (NULL: the temporary one);
 * removed at the end of the program. */
const char *support_directory(const char *parent);
uid_t support_user(void);
gid_t support_group(void);

#endif
