/*
 * The embedded cluster's files: its data directory, its settings and where its socket is.
 * Everything here runs as the cluster's system user, never as root, so that nothing in a directory
 * of that user can lead root astray.
 */
#ifndef DAEMON_DB_CLUSTER_FILES_H
#define DAEMON_DB_CLUSTER_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/db/cluster.h"

enum { CLUSTER_PATH_SIZE = 512 };

/* Writes what is wrong, cut where it is too long; false, for a caller's return. */
bool cluster_problem(char problem[CLUSTER_PROBLEM_SIZE], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* DIRECTORY/name. */
void cluster_path(const struct cluster *cluster, const char *name, char path[CLUSTER_PATH_SIZE]);

/* Reads a small file of the cluster; "" when there is none. */
void cluster_read(const struct cluster *cluster, const char *name, char *text, size_t size);

/* Sets socket_directory: inside the cluster's directory where a socket's path can be that long,
 * otherwise the one that was remembered, or "". */
void cluster_find_socket(struct cluster *cluster);

/* Makes what is missing and writes the settings anew. False with what is wrong and the remedy. */
bool cluster_make(struct cluster *cluster, char problem[CLUSTER_PROBLEM_SIZE]);

/* "complaint; remedy" for what initdb or postgres said; false. */
bool cluster_explain(const struct cluster *cluster, const char *program, char *output,
                     char problem[CLUSTER_PROBLEM_SIZE]);

#endif
