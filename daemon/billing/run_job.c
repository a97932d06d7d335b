/*
 * A billing run: some accounts a transaction, which makes their invoices anew.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "common/identifier.h"
#include "common/instant.h"
#include "common/log.h"
#include "common/memory.h"
#include "daemon/billing/account.h"
#include "daemon/billing/billing.h"
#include "daemon/billing/drafts.h"
#include "daemon/db/array.h"
#include "daemon/metering/metering.h"
#include "proto/json.h"
#include "statements.h"

enum { NUMBER_SIZE = 24, ACCOUNTS_AT_ONCE = 50 };

struct run {
    struct job *job;
    char id[IDENTIFIER_SIZE];
    char period[PERIOD_TEXT_SIZE];
    char tenant[IDENTIFIER_SIZE]; /* "" : all */
    bool finalize;
    int64_t settled; /* accounts that the run had settled before it was interrupted */
    json_t *failures;
};

/* The account whose lines are being added. */
struct account {
    struct drafts *drafts;
    const char *tenant;
    int64_t lines;
};

static const char *or_null(const char *text)
{
    return text[0] == '\0' ? NULL : text;
}

static bool add_line(void *context, const struct account_line *item)
{
    struct account *account = context;

    return drafts_add(account->drafts, account->tenant, ++account->lines, item);
}

/* The lines come anew from what is counted now. */
static bool make_lines(const PGresult *rows, struct drafts *drafts, char problem[LINE_PROBLEM_SIZE])
{
    bool good = true;

    for (int row = 0, end = 0; good && row < PQntuples(rows); row = end) {
        struct account account = {.drafts = drafts, .tenant = result_text(rows, row, "tenant_id")};
        end = account_end(rows, row);
        good = account_lines(rows, row, end, add_line, &account, problem);
    }
    return good;
}

static bool refuse_line(void *context, const struct account_line *item)
{
    (void)context;
    (void)item;
    return false;
}

/* Months are settled in order: what an earlier one still holds is billed there first. */
static bool find_earlier(struct run *run, const char *tenants, char problem[LINE_PROBLEM_SIZE])
{
    struct session *session = run->job->session;
    PGresult *months = session_run_named(session, &statement_unsettled_before, "tenants", tenants,
                                         "period", run->period, NULL);
    bool found = false;

    for (int row = 0; !found && row < PQntuples(months); row++) {
        const char *month = result_text(months, row, "period");
        PGresult *rows =
            session_run_named(session, &statement_billable_charges, "tenants",
                              result_text(months, row, "tenants"), "period", month, NULL);
        for (int at = 0, end = 0; !found && at < PQntuples(rows); at = end) {
            end = account_end(rows, at);
            found = !account_lines(rows, at, end, refuse_line, NULL, problem);
        }
        if (found)
            snprintf(problem, LINE_PROBLEM_SIZE, "%s is not billed yet; finalize it first", month);
        PQclear(rows);
    }
    PQclear(months);
    return found;
}

static void note_failure(struct run *run, const char *tenant, const char *detail)
{
    json_array_append_new(run->failures, json_pack("{s:s, s:s, s:s}", "tenant_id", tenant, "code",
                                                   "account_failed", "detail", detail));
    log_warning("billing_account_failed", log_text("run", run->id), log_text("tenant", tenant),
                log_text("problem", detail));
}

/* Makes the invoices within a transaction that the caller began; false with `problem`, which is
 * empty where the session tells it. */
static bool make_invoices(struct run *run, const char *tenants, size_t count,
                          char problem[LINE_PROBLEM_SIZE])
{
    struct session *session = run->job->session;
    struct drafts *drafts;
    bool good;

    problem[0] = '\0';
    PQclear(session_run_named(
        session, run->finalize ? &statement_lock_period_to_settle : &statement_lock_period_to_write,
        "period", run->period, NULL));
    if (run->finalize && find_earlier(run, tenants, problem))
        return false;
    PGresult *rows = session_run_named(session, &statement_billable_charges, "tenants", tenants,
                                       "period", run->period, NULL);
    drafts = drafts_open(session, tenants, count, run->period, run->id);
    good = make_lines(rows, drafts, problem);
    if (good)
        drafts_store(drafts, run->finalize);
    drafts_end(&drafts);
    PQclear(rows);
    return good && !session_failed(session);
}

static char *array_of(const PGresult *tenants, int first, int end)
{
    struct buffer array = array_begin();

    for (int row = first; row < end; row++)
        array_add_text(&array, result_text(tenants, row, "id"));
    buffer_append_text(&array, "}");
    return array.data;
}

