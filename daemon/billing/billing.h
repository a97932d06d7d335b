/*
 * Billing: invoices of a month, the runs that make them, and the close.
 *
 * Invariants
 * - There is one invoice for an account and month; a draft is made anew by each run, a final one
 * never changes.
 * - A tenant's month is settled by its final invoice: from then its usage counts in the next month.
 * - A run may be repeated, killed half-way, or run on two hosts at once: nothing doubles. One
 * account's failure stalls no other.
 * - A missed service level is credited once: a settled month by what stands on its bill, whatever
 * is found out later by the difference on the next one.
 * - A month is closed in the transaction that found every term of the gate in agreement.
 */
#ifndef DAEMON_BILLING_BILLING_H
#define DAEMON_BILLING_BILLING_H

#include "daemon/db/job.h"

extern const struct job_kind billing_run_kind;
extern const struct job_kind billing_close_kind;

/* Notes the operator's time zone and names, which statements read. The zone stays as it was first
 * noted: bills are cut by it. */
void billing_note_platform(struct session *session, const char *time_zone, const char *issuer_name,
                           const char *issuer_name_zh);

#endif
