/*
 * The invoices of some accounts and a month, made anew within the caller's transaction: what was
 * priced is stored together.
 */
#ifndef DAEMON_BILLING_DRAFTS_H
#define DAEMON_BILLING_DRAFTS_H

#include "daemon/billing/account.h"
#include "daemon/db/session.h"

struct drafts;

/* Opens the draft of each of `tenants`, an array as text that stays until the end; those that are
 * there keep their ids and lose their lines. One that became final meanwhile stays as it is. */
struct drafts *drafts_open(struct session *session, const char *tenants, size_t count,
                           const char *period, const char *run_id);

/* Adds the lines of an account, in the order of their numbers. False where the session failed. */
bool drafts_add(struct drafts *drafts, const char *tenant, int64_t number,
                const struct account_line *line);

/* Stores what was added, adds up, and makes them final where that is asked; one without a line
 * goes. The session tells whether it failed. */
void drafts_store(struct drafts *drafts, bool finalize);

void drafts_end(struct drafts **drafts);

#endif
