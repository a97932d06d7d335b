#include "daemon/metering/metering.h"

#include "statements.h"

#define ADVANCE_SERIES "1000" /* of one transaction */

/* Whether there may be more; not after a failure, which the commit tells. */
static bool advance_some(struct session *session)
{
    PGresult *rows =
        session_run_named(session, &statement_advance_levels, "batch", ADVANCE_SERIES, NULL);
    bool more = PQntuples(rows) > 0 && result_number(rows, 0, "advanced") > 0;

    PQclear(rows);
    return more;
}

bool metering_advance_levels(struct job *job)
{
    bool more = true;

    while (more && !job_stopping(job)) {
        session_begin(job->session);
        more = advance_some(job->session);
        if (!job_commit(job))
            return false;
    }
    return !more;
}
