/*
 * Passwords of broadband lines. RADIUS needs them in clear, so they are kept sealed, each bound to
 * its tenant, table, column and resource.
 */
#ifndef DAEMON_RESOURCES_LINE_SECRET_H
#define DAEMON_RESOURCES_LINE_SECRET_H

#include "common/arena.h"
#include "common/seal.h"
#include "common/slice.h"

/* Bytes; the contract bounds it to as many characters as RFC 2865 has bytes. */
enum { LINE_PASSWORD_LIMIT = 4 * 128 };

/* The sealed password in hexadecimal digits, in the arena. */
const char *line_secret_close(const struct seal_keys *keys, struct arena *arena, const char *tenant,
                              const char *resource, struct slice password);

/* The password in clear, in the arena; NULL when it does not open (another key, a moved row). */
const char *line_secret_open(const struct seal_keys *keys, struct arena *arena, const char *tenant,
                             const char *resource, struct slice hex);

#endif