/* Bills accounts in one transaction; where one of them fails, each in its own, so that it stalls no
 * other: then its failure is noted. False when the job is to end: it lost its claim or the
 * database. */
static bool bill_accounts(struct run *run, const PGresult *tenants, int first, int end)
{
    struct session *session = run->job->session;
    char problem[LINE_PROBLEM_SIZE];
    char *array = array_of(tenants, first, end);
    bool alive = true;

    session_begin(session);
    bool good = make_invoices(run, array, (size_t)(end - first), problem);
    memory_free(array);
    if (good)
        return job_commit(run->job);
    if (problem[0] == '\0')
        snprintf(problem, sizeof problem, "%.500s", session_problem(session));
    session_rollback(session);
    if (end - first == 1)
        note_failure(run, result_text(tenants, first, "id"), problem);
    for (int row = first; alive && end - first > 1 && row < end; row++)
        alive = bill_accounts(run, tenants, row, row + 1);
    return alive && PQstatus(session_connection(session)) == CONNECTION_OK;
}

static bool bill_all(struct run *run, const PGresult *tenants)
{
    int count = PQntuples(tenants);
    int64_t total = run->settled + count;

    for (int row = 0; row < count; row += ACCOUNTS_AT_ONCE) {
        if (job_stopping(run->job))
            return false;
        job_progress(run->job, run->settled + row, total);
        if (!bill_accounts(run, tenants, row,
                           count - row < ACCOUNTS_AT_ONCE ? count : row + ACCOUNTS_AT_ONCE))
            return false;
    }
    job_progress(run->job, total, total);
    return true;
}

static bool end_run(struct run *run, int64_t accounts)
{
    char count[NUMBER_SIZE];
    bool good = json_array_size(run->failures) == 0;
    char *failures = json_dumps(run->failures, JSON_COMPACT);
    char result[sizeof run->id + 64];

    snprintf(count, sizeof count, "%" PRId64, run->settled + accounts);
    snprintf(result, sizeof result, "{\"billing_run_id\":\"%s\"}", run->id);
    session_begin(run->job->session);
    PQclear(session_run_named(run->job->session, &statement_end_billing_run, "run_id", run->id,
                              "state", good ? "succeeded" : "failed", "accounts", count, "failures",
                              failures, NULL));
    free(failures);
    if (good)
        return job_complete(run->job, true, result);
    if (!job_commit(run->job))
        return false;
    return job_fail(run->job, "accounts_failed",
                    "Some accounts could not be billed; the run's failures name them.");
}

static bool take_run(struct run *run)
{
    json_t *argument = json_loads(run->job->argument, 0, NULL);
    const char *id = json_member_text(argument, "run_id");
    PGresult *rows;
    bool found;

    session_begin(run->job->session);
    rows = session_run_named(run->job->session, &statement_take_billing_run, "run_id",
                             id == NULL ? "" : id, NULL);
    found = PQntuples(rows) == 1;
    if (found) {
        snprintf(run->id, sizeof run->id, "%s", result_text(rows, 0, "id"));
        snprintf(run->period, sizeof run->period, "%s", result_text(rows, 0, "period"));
        snprintf(run->tenant, sizeof run->tenant, "%s", result_text(rows, 0, "tenant_id"));
        run->finalize = strcmp(result_text(rows, 0, "finalize"), "t") == 0;
        run->settled = result_number(rows, 0, "settled");
    }
    PQclear(rows);
    json_decref(argument);
    return job_commit(run->job) && found;
}

static bool run_billing(struct job *job)
{
    struct run run = {.job = job, .failures = json_array()};
    PGresult *tenants;
    bool good = take_run(&run) && (!run.finalize || metering_advance_levels(job));

    if (good) {
        tenants = session_run_named(job->session, &statement_billable_tenants, "period", run.period,
                                    "tenant", or_null(run.tenant), NULL);
        good = !session_failed(job->session) && bill_all(&run, tenants) &&
               end_run(&run, PQntuples(tenants));
        PQclear(tenants);
    }
    json_decref(run.failures);
    return good;
}

const struct job_kind billing_run_kind = {.name = "billing_run", .run = run_billing};

void billing_note_platform(struct session *session, const char *time_zone, const char *issuer_name,
                           const char *issuer_name_zh)
{
    session_begin(session);
    PQclear(session_run_named(session, &statement_put_platform, "time_zone", time_zone,
                              "issuer_name", issuer_name, "issuer_name_zh", issuer_name_zh, NULL));
    if (!session_commit(session))
        log_warning("platform_not_noted", log_text("problem", session_problem(session)));
}
