#include "daemon/process/courier.h"
#include "statements.h"

enum { FORGET_PERIOD = 3600 };

static const char days_kept[] = "30", batch[] = "10000";

static bool forget(struct job *job)
{
    session_begin(job->session);
    PQclear(session_run_named(job->session, &statement_forget_courier_messages, "days", days_kept,
                              "batch", batch, NULL));
    return job_commit(job);
}

const struct job_kind courier_forget_kind = {
    .name = "forget_courier_messages", .run = forget, .period_seconds = FORGET_PERIOD};
