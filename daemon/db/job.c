#include "daemon/db/job.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/log.h"
#include "common/memory.h"
#include "statements.h"

enum { JOB_MAGIC = 0x6a6f6221, NUMBER_SIZE = 24, KINDS_SIZE = 4096 };

struct number_text {
    char text[NUMBER_SIZE];
};

static struct number_text text_of(int64_t number)
{
    struct number_text text;

    snprintf(text.text, sizeof text.text, "%" PRId64, number);
    return text;
}

static int64_t lease_of(const struct job *job)
{
    return job->kind->lease_seconds > 0 ? job->kind->lease_seconds
                                        : job->environment->lease_seconds;
}

static const struct job_kind *kind_named(const char *name)
{
    for (size_t i = 0; job_kinds[i] != NULL; i++)
        if (strcmp(job_kinds[i]->name, name) == 0)
            return job_kinds[i];
    return NULL;
}

struct session *job_open_reader(const struct job *job)
{
    char problem[SESSION_PROBLEM_SIZE];
    struct session *reader;

    check_magic(job, JOB_MAGIC);
    reader = session_open(job->environment->database_uri, JOB_ROLE, problem);
    if (reader == NULL)
        log_error("job_without_reader", log_text("job", job->id), log_text("problem", problem));
    return reader;
}

void job_progress(struct job *job, int64_t done, int64_t total)
{
    check_magic(job, JOB_MAGIC);
    job->done = done;
    job->total = total;
}

/* True when the statement, which shows the fence, found the job; otherwise the claim is lost. */
static bool holds(struct job *job, PGresult *result)
{
    bool found = PQntuples(result) == 1;

    PQclear(result);
    if (!found && !session_failed(job->session))
        log_warning("job_claim_lost", log_text("job", job->id), log_text("kind", job->kind->name));
    return found;
}

static bool commit_or_roll_back(struct job *job, bool good)
{
    if (good)
        return session_commit(job->session);
    session_rollback(job->session);
    return false;
}

static bool renew(struct job *job)
{
    struct number_text fence = text_of(job->fence), done = text_of(job->done),
                       total = text_of(job->total), lease = text_of(lease_of(job));

    PGresult *renewed = session_run_named(
        job->session, &statement_renew_job, "id", job->id, "fence", fence.text, "done", done.text,
        "total", job->total < 0 ? NULL : total.text, "lease", lease.text, NULL);
    if (PQntuples(renewed) == 1)
        job->attempt = result_number(renewed, 0, "attempts");
    return holds(job, renewed);
}

bool job_commit(struct job *job)
{
    check_magic(job, JOB_MAGIC);
    check(!job->ended);
    return commit_or_roll_back(job, renew(job));
}

static bool end(struct job *job, const char *state, const char *result, const char *code,
                const char *detail)
{
    struct number_text fence = text_of(job->fence), done = text_of(job->done),
                       total = text_of(job->total);

    job->ended = commit_or_roll_back(
        job, holds(job, session_run_named(job->session, &statement_end_job, "id", job->id, "fence",
                                          fence.text, "state", state, "done", done.text, "total",
                                          job->total < 0 ? NULL : total.text, "result", result,
                                          "code", code, "detail", detail, NULL)));
    return job->ended;
}

bool job_complete(struct job *job, bool begun, const char *result)
{
    check_magic(job, JOB_MAGIC);
    check(!job->ended);
    if (!begun)
        session_begin(job->session);
    return end(job, "succeeded", result, NULL, NULL);
}

bool job_in_batches(struct job *job, const struct statement *statement)
{
    static const char batch[] = "100";
    bool more = true;

    while (more && !job_stopping(job)) {
        session_begin(job->session);
        PGresult *rows = session_run_named(job->session, statement, "batch", batch, NULL);
        more = PQntuples(rows) == 1 && strcmp(result_text(rows, 0, "done"), batch) == 0;
        PQclear(rows);
        if (!job_commit(job))
            return false;
    }
    return !more;
}

bool job_fail(struct job *job, const char *code, const char *detail)
{
    check_magic(job, JOB_MAGIC);
    check(!job->ended);
    session_rollback(job->session);
    session_begin(job->session);
    return end(job, "failed", NULL, code, detail);
}

bool job_stopping(const struct job *job)
{
    return *job->environment->stopping != 0;
}

bool job_release(struct job *job, int64_t delay, bool forgiven)
{
    check_magic(job, JOB_MAGIC);
    struct number_text fence = text_of(job->fence), seconds = text_of(delay);
    session_rollback(job->session);
    session_begin(job->session);
    return commit_or_roll_back(
        job, holds(job, session_run_named(job->session, &statement_release_job, "id", job->id,
                                          "fence", fence.text, "delay", seconds.text, "forgiven",
                                          forgiven ? "1" : "0", NULL)));
}

/* "name,name"; which are claimed follows from which this binary knows. */
static void list_kinds(bool periodic, char list[KINDS_SIZE])
{
    size_t length = 0;

    list[0] = '\0';
    for (size_t i = 0; job_kinds[i] != NULL; i++)
        if ((job_kinds[i]->period_seconds > 0) == periodic) {
            int added = snprintf(list + length, KINDS_SIZE - length, "%s%s", length > 0 ? "," : "",
                                 job_kinds[i]->name);
            check(added > 0 && (size_t)added < KINDS_SIZE - length);
            length += (size_t)added;
        }
}

static void take(struct job *job, const PGresult *row)
{
    job->kind = kind_named(result_text(row, 0, "kind"));
    check(job->kind != NULL);
    snprintf(job->id, sizeof job->id, "%s", result_text(row, 0, "id"));
    snprintf(job->tenant, sizeof job->tenant, "%s", result_text(row, 0, "tenant_id"));
    job->argument = memory_text(result_text(row, 0, "argument"));
    job->attempt = result_number(row, 0, "attempts");
    job->fence = result_number(row, 0, "fence");
    job->done = result_number(row, 0, "done");
    job->total = result_is_null(row, 0, "total") ? -1 : result_number(row, 0, "total");
}

bool job_claim(struct job *job, struct session *session, const struct job_environment *environment,
               const char *owner, bool periodic)
{
    struct number_text lease = text_of(environment->lease_seconds);
    char kinds[KINDS_SIZE];
    PGresult *row;
    bool found;

    *job = (struct job){.magic = JOB_MAGIC, .session = session, .environment = environment};
    list_kinds(periodic, kinds);
    session_begin(session);
    row = session_run_named(session, &statement_claim_job, "kinds", kinds, "owner", owner, "lease",
                            lease.text, NULL);
    found = PQntuples(row) == 1;
    if (found)
        take(job, row);
    PQclear(row);
    if (found)
        PQclear(session_run_named(session, &statement_set_job_actor, "actor", job->id, NULL));
    /* Its own lease, where it asks for one, from the start. */
    if (!commit_or_roll_back(job, found && renew(job))) {
        job_end(job);
        return false;
    }
    return true;
}

void job_end(struct job *job)
{
    check_magic(job, JOB_MAGIC);
    memory_free(job->argument);
    *job = (struct job){.magic = 0};
}

void job_arm_periodic(struct session *session)
{
    for (size_t i = 0; job_kinds[i] != NULL; i++) {
        char id[IDENTIFIER_SIZE];
        struct number_text period = text_of(job_kinds[i]->period_seconds);
        if (job_kinds[i]->period_seconds == 0)
            continue;
        identifier_make("op", id);
        PQclear(session_run_named(session, &statement_arm_job, "id", id, "kind", job_kinds[i]->name,
                                  "period", period.text, NULL));
    }
}
