#include "daemon/resources/resources.h"
#include "statements.h"

enum { EXPIRE_PERIOD = 60 };

static bool expire(struct job *job)
{
    return job_in_batches(job, &statement_expire_resources);
}

const struct job_kind resources_expire_kind = {
    .name = "expire_resources", .run = expire, .period_seconds = EXPIRE_PERIOD};
