#include "daemon/work_orders/work_orders.h"
#include "statements.h"

enum { WATCH_PERIOD = 60 };

static bool watch(struct job *job)
{
    return job_in_batches(job, &statement_watch_work_orders);
}

const struct job_kind work_orders_watch_kind = {
    .name = "watch_work_orders", .run = watch, .period_seconds = WATCH_PERIOD};
