#include "daemon/metering/metering.h"

#include <inttypes.h>
#include <stdio.h>

#include "proto/json.h"
#include "statements.h"

enum { COMPUTE_BATCHES = 20 }; /* batches of one transaction, of 10,000 events each at most */

/* How many of something a statement tells; 0 too after a failure, which the commit tells. */
static int64_t tell(PGresult *rows, const char *column)
{
    int64_t number = PQntuples(rows) == 0 ? 0 : result_number(rows, 0, column);

    PQclear(rows);
    return number;
}

/* False when it is to be run again. */
static bool compute(struct job *job, const char *meter)
{
    char batch[24];
    int64_t total = 0, done = job->done, computed = 1;

    snprintf(batch, sizeof batch, "%d", COMPUTE_BATCHES);
    while (computed > 0 && !job_stopping(job)) {
        session_begin(job->session);
        if (total == 0)
            total = done + tell(session_run_named(job->session, &statement_count_batches_before,
                                                  "meter", meter, NULL),
                                "batches");
        computed = tell(session_run_named(job->session, &statement_back_compute, "meter", meter,
                                          "batch", batch, NULL),
                        "computed");
        done += computed;
        job_progress(job, done, total);
        if (!job_commit(job))
            return false;
    }
    return computed == 0;
}

static bool back_compute(struct job *job)
{
    struct json_error wrong;
    json_t *argument = json_read(slice_of(job->argument), &wrong);
    bool done = compute(job, json_member_text(argument, "meter_id"));

    json_decref(argument);
    return done;
}

const struct job_kind metering_back_computation_kind = {.name = "back_computation",
                                                        .run = back_compute};
