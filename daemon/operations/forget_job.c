#include "daemon/operations/forget_job.h"

#include "statements.h"

enum { FORGET_PERIOD = 3600 };

static const char days_kept[] = "90", batch[] = "10000";

static bool forget(struct job *job)
{
    session_begin(job->session);
    PQclear(session_run_named(job->session, &statement_forget_operations, "days", days_kept,
                              "batch", batch, NULL));
    return job_commit(job);
}

const struct job_kind operations_forget_kind = {
    .name = "forget_operations", .run = forget, .period_seconds = FORGET_PERIOD};
