/*
 * The close of a month: under the exclusive lock, in one transaction, every account is priced once
 * more and compared with its invoice, every term of the gate is compared, and only then the month
 * is closed.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "common/identifier.h"
#include "common/instant.h"
#include "daemon/billing/account.h"
#include "daemon/billing/billing.h"
#include "daemon/metering/metering.h"
#include "proto/json.h"
#include "statements.h"

#define ACCOUNTS_AT_ONCE "50"

enum { DIFFERENCES_SHOWN = 20, DETAIL_SIZE = 1024 };

/* What was compared of a term, and what of it does not agree. */
struct tally {
    int64_t compared, differing;
};

struct close {
    struct job *job;
    char period[PERIOD_TEXT_SIZE];
    json_t *gate;        /* terms */
    json_t *differences; /* at most DIFFERENCES_SHOWN */
    struct tally counted, rated;
};

/* The lines that an account was billed for, walked beside those that it would be billed for now. */
struct walk {
    struct close *close;
    const char *tenant;
    const PGresult *billed;
    int row, end; /* of the tenant's */
};

static void note_difference(struct close *close, const char *tenant, const PGresult *rows, int row,
                            const char *name, const char *value, const char *billed)
{
    if (json_array_size(close->differences) < DIFFERENCES_SHOWN)
        json_array_append_new(close->differences,
                              json_pack("{s:s, s:s, s:s, s:s?, s:s?}", "tenant_id", tenant,
                                        "resource_id", result_text(rows, row, "resource_id"),
                                        "charge_code", result_text(rows, row, "charge_code"), name,
                                        value, "billed", billed));
}

/* Whether the line billed is for the same. */
static bool same_charge(const PGresult *billed, int row, const struct account_line *item)
{
    static const char *const key[] = {"resource_id",  "charge_code",   "plan_id",
                                      "plan_version", "correction_of", NULL};

    for (const char *const *column = key; *column != NULL; column++) {
        const char *text = account_text(item, *column);
        if (strcmp(result_text(billed, row, *column), text == NULL ? "" : text) != 0)
            return false;
    }
    return true;
}

static bool compare_line(void *context, const struct account_line *item)
{
    struct walk *walk = context;
    const PGresult *billed = walk->billed;
    int row = walk->row;
    bool there = row < walk->end;

    if (there)
        walk->row++;
    there = there && same_charge(billed, row, item);

    walk->close->rated.compared++;
    if (there && strcmp(result_text(billed, row, "quantity"), item->line.quantity) == 0 &&
        strcmp(result_text(billed, row, "amount"), item->line.amount) == 0 &&
        strcmp(result_text(billed, row, "net"), item->line.net) == 0 &&
        strcmp(result_text(billed, row, "tax"), item->line.tax) == 0)
        return true;
    walk->close->rated.differing++;
    note_difference(walk->close, walk->tenant, item->rows, item->row, "rated", item->line.amount,
                    there ? result_text(billed, row, "amount") : NULL);
    return true;
}

/* What was billed for, and would not be now. */
static void note_rest(struct walk *walk)
{
    for (; walk->row < walk->end; walk->row++) {
        walk->close->rated.differing++;
        note_difference(walk->close, walk->tenant, walk->billed, walk->row, "rated", NULL,
                        result_text(walk->billed, walk->row, "amount"));
    }
}

/* Both in the order of tenants: those before one were billed for nothing that is left. */
static void walk_to(struct walk *walk, const char *tenant)
{
    int count = PQntuples(walk->billed);

    for (;;) {
        walk->row = walk->end;
        if (walk->row == count)
            break;
        walk->tenant = result_text(walk->billed, walk->row, "tenant_id");
        if (tenant != NULL && strcmp(walk->tenant, tenant) >= 0)
            break;
        walk->end = account_end(walk->billed, walk->row);
        note_rest(walk);
    }
    if (walk->row < count && tenant != NULL && strcmp(walk->tenant, tenant) == 0)
        walk->end = account_end(walk->billed, walk->row);
    walk->tenant = tenant;
}

/* Every line priced once more. */
static bool compare_lines(struct close *close, const char *tenants, char problem[LINE_PROBLEM_SIZE])
{
    struct session *session = close->job->session;
    PGresult *billed = session_run_named(session, &statement_billed_lines, "tenants", tenants,
                                         "period", close->period, NULL);
    PGresult *rows = session_run_named(session, &statement_billable_charges, "tenants", tenants,
                                       "period", close->period, NULL);
    struct walk walk = {.close = close, .billed = billed};
    bool good = true;

    for (int row = 0, end = 0; good && row < PQntuples(rows); row = end) {
        end = account_end(rows, row);
        walk_to(&walk, result_text(rows, row, "tenant_id"));
        good = account_lines(rows, row, end, compare_line, &walk, problem);
        note_rest(&walk);
    }
    if (good)
        walk_to(&walk, NULL);
    PQclear(rows);
    PQclear(billed);
    return good && !session_failed(session);
}

static bool compare_quantities(struct close *close, const char *tenants)
{
    struct session *session = close->job->session;
    PGresult *rows = session_run_named(session, &statement_usage_against_lines, "tenants", tenants,
                                       "period", close->period, NULL);

    for (int row = 0; row < PQntuples(rows); row++) {
        const char *counted = result_text(rows, row, "counted");
        const char *billed = result_text(rows, row, "billed");
        close->counted.compared++;
        if (strcmp(counted, billed) == 0)
            continue;
        close->counted.differing++;
        note_difference(close, result_text(rows, row, "tenant_id"), rows, row, "counted", counted,
                        billed);
    }
    PQclear(rows);
    return !session_failed(session);
}

