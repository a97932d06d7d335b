/*
 * A billing run: for each account a transaction of its own, which makes its invoice anew.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "common/identifier.h"
#include "common/instant.h"
#include "common/log.h"
#include "daemon/billing/account.h"
#include "daemon/billing/billing.h"
#include "daemon/metering/metering.h"
#include "proto/json.h"
#include "statements.h"

enum { NUMBER_SIZE = 24 };

struct run {
    struct job *job;
    char id[IDENTIFIER_SIZE];
    char period[PERIOD_TEXT_SIZE];
    char tenant[IDENTIFIER_SIZE]; /* "" : all */
    bool finalize;
    int64_t settled; /* accounts that the run had settled before it was interrupted */
    json_t *failures;
};

struct invoice {
    struct session *session;
    const char *tenant;
    char id[IDENTIFIER_SIZE];
    int64_t lines;
};

static const char *or_null(const char *text)
{
    return text[0] == '\0' ? NULL : text;
}

/* What a settled month is credited by, and a later one has to know. */
static void store_credit(struct invoice *invoice, const struct account_line *item,
                         const char *number)
{
    char *facts = json_dumps(item->credit, JSON_COMPACT);

    PQclear(session_run_named(invoice->session, &statement_insert_service_credit, "tenant",
                              invoice->tenant, "id", invoice->id, "line", number, "resource_id",
                              account_text(item, "resource_id"), "percent", item->percent, "facts",
                              facts, NULL));
    free(facts);
}

static bool store_line(void *context, const struct account_line *item)
{
    struct invoice *invoice = context;
    const struct line *line = &item->line;
    char number[NUMBER_SIZE];
    const json_t *priced = json_object_get(item->charge, "price");
    char *price = priced == NULL ? NULL : json_dumps(priced, JSON_COMPACT);
    char *steps = json_dumps(line->steps, JSON_COMPACT);

    snprintf(number, sizeof number, "%" PRId64, ++invoice->lines);
    PQclear(session_run_named(
        invoice->session, &statement_insert_invoice_line, "tenant", invoice->tenant, "id",
        invoice->id, "line", number, "kind", account_text(item, "kind"), "correction_of",
        account_text(item, "correction_of"), "resource_id", account_text(item, "resource_id"),
        "offering_id", account_text(item, "offering_id"), "plan_id", account_text(item, "plan_id"),
        "plan_version", account_text(item, "plan_version"), "charge_code",
        account_text(item, "charge_code"), "description", account_text(item, "description"),
        "description_en", account_text(item, "description_en"), "meter_id",
        account_text(item, "meter_id"), "service_starts_at",
        account_text(item, "service_starts_at"), "service_ends_at",
        account_text(item, "service_ends_at"), "quantity", line->quantity, "unit",
        account_text(item, "unit"), "billed_quantity", line->billed_quantity, "unit_amount",
        or_null(line->unit_amount), "amount", line->amount, "net", line->net, "tax_category",
        account_text(item, "tax_category"), "tax_rate", account_text(item, "tax_rate"), "tax",
        line->tax, "price", price, "steps", steps, NULL));
    free(price);
    free(steps);
    if (item->credit != NULL)
        store_credit(invoice, item, number);
    return !session_failed(invoice->session);
}

/* The account's draft, empty: that which is there, or a new one. False when it became final
 * meanwhile. */
static bool open_draft(struct run *run, struct invoice *invoice)
{
    struct session *session = run->job->session;
    PGresult *opened;

    identifier_make("inv", invoice->id);
    opened = session_run_named(session, &statement_open_draft_invoice, "tenant", invoice->tenant,
                               "id", invoice->id, "period", run->period, "run_id", run->id, NULL);
    bool open = PQntuples(opened) == 1;
    if (open)
        snprintf(invoice->id, sizeof invoice->id, "%s", result_text(opened, 0, "id"));
    PQclear(opened);
    PQclear(session_run_named(session, &statement_drop_invoice_lines, "tenant", invoice->tenant,
                              "id", invoice->id, NULL));
    return open;
}

/* What stands on it is added up, and frozen where the run finalizes; nothing on it, and it goes. */
static void settle(struct run *run, const struct invoice *invoice)
{
    struct session *session = run->job->session;

    if (invoice->lines == 0) {
        PQclear(session_run_named(session, &statement_drop_draft_invoice, "tenant", invoice->tenant,
                                  "id", invoice->id, NULL));
        return;
    }
    PQclear(session_run_named(session, &statement_total_invoice, "tenant", invoice->tenant, "id",
                              invoice->id, NULL));
    if (run->finalize)
        PQclear(session_run_named(session, &statement_finalize_invoice, "tenant", invoice->tenant,
                                  "id", invoice->id, "period", run->period, NULL));
}

/* Within the caller's transaction: the lines come anew from what is counted now. */
static bool make_invoice(struct run *run, const char *tenant, struct invoice *invoice,
                         char problem[LINE_PROBLEM_SIZE])
{
    struct session *session = run->job->session;
    PGresult *rows;
    bool good;

    *invoice = (struct invoice){.session = session, .tenant = tenant};
    problem[0] = '\0';
    if (!open_draft(run, invoice))
        return !session_failed(session);
    rows = session_run_named(session, &statement_billable_charges, "tenant", tenant, "period",
                             run->period, NULL);
    good = account_lines(rows, store_line, invoice, problem);
    PQclear(rows);
    if (good)
        settle(run, invoice);
    return good && !session_failed(session);
}

static bool refuse_line(void *context, const struct account_line *item)
{
    (void)context;
    (void)item;
    return false;
}

/* Months are settled in order: what an earlier one still holds is billed there first. */
static bool find_earlier(struct run *run, const char *tenant, char problem[LINE_PROBLEM_SIZE])
{
    struct session *session = run->job->session;
    PGresult *months = session_run_named(session, &statement_unsettled_before, "tenant", tenant,
                                         "period", run->period, NULL);
    bool found = false;

    for (int row = 0; !found && row < PQntuples(months); row++) {
        const char *month = result_text(months, row, "period");
        PGresult *rows = session_run_named(session, &statement_billable_charges, "tenant", tenant,
                                           "period", month, NULL);
        found = !account_lines(rows, refuse_line, NULL, problem);
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

/* False when the job is to end: it lost its claim or the database. A failure of the account alone
 * is noted. */
static bool bill_account(struct run *run, const char *tenant)
{
    struct session *session = run->job->session;
    char problem[LINE_PROBLEM_SIZE] = "";
    struct invoice invoice;

    session_begin(session);
    PQclear(session_run_named(
        session, run->finalize ? &statement_lock_period_to_settle : &statement_lock_period_to_write,
        "period", run->period, NULL));
    if ((!run->finalize || !find_earlier(run, tenant, problem)) &&
        make_invoice(run, tenant, &invoice, problem))
        return job_commit(run->job);
    if (problem[0] == '\0')
        snprintf(problem, sizeof problem, "%.500s", session_problem(session));
    session_rollback(session);
    note_failure(run, tenant, problem);
    return PQstatus(session_connection(session)) == CONNECTION_OK;
}

static bool bill_accounts(struct run *run, const PGresult *tenants)
{
    int64_t total = run->settled + PQntuples(tenants);

    for (int row = 0; row < PQntuples(tenants); row++) {
        if (job_stopping(run->job))
            return false;
        job_progress(run->job, run->settled + row, total);
        if (!bill_account(run, result_text(tenants, row, "id")))
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
                                    "tenant", or_null(run.tenant), "closing", "false", NULL);
        good = !session_failed(job->session) && bill_accounts(&run, tenants) &&
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
