#include "daemon/metering/metering.h"

#include <inttypes.h>
#include <stdio.h>

#include "statements.h"

enum {
    PARTITIONS_PERIOD = 3600, /* seconds */
    FORGET_BATCHES = 100,     /* batches of one transaction */
    FORGET_LEVELS = 10000,    /* levels: it looks at those of all series that stay, too */
    NUMBER_SIZE = 24,
};

/* How many were forgotten; 0 too after a failure, which the commit tells. */
static int64_t forget_some(struct job *job, const struct statement *statement, int at_most)
{
    char window[NUMBER_SIZE], batch[NUMBER_SIZE];
    PGresult *rows;
    int64_t forgotten;

    snprintf(window, sizeof window, "%" PRId64, job->environment->event_window);
    snprintf(batch, sizeof batch, "%d", at_most);
    rows = session_run_named(job->session, statement, "window", window, "batch", batch, NULL);
    forgotten = PQntuples(rows) == 0 ? 0 : result_number(rows, 0, "forgotten");
    PQclear(rows);
    return forgotten;
}

/* False when it is to be run again. */
static bool forget(struct job *job, const struct statement *statement, int at_most)
{
    bool more = true;

    while (more && !job_stopping(job)) {
        session_begin(job->session);
        more = forget_some(job, statement, at_most) > 0;
        if (!job_commit(job))
            return false;
    }
    return !more;
}

static bool keep_events(struct job *job)
{
    session_begin(job->session);
    PQclear(session_run_named(job->session, &statement_make_event_partitions, NULL));
    return job_commit(job) && metering_advance_levels(job) &&
           forget(job, &statement_forget_event_batches, FORGET_BATCHES) &&
           forget(job, &statement_forget_untaken_events, FORGET_BATCHES) &&
           forget(job, &statement_forget_levels, FORGET_LEVELS);
}

const struct job_kind metering_partitions_kind = {
    .name = "keep_events", .run = keep_events, .period_seconds = PARTITIONS_PERIOD};
