/*
 * One account's bill of a month: what billable_charges gives, priced, as lines. The same for
 * drafts, final invoices, previews and the close's check, so they cannot differ.
 */
#ifndef DAEMON_BILLING_ACCOUNT_H
#define DAEMON_BILLING_ACCOUNT_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "daemon/billing/line.h"

/* A row of billable_charges and the line made from it. Texts belong to the result. */
struct account_line {
    const PGresult *rows;
    int row;
    const json_t *charge;
    struct line line;
};

/* Makes the line of each row and hands it to `take`, which says whether to go on. A usage charge of
 * quantity and amount zero gives no line. False with `problem` when a row has no tax rate or its
 * price cannot be read, when what it is charged for is no number, or when `take` said no. */
bool account_lines(const PGresult *rows,
                   bool (*take)(void *context, const struct account_line *line), void *context,
                   char problem[LINE_PROBLEM_SIZE]);

#endif
