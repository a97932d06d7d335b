/*
 * The embedded PostgreSQL cluster: made on first use under the state directory, run by the
 * supervisor, reached through a Unix socket that only its system user (and root) can enter. A
 * cluster that survived its supervisor is adopted through postmaster.pid.
 *
 * Whoever starts it connects as the role bccd_admin, a superuser; the system user and root may take
 * the roles bccd_tenant, bccd_operator, bccd_auth and bccd_jobs as well. These four are made by the
 * migrations; the database bccd and its owner, bccd_owner, are made here.
 */
#ifndef DAEMON_DB_CLUSTER_H
#define DAEMON_DB_CLUSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CLUSTER_ADMIN "bccd_admin"

enum {
    CLUSTER_PROBLEM_SIZE = 512,
    CLUSTER_URI_SIZE = 512,
    CLUSTER_STOP_PATIENCE = 120000, /* milliseconds; a checkpoint may have much to write */
};

struct cluster {
    char directory[256];        /* STATE/postgresql; "" when that is too long */
    char socket_directory[108]; /* short: a Unix socket's path has 107 bytes; "" before a start that
                                   has yet to choose it */
    char programs[256];         /* directory of initdb and postgres */
    uid_t user;                 /* whom it runs as; not root */
    gid_t group;
    pid_t process; /* 0 while not running */
};

/* `programs` NULL takes what configure found. */
void cluster_describe(struct cluster *cluster, const char *state_directory, const char *programs,
                      uid_t user, gid_t group);

/* Makes it where it is not there (initdb: UTF-8, C collation, checksums, peer authentication),
 * starts or adopts it, and waits until it takes connections. The state directory must be there, and
 * `user` be able to enter it. False with what is wrong and the remedy; a cluster that is still
 * recovering then goes on doing so. */
bool cluster_start(struct cluster *cluster, char problem[CLUSTER_PROBLEM_SIZE]);

/* What libpq connects with: keywords, among them host=SOCKET_DIRECTORY and dbname=bccd. */
void cluster_uri(const struct cluster *cluster, char uri[CLUSTER_URI_SIZE]);

/* A fast shutdown. What has not ended after `patience` milliseconds is told to end at once, and
 * then killed: it takes half a minute more at most. */
void cluster_stop(struct cluster *cluster, int64_t patience);

/* After a child ended: true when it was this cluster's postmaster, which is then marked as not
 * running. */
bool cluster_ended(struct cluster *cluster, pid_t child);

/* True while the adopted or started postmaster lives; a child that died counts as living until it
 * was waited for, since no other can start before. An adopted one is no child, so the supervisor
 * asks from time to time. */
bool cluster_running(const struct cluster *cluster);

#endif
