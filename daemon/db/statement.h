/*
 * SQL statements. They stand in NAME.sql files beside their user, each under a line
 * "-- statement: name", and are compiled into constants by daemon/db/compile.py, which turns :names
 * into numbered parameters and expands fragments. See daemon/README.md, "How to write a statement".
 */
#ifndef DAEMON_DB_STATEMENT_H
#define DAEMON_DB_STATEMENT_H

#include <stdbool.h>
#include <stddef.h>

enum { STATEMENT_PARAMETERS_LIMIT = 32 };

/* Which wording: {{own t}} is closed to one tenant in the first two, and open to all that the role
 * sees in the others; {{page t.id}} descends (newest first) or ascends. */
enum statement_variant {
    STATEMENT_TENANT,
    STATEMENT_TENANT_ASCENDING,
    STATEMENT_OPERATOR,
    STATEMENT_OPERATOR_ASCENDING,
    STATEMENT_VARIANTS,
};

struct statement {
    const char *name; /* unique; the prepared statement's name */
    const char *file; /* "daemon/tenants/tenants.sql", for messages and tests */
    const char *text[STATEMENT_VARIANTS];
    size_t parameter_count;
    const char *parameters[STATEMENT_PARAMETERS_LIMIT]; /* their names, in order */
    bool keyed;    /* it keeps its answer under the request's Idempotency-Key, where there is one */
    size_t number; /* its place in statements[] */
};

extern const struct statement *const statements[];
extern const size_t statement_count;

#endif
