#include "daemon/orders/orders.h"
#include "statements.h"

enum { EXPIRE_PERIOD = 60 };

static bool expire(struct job *job)
{
    return job_in_batches(job, &statement_expire_orders);
}

const struct job_kind orders_expire_kind = {
    .name = "expire_orders", .run = expire, .period_seconds = EXPIRE_PERIOD};
