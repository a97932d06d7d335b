/*
 * One account's bill of a month: what billable_charges gives of it, priced, as lines. The same for
 * drafts, final invoices, previews and the close's check, so they cannot differ.
 *
 * Credits for missed service levels come after the charges that they are a share of, and those of
 * settled months last: they take no more than the bill comes to.
 */
#ifndef DAEMON_BILLING_ACCOUNT_H
#define DAEMON_BILLING_ACCOUNT_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "daemon/billing/line.h"

/* Lines, single events and steps of the working, together, that are priced in an event loop: it is
 * held for some 20 ms. */
enum { ACCOUNT_AT_ONCE = 3000 };

/* A row of billable_charges and the line made from it. Texts belong to the result. */
struct account_line {
    const PGresult *rows;
    int row;
    const json_t *charge; /* NULL of a credit */
    json_t *credit;       /* its facts; NULL of a charge */
    const char *percent;  /* of a credit */
    int base_row;         /* of a credit: the first charge that it is a share of; else the row */
    struct line line;
};

/* The row behind those of the account that begins at a row. */
int account_end(const PGresult *rows, int first);

/* Makes the lines of each row from `first` to before `end`, which are an account's, and hands them
 * to `take`, which says whether to go on. A usage charge of quantity and amount zero gives no line.
 * False with `problem` when a row has no tax rate or its price cannot be read, when what it is
 * charged for is no number, or when `take` said no. */
bool account_lines(const PGresult *rows, int first, int end,
                   bool (*take)(void *context, const struct account_line *line), void *context,
                   char problem[LINE_PROBLEM_SIZE]);

/* Whether rows, single events and groups alone are more than may be priced at once, seen before any
 * is read: an event is an array within its column's. */
bool account_too_large(const PGresult *rows);

/* A column of the line's row; of a credit plan, version and tax are those of what it is a share of.
 * NULL where it is NULL. */
const char *account_text(const struct account_line *item, const char *column);

#endif
