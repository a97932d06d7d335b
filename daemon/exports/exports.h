/*
 * Exports: sets of files that finance takes over, made by a job and served for ever.
 *
 * Invariants
 * - An export of a closed period is made once a format version; one of an open period is a new
 *   revision each time, and names the one that it supersedes.
 * - All files of a set come from one snapshot of the database. Nothing of it is visible before its
 *   manifest is written, which is last, and from then on nothing of it changes.
 * - A set is only made when the invoices, their lines, the ledger and what was written agree to the
 *   cent.
 * - A directory holds copies alone: a set appears in it whole, or not at all.
 */
#ifndef DAEMON_EXPORTS_EXPORTS_H
#define DAEMON_EXPORTS_EXPORTS_H

#include "daemon/db/job.h"

extern const struct job_kind export_kind;

#endif
