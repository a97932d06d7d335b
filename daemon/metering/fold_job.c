#include "daemon/metering/metering.h"

#include <stdio.h>

#include "statements.h"

enum {
    FOLD_BATCH = 10000, /* deltas of one transaction */
    FOLD_PERIOD = 15,   /* seconds */
    NUMBER_SIZE = 24,
};

/* The number of deltas folded; 0 too after a failure, which the commit tells. */
static int64_t fold_batch(struct session *session)
{
    char batch[NUMBER_SIZE];
    const char *const values[] = {batch};
    PGresult *result;
    int64_t folded;

    snprintf(batch, sizeof batch, "%d", FOLD_BATCH);
    result = session_run(session, &statement_fold_usage, values);
    folded = result_number(result, 0, "folded");
    PQclear(result);
    return folded;
}

static bool fold(struct job *job)
{
    bool more = true;

    while (more && !job_stopping(job)) {
        session_begin(job->session);
        PQclear(session_run(job->session, &statement_lock_folding, NULL));
        more = fold_batch(job->session) == FOLD_BATCH;
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
