/*
 * Background work, as a domain writes it: a kind of job is a name and a function that does plain
 * blocking work on a session of bccd_jobs, in as many transactions as it likes.
 *
 * Invariants
 * - A job may be run again from its start: after a lost database, a killed host, a stop. What it
 *   committed before is there, so it must find out where it was.
 * - Every commit goes through job_commit or job_complete, which check in the same transaction that
 *   the claim still holds (fencing token), and prolong its lease. A commit at least every
 *   lease_seconds.
 *
 *     static bool fold(struct job *job)
 *     {
 *         bool more = true;
 *         while (more && !job_stopping(job)) {
 *             session_begin(job->session);
 *             more = fold_some(job->session);
 *             job_progress(job, done, total);
 *             if (!job_commit(job))
 *                 return false;
 *         }
 *         return !more;
 *     }
 *
 * A statement queues one with {{queue_operation ...}} (job.sql).
 */
#ifndef DAEMON_DB_JOB_H
#define DAEMON_DB_JOB_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/identifier.h"
#include "common/seal.h"
#include "daemon/db/session.h"

#define JOB_ROLE "bccd_jobs"

struct job;

struct job_kind {
    const char *name;
    /* True when it has ended (nothing more to do: job_complete need not have been called), false to
     * be run again later. */
    bool (*run)(struct job *job);
    int64_t lease_seconds;  /* 0: the option job_lease_time */
    int64_t period_seconds; /* comes round by itself so long after its end; 0: when queued */
};

/* What jobs need of the configuration. */
struct job_environment {
    const char *database_uri;
    const char *time_zone;
    const char *issuer_name, *issuer_name_zh;
    const char *export_directory; /* "" for none */
    int64_t event_window;         /* days */
    int64_t idempotency_time;     /* hours */
    const struct seal_keys *seal_keys;
    int64_t lease_seconds;
    const volatile sig_atomic_t *stopping;
};

struct job {
    unsigned magic;
    struct session *session;
    const struct job_environment *environment;
    const struct job_kind *kind;
    char id[IDENTIFIER_SIZE];
    char tenant[IDENTIFIER_SIZE]; /* "": the operator's own */
    char *argument;               /* JSON text, an object */
    int64_t attempt;              /* 1 and up */
    int64_t done, total;          /* as an earlier attempt left them; total -1: not known */
    int64_t fence;
    bool ended;
};

/* Every kind there is, ended by NULL; in daemon/modules.c. */
extern const struct job_kind *const job_kinds[];

/* A second session of bccd_jobs, for what is read at length while the job's own writes; NULL when
 * the database would not. The caller closes it. */
struct session *job_open_reader(const struct job *job);

/* Noted now, seen by clients with the next commit. */
void job_progress(struct job *job, int64_t done, int64_t total);

/* Commits the transaction under way; false when it was rolled back, or the claim is lost: then the
 * job's function returns false at once. */
bool job_commit(struct job *job);

/* The same and ends the job well: `result` is JSON text or NULL. Begins a transaction where the
 * caller has none under way (`begun` false). */
bool job_complete(struct job *job, bool begun, const char *result);

/* Runs a statement again and again, each time in a transaction of its own, for as long as there is
 * more: it takes :batch, how many at most, and gives `done`, how many it were. What a run of such a
 * kind returns. */
bool job_in_batches(struct job *job, const struct statement *statement);

/* Rolls back what is under way and ends the job for good with a problem's code and a sentence.
 * True when that was noted, so that it can stand behind return. */
bool job_fail(struct job *job, const char *code, const char *detail);

/* True when the process is to end: commit what is done and return false. */
bool job_stopping(const struct job *job);

/* ---- For the runner ---- */

/* Claims one that is due, of the kinds that come round by themselves or of the others, and as
 * `owner`. False when there is none or the session failed. Ended with job_end. */
bool job_claim(struct job *job, struct session *session, const struct job_environment *environment,
               const char *owner, bool periodic);

/* Gives it back to be claimed again after `delay` seconds; `forgiven`: as if it had not been tried.
 */
bool job_release(struct job *job, int64_t delay, bool forgiven);
void job_end(struct job *job);

/* Makes sure that each periodic kind has its row. */
void job_arm_periodic(struct session *session);

#endif
