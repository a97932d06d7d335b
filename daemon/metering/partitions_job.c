#include "daemon/metering/metering.h"

#include <inttypes.h>
#include <stdio.h>

#include "statements.h"

enum {
    PARTITIONS_PERIOD = 3600, /* seconds */
    FORGET_BATCHES = 100,     /* batches of one transaction */
    NUMBER_SIZE = 24,
};

/* The number of batches that were forgotten; 0 too after a failure, which the commit tells. */
static int64_t forget_some(struct job *job)
{
    char window[NUMBER_SIZE], batch[NUMBER_SIZE];
    PGresult *rows;
    int64_t forgotten;

    snprintf(window, sizeof window, "%" PRId64, job->environment->event_window);
    snprintf(batch, sizeof batch, "%d", FORGET_BATCHES);
    rows = session_run_named(job->session, &statement_forget_event_batches, "window", window,
                             "batch", batch, NULL);
    forgotten = PQntuples(rows) == 0 ? 0 : result_number(rows, 0, "forgotten");
    PQclear(rows);
    return forgotten;
}

static bool keep_partitions(struct job *job)
{
    bool more = true;

    session_begin(job->session);
    PQclear(session_run_named(job->session, &statement_make_event_partitions, NULL));
    if (!job_commit(job))
        return false;
    while (more && !job_stopping(job)) {
        session_begin(job->session);
        more = forget_some(job) > 0;
        if (!job_commit(job))
            return false;
    }
    return !more;
}

const struct job_kind metering_partitions_kind = {
    .name = "keep_events", .run = keep_partitions, .period_seconds = PARTITIONS_PERIOD};
