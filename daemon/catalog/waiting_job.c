#include <stdio.h>

#include "common/identifier.h"
#include "daemon/catalog/catalog.h"
#include "statements.h"

enum { WAITING_PERIOD = 3 }; /* seconds */

/* One access point or model a transaction, since whoever rents waits for its lock. */
static bool offer(struct job *job)
{
    char last[IDENTIFIER_SIZE] = "";
    bool more = true;

    while (more && !job_stopping(job)) {
        session_begin(job->session);
        PGresult *rows =
            session_run_named(job->session, &statement_offer_to_those_who_wait, "last", last, NULL);
        more = PQntuples(rows) == 1 && result_text(rows, 0, "last")[0] != '\0';
        if (more)
            snprintf(last, sizeof last, "%s", result_text(rows, 0, "last"));
        PQclear(rows);
        if (!job_commit(job))
            return false;
    }
    return !more;
}

static bool serve_waiting(struct job *job)
{
    return job_in_batches(job, &statement_lapse_offers) && offer(job);
}

const struct job_kind catalog_waiting_kind = {
    .name = "serve_waiting", .run = serve_waiting, .period_seconds = WAITING_PERIOD};
