#include <inttypes.h>
#include <stdio.h>

#include "daemon/http/http.h"
#include "statements.h"

enum { FORGET_PERIOD = 3600, HOURS_SIZE = 24 };

static bool forget(struct job *job)
{
    char hours[HOURS_SIZE];

    snprintf(hours, sizeof hours, "%" PRId64, job->environment->idempotency_time);
    session_begin(job->session);
    PQclear(
        session_run_named(job->session, &statement_forget_idempotency_keys, "hours", hours, NULL));
    return job_commit(job);
}

const struct job_kind http_forget_kind = {
    .name = "forget_idempotency_keys", .run = forget, .period_seconds = FORGET_PERIOD};