static void add_term(struct close *close, const char *term, const char *left_name,
                     const char *left_value, const char *right_name, const char *right_value,
                     bool agrees)
{
    json_array_append_new(close->gate,
                          json_pack("{s:s, s:s, s:s, s:s, s:s, s:b}", "term", term, "left",
                                    left_name, "left_value", left_value, "right", right_name,
                                    "right_value", right_value, "agrees", agrees));
}

static void add_tally(struct close *close, const char *term, const char *left, const char *right,
                      const struct tally *tally)
{
    char counts[2][24];

    snprintf(counts[0], sizeof counts[0], "%lld", (long long)tally->compared);
    snprintf(counts[1], sizeof counts[1], "%lld", (long long)(tally->compared - tally->differing));
    add_term(close, term, left, counts[0], right, counts[1], tally->differing == 0);
}

/* usage = rated, in both halves: that all which was counted stands on the lines, and that the lines
 * cost what it costs. */
static bool compare_usage(struct close *close, char problem[LINE_PROBLEM_SIZE])
{
    PGresult *tenants = session_run_named(close->job->session, &statement_active_tenants, "period",
                                          close->period, "many", ACCOUNTS_AT_ONCE, NULL);
    bool good = !session_failed(close->job->session);

    for (int row = 0; good && row < PQntuples(tenants); row++) {
        const char *some = result_text(tenants, row, "ids");
        good = compare_quantities(close, some) && compare_lines(close, some, problem);
    }
    PQclear(tenants);
    add_tally(close, "usage_counted", "charges for which something was counted",
              "charges whose lines carry that quantity", &close->counted);
    add_tally(close, "usage_rated", "charges that the month's usage gives, priced again",
              "invoice lines equal to them", &close->rated);
    return good;
}

static bool compare_terms(struct close *close)
{
    PGresult *terms = session_run_named(close->job->session, &statement_gate_terms, "period",
                                        close->period, NULL);
    bool agree = close->counted.differing == 0 && close->rated.differing == 0;

    for (int row = 0; row < PQntuples(terms); row++) {
        bool agrees = strcmp(result_text(terms, row, "agrees"), "t") == 0;
        add_term(close, result_text(terms, row, "term"), result_text(terms, row, "left_name"),
                 result_text(terms, row, "left_value"), result_text(terms, row, "right_name"),
                 result_text(terms, row, "right_value"), agrees);
        agree = agree && agrees;
    }
    PQclear(terms);
    return agree;
}

/* The first term that does not agree, with both sides; or the accounts that are not settled. */
static void describe_refusal(const struct close *close, char detail[DETAIL_SIZE])
{
    char *differences = json_dumps(close->differences, JSON_COMPACT);

    for (size_t i = 0; i < json_array_size(close->gate); i++) {
        const json_t *term = json_array_get(close->gate, i);
        if (json_is_true(json_object_get(term, "agrees")))
            continue;
        snprintf(detail, DETAIL_SIZE, "%s: %s is %s, %s is %s. %.600s",
                 json_member_text(term, "term"), json_member_text(term, "left"),
                 json_member_text(term, "left_value"), json_member_text(term, "right"),
                 json_member_text(term, "right_value"),
                 json_array_size(close->differences) > 0 ? differences : "");
        break;
    }
    free(differences);
}

static bool find_unsettled(struct close *close, char detail[DETAIL_SIZE])
{
    PGresult *tenants = session_run_named(close->job->session, &statement_unsettled_tenants,
                                          "period", close->period, NULL);
    bool found = PQntuples(tenants) > 0;

    if (found)
        snprintf(detail, DETAIL_SIZE,
                 "%d accounts have a draft invoice, the first is %s; finalize them with a billing "
                 "run of this period.",
                 PQntuples(tenants), result_text(tenants, 0, "code"));
    PQclear(tenants);
    return found;
}

static bool write_close(struct close *close)
{
    char *gate = json_dumps(close->gate, JSON_COMPACT);
    char result[64];

    snprintf(result, sizeof result, "{\"period\":\"%s\"}", close->period);
    PQclear(session_run_named(close->job->session, &statement_close_period, "period", close->period,
                              "gate", gate, "operation_id", close->job->id, NULL));
    free(gate);
    return job_complete(close->job, true, result);
}

static bool pass_gate(struct close *close)
{
    char problem[LINE_PROBLEM_SIZE] = "", detail[DETAIL_SIZE] = "";
    struct session *session = close->job->session;

    session_begin(session);
    PQclear(session_run_named(session, &statement_lock_period_to_settle, "period", close->period,
                              NULL));
    if (find_unsettled(close, detail))
        return job_fail(close->job, "invoices_open", detail);
    if (!compare_usage(close, problem)) {
        if (problem[0] != '\0')
            return job_fail(close->job, "gate_refused", problem);
        session_rollback(session);
        return false;
    }
    if (!compare_terms(close)) {
        describe_refusal(close, detail);
        return job_fail(close->job, "gate_refused", detail);
    }
    return write_close(close);
}

static bool run_close(struct job *job)
{
    struct close close = {.job = job, .gate = json_array(), .differences = json_array()};
    json_t *argument = json_loads(job->argument, 0, NULL);
    const char *period = json_member_text(argument, "period");
    bool good;

    snprintf(close.period, sizeof close.period, "%s", period == NULL ? "" : period);
    good = metering_advance_levels(job) && pass_gate(&close);
    json_decref(argument);
    json_decref(close.gate);
    json_decref(close.differences);
    return good;
}

/* One transaction, however many accounts there are. */
enum { CLOSE_LEASE = 3600 };

const struct job_kind billing_close_kind = {
    .name = "close_period", .run = run_close, .lease_seconds = CLOSE_LEASE};
