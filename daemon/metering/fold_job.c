#include "daemon/metering/metering.h"

#include "statements.h"

enum { FOLD_PERIOD = 15 }; /* seconds */

/* Of one transaction: deltas, and different values that they bring. */
#define FOLD_DELTAS "10000"
#define FOLD_MEMBERS "200000"

/* Whether there may be more; not after a failure, which the commit tells. */
static bool fold_some(struct session *session)
{
    PGresult *rows = session_run_named(session, &statement_fold_usage, "batch", FOLD_DELTAS,
                                       "members", FOLD_MEMBERS, NULL);
    bool more = result_text(rows, 0, "more")[0] == 't';

    PQclear(rows);
    return more;
}

static bool fold(struct job *job)
{
    bool more = true;

    while (more && !job_stopping(job)) {
        session_begin(job->session);
        PQclear(session_run(job->session, &statement_lock_folding, NULL));
        more = fold_some(job->session);
        if (!job_commit(job))
            return false;
    }
    return !more;
}

const struct job_kind metering_fold_kind = {
    .name = "fold_usage",
    .run = fold,
    .period_seconds = FOLD_PERIOD,
};
