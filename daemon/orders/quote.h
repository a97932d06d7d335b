/*
 * The price of a cart, from its charges. Pure.
 */
#ifndef DAEMON_ORDERS_QUOTE_H
#define DAEMON_ORDERS_QUOTE_H

#include <jansson.h>
#include <libpq-fe.h>
#include <stdbool.h>

#include "daemon/billing/line.h"

enum { QUOTE_LINES_LIMIT = 3000 }; /* pricing them holds the event loop for some 20 ms */

/* The document of the contract's schema OrderQuote, of rows that order_charges gives, at most
 * QUOTE_LINES_LIMIT; a first row without an item stands for none. A charge is priced as a bill
 * prices it, a line a resource, so that the sums are to the cent what will be billed. NULL with
 * `problem` when a charge cannot be priced. The caller's to decref. */
json_t *quote_make(const PGresult *rows, const char *as_of, char problem[LINE_PROBLEM_SIZE]);

#endif
