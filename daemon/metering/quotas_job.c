#include "daemon/metering/metering.h"
#include "statements.h"

enum { QUOTAS_PERIOD = 15 }; /* seconds */

static bool watch(struct job *job)
{
    return job_in_batches(job, &statement_expire_reservations) &&
           job_in_batches(job, &statement_measure_quotas) &&
           job_in_batches(job, &statement_keep_observed_quotas);
}

const struct job_kind metering_quotas_kind = {
    .name = "watch_quotas", .run = watch, .period_seconds = QUOTAS_PERIOD};
