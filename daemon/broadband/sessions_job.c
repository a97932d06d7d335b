#include "daemon/broadband/broadband.h"

#include <stdio.h>

#include "statements.h"

enum { SESSIONS_PERIOD = 10 }; /* seconds */

/* The courier gives a request up after five minutes. */
static const char batch[] = "1000", patience[] = "360", attempts[] = "20";

static bool apply(struct job *job)
{
    session_begin(job->session);
    PQclear(session_run_named(job->session, &statement_apply_line_tiers, "batch", batch, NULL));
    PQclear(session_run_named(job->session, &statement_repeat_disconnects, "batch", batch, "pause",
                              patience, "attempts", attempts, NULL));
    return job_commit(job);
}

const struct job_kind broadband_sessions_kind = {
    .name = "end_sessions", .run = apply, .period_seconds = SESSIONS_PERIOD};
