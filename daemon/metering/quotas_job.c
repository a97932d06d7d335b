#include "common/instant.h"
#include "daemon/metering/metering.h"
#include "statements.h"

enum { QUOTAS_PERIOD = 15 }; /* seconds */

#define MEASURED "20" /* quotas of one transaction */

/* Whether there may be more; not after a failure, which the commit tells. */
static bool measure_some(struct session *session, const char *begun)
{
    PGresult *rows = session_run_named(session, &statement_measure_quotas, "begun", begun, "batch",
                                       MEASURED, NULL);
    bool more = PQntuples(rows) > 0 && result_number(rows, 0, "done") > 0;

    PQclear(rows);
    return more;
}

static bool measure(struct job *job)
{
    char begun[INSTANT_TEXT_SIZE];
    bool more = true;

    instant_write(instant_now(), begun);
    while (more && !job_stopping(job)) {
        session_begin(job->session);
        more = measure_some(job->session, begun);
        if (!job_commit(job))
            return false;
    }
    return !more;
}

static bool watch(struct job *job)
{
    session_begin(job->session);
    PQclear(session_run_named(job->session, &statement_open_quota_windows, NULL));
    return job_commit(job) && job_in_batches(job, &statement_expire_reservations) &&
           job_in_batches(job, &statement_keep_observed_quotas) && measure(job);
}

const struct job_kind metering_quotas_kind = {
    .name = "watch_quotas", .run = watch, .period_seconds = QUOTAS_PERIOD};
