#include "daemon/metering/metering.h"

#include "proto/json.h"
#include "statements.h"

/* Of one transaction, as they are stored: some ten thousand events. */
#define COMPUTE_BYTES "500000"

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
    int64_t total = 0, done = job->done, computed = 1;

    while (computed > 0 && !job_stopping(job)) {
        session_begin(job->session);
        if (total == 0)
            total = done + tell(session_run_named(job->session, &statement_count_batches_before,
                                                  "meter", meter, NULL),
                                "batches");
        computed = tell(session_run_named(job->session, &statement_back_compute, "meter", meter,
                                          "bytes", COMPUTE_BYTES, NULL),
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
