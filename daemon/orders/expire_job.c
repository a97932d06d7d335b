#include "daemon/orders/orders.h"

#include <string.h>

#include "statements.h"

enum { EXPIRE_PERIOD = 60 };

static const char batch[] = "100";

static bool expire(struct job *job)
{
    bool more = true;

    while (more && !job_stopping(job)) {
        session_begin(job->session);
        PGresult *rows =
            session_run_named(job->session, &statement_expire_orders, "batch", batch, NULL);
        more = PQntuples(rows) == 1 && strcmp(result_text(rows, 0, "ended"), batch) == 0;
        PQclear(rows);
        if (!job_commit(job))
            return false;
    }
    return !more;
}

const struct job_kind orders_expire_kind = {
    .name = "expire_orders", .run = expire, .period_seconds = EXPIRE_PERIOD};
