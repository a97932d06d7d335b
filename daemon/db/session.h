/*
 * The blocking client, for processes that do one thing after another: jobs, migrations and the
 * command line.
 *
 * Errors are sticky: after a failure every further call of the transaction does nothing and gives
 * an empty result, and session_commit says false; so the code reads as if nothing could fail, and
 * asks once. The error stays readable until the next session_begin, or, outside a transaction, the
 * next call.
 *
 * Every call has a deadline (session_set_timeout). One that runs out closes the connection: the
 * session is lost from then on, every call fails, and its user opens another.
 */
#ifndef DAEMON_DB_SESSION_H
#define DAEMON_DB_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libpq-fe.h>

#include "common/slice.h"
#include "daemon/db/statement.h"

enum {
    SESSION_PROBLEM_SIZE = 512,
    SESSION_TIMEOUT = 300000, /* milliseconds a call, unless set otherwise */
};

struct session;

/* Connects as `role` (NULL: as the URI says); NULL with the reason and the remedy in `problem`.
 * Refuses a server that would acknowledge what it could lose (synchronous_commit below on). */
struct session *session_open(const char *uri, const char *role, char problem[SESSION_PROBLEM_SIZE]);
void session_close(struct session **session);

void session_set_timeout(struct session *session, int64_t milliseconds);
bool session_lost(const struct session *session);

void session_begin(struct session *session);
/* False: rolled back, or unknown when the connection was lost; see session_problem. */
bool session_commit(struct session *session);
void session_rollback(struct session *session);

/* Runs a statement (wording STATEMENT_OPERATOR), prepared on first use. `values` are its parameters
 * in the order of statement->parameters. Never NULL: an empty result after a failure. The caller
 * clears it. */
PGresult *session_run(struct session *session, const struct statement *statement,
                      const char *const *values);

/* The same with the parameters named: pairs of name and value, ended by NULL. Each parameter of the
 * statement must be named, in any order. */
PGresult *session_run_named(struct session *session, const struct statement *statement, ...)
    __attribute__((sentinel));

/* The same with a parameter of type bytea, not empty, which goes as it is. */
PGresult *session_run_bytes(struct session *session, const struct statement *statement,
                            const char *name, struct slice bytes, ...) __attribute__((sentinel));

/* Sends a statement whose rows session_next gives, each a result of its own that the caller clears,
 * as the server makes them; nothing else is asked until that gave NULL, at the end and after a
 * failure. A server that is ahead of its reader waits: some hundred KiB are under way. */
void session_stream(struct session *session, const struct statement *statement, ...)
    __attribute__((sentinel));
PGresult *session_next(struct session *session);

/* Plain SQL without parameters, possibly several statements; for migrations and settings. The
 * second gives the last one's result, as session_run does. */
void session_execute(struct session *session, const char *sql);
PGresult *session_query(struct session *session, const char *sql);

bool session_failed(const struct session *session);
const char *session_problem(const struct session *session);  /* "" when there is none */
const char *session_sqlstate(const struct session *session); /* "" likewise */
PGconn *session_connection(struct session *session);         /* for NOTIFY; NULL once lost */

/* A value of a result by row and column name; "", true, 0 for NULL and where there is no such row.
 * That a row has the column, and that a number is a bigint, the caller promises. */
const char *result_text(const PGresult *result, int row, const char *column);
bool result_is_null(const PGresult *result, int row, const char *column);
int64_t result_number(const PGresult *result, int row, const char *column);

#endif
