/*
 * Orders: what an enterprise asks for, what it costs, who approves it, and what became of it.
 *
 * Invariants
 * - A price is shown before an order is placed, and frozen with it; whoever says what the first
 *   bill was shown to come to places nothing at another price.
 * - Whoever placed an order does not approve it.
 * - What an order rents gets its ids when the order is written, so that beginning it needs no more
 *   than the database.
 * - An order follows its resources in the transaction that moves them (order_follow_resource).
 */
#ifndef DAEMON_ORDERS_ORDERS_H
#define DAEMON_ORDERS_ORDERS_H

#include "daemon/db/job.h"

/* Ends orders whose time to be approved is over. */
extern const struct job_kind orders_expire_kind;

#endif
