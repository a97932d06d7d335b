#include "daemon/terminals/terminals.h"
#include "statements.h"

enum { FEES_PERIOD = 60 }; /* seconds */

static bool run_fees(struct job *job)
{
    return job_in_batches(job, &statement_count_as_lost) &&
           job_in_batches(job, &statement_let_fees_fall_due);
}

const struct job_kind terminals_fees_kind = {
    .name = "terminal_fees", .run = run_fees, .period_seconds = FEES_PERIOD};
