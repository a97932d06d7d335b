#include "daemon/work_orders/work_orders.h"

#include <string.h>

#include "statements.h"

enum { WATCH_PERIOD = 60 };

static const char batch[] = "100";

static bool watch(struct job *job)
{
    bool more = true;

    while (more && !job_stopping(job)) {
        session_begin(job->session);
        PGresult *rows =
            session_run_named(job->session, &statement_watch_work_orders, "batch", batch, NULL);
        more = PQntuples(rows) == 1 && strcmp(result_text(rows, 0, "noted"), batch) == 0;
        PQclear(rows);
        if (!job_commit(job))
            return false;
    }
    return !more;
}

const struct job_kind work_orders_watch_kind = {
    .name = "watch_work_orders", .run = watch, .period_seconds = WATCH_PERIOD};
