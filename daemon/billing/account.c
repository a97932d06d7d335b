#include "daemon/billing/account.h"

#include <stdio.h>
#include <string.h>

#include "common/memory.h"
#include "daemon/billing/service_credit.h"
#include "daemon/db/session.h"

/* What a resource's month costs for time, at one rate of tax. */
struct base {
    int row;       /* of its first charge */
    json_t *lines; /* as struct service_credit_request has them */
};

struct bill {
    const PGresult *rows;
    bool (*take)(void *context, const struct account_line *line);
    void *context;
    char *problem;
    struct bill_sum sum;
    json_int_t lines;
    struct base *bases; /* in the order of resources, as the rows are */
    size_t base_count, base_at;
    const char *credited; /* the resource that `room` is of */
    struct number room;   /* percent of its month that are not credited yet */
};

static json_t *column_json(const PGresult *rows, int row, const char *column)
{
    return result_is_null(rows, row, column) ? NULL
                                             : json_loads(result_text(rows, row, column), 0, NULL);
}

const char *account_text(const struct account_line *item, const char *column)
{
    static const char *const of_base[] = {"plan_id", "plan_version", "tax_category", "tax_rate"};
    int row = item->row;

    for (size_t i = 0; i < sizeof of_base / sizeof of_base[0]; i++)
        if (strcmp(column, of_base[i]) == 0)
            row = item->base_row;
    return result_is_null(item->rows, row, column) ? NULL : result_text(item->rows, row, column);
}

static bool worth_a_line(const struct line *line)
{
    return strcmp(line->quantity, "0") != 0 || strcmp(line->amount, "0") != 0;
}

static void add_to(struct number *sum, const char *amount)
{
    struct number one;

    number_start(&one);
    if (amount != NULL && number_parse_stored(&one, slice_of(amount)))
        number_add(sum, sum, &one);
    number_end(&one);
}

static bool hand_over(struct bill *bill, const struct account_line *item)
{
    bill->lines++;
    add_to(&bill->sum.net, item->line.net);
    add_to(&bill->sum.total, item->line.net);
    add_to(&bill->sum.total, item->line.tax);
    return bill->take(bill->context, item);
}

/* ---- Charges ---- */

static bool same_base(const struct bill *bill, int row)
{
    static const char *const key[] = {"resource_id", "tax_category", "tax_rate"};

    if (bill->base_count == 0)
        return false;
    for (size_t i = 0; i < sizeof key / sizeof key[0]; i++)
        if (strcmp(result_text(bill->rows, row, key[i]),
                   result_text(bill->rows, bill->bases[bill->base_count - 1].row, key[i])) != 0)
            return false;
    return true;
}

/* What is charged for time is what a credit is a share of. */
static void add_to_base(struct bill *bill, const struct account_line *item)
{
    if (result_is_null(item->rows, item->row, "creditable"))
        return;
    if (!same_base(bill, item->row)) {
        bill->bases = memory_resize(bill->bases, bill->base_count + 1, sizeof bill->bases[0]);
        bill->bases[bill->base_count++] = (struct base){.row = item->row, .lines = json_array()};
    }
    json_array_append_new(bill->bases[bill->base_count - 1].lines,
                          json_pack("{s:I, s:s, s:s}", "line", bill->lines, "charge_code",
                                    account_text(item, "charge_code"), "net", item->line.net));
}

static bool make(struct account_line *item, char problem[LINE_PROBLEM_SIZE])
{
    const PGresult *rows = item->rows;
    json_t *events = column_json(rows, item->row, "events");
    json_t *groups = column_json(rows, item->row, "groups");
    const struct line_request request = {
        .charge = item->charge,
        .active_days = result_number(rows, item->row, "active_days"),
        .period_days = result_number(rows, item->row, "period_days"),
        .quantity = result_text(rows, item->row, "quantity"),
        .already = account_text(item, "already"),
        .events = events,
        .groups = groups,
        .tax_rate = result_text(rows, item->row, "tax_rate"),
    };
    bool made = line_make(&request, &item->line, problem);

    json_decref(events);
    json_decref(groups);
    return made;
}

static bool take_charge(struct bill *bill, struct account_line *item)
{
    bool good = true;

    if (result_is_null(item->rows, item->row, "tax_rate")) {
        snprintf(bill->problem, LINE_PROBLEM_SIZE,
                 "no tax rate of %s holds on the last day of the service; add one with "
                 "POST /v1/tax-rates",
                 result_text(item->rows, item->row, "tax_category"));
        return false;
    }
    if (!make(item, bill->problem))
        return false;
    if (worth_a_line(&item->line)) {
        good = hand_over(bill, item);
        add_to_base(bill, item);
    }
    line_end(&item->line);
    return good;
}

/* ---- Credits ---- */

static bool credit(struct bill *bill, struct account_line *item, json_t *base,
                   const struct number *percent, const struct bill_sum *bears)
{
    char percent_text[NUMBER_TEXT_SIZE];
    const struct service_credit_request request = {
        .facts = item->credit,
        .base = base,
        .tax_rate = result_text(item->rows, item->base_row, "tax_rate"),
        .percent = percent,
        .bears = bears,
    };

    if (!service_credit_make(&request, &item->line))
        return true;
    number_write(percent, percent_text);
    item->percent = percent_text;
    bool good = hand_over(bill, item);
    item->percent = NULL;
    line_end(&item->line);
    return good;
}

/* Of the month itself: a share of what this bill charges for the resource. */
static bool credit_own(struct bill *bill, struct account_line *item, struct number *percent)
{
    const char *resource = result_text(item->rows, item->row, "resource_id");
    bool good = true;

    if (bill->credited == NULL || strcmp(bill->credited, resource) != 0)
        number_set_integer(&bill->room, 100);
    bill->credited = resource;
    service_credit_percent(item->credit, &bill->room, percent);
    number_subtract(&bill->room, &bill->room, percent);
    while (bill->base_at < bill->base_count &&
           strcmp(result_text(bill->rows, bill->bases[bill->base_at].row, "resource_id"),
                  resource) < 0)
        bill->base_at++;
    for (size_t i = bill->base_at; good && i < bill->base_count; i++) {
        item->base_row = bill->bases[i].row;
        if (strcmp(result_text(bill->rows, item->base_row, "resource_id"), resource) != 0)
            break;
        good = credit(bill, item, bill->bases[i].lines, percent, NULL);
    }
    return good;
}

/* Of a settled month: a share of its bill, which the facts name. */
static bool credit_late(struct bill *bill, struct account_line *item, json_t *base,
                        struct number *percent)
{
    number_set_integer(&bill->room, 0);
    add_to(&bill->room, json_string_value(json_object_get(item->credit, "room")));
    service_credit_percent(item->credit, &bill->room, percent);
    return credit(bill, item, base, percent, &bill->sum);
}

static bool take_credit(struct bill *bill, struct account_line *item)
{
    json_t *base = json_object_get(item->credit, "base");
    struct number percent;

    number_start(&percent);
    bool good =
        base == NULL ? credit_own(bill, item, &percent) : credit_late(bill, item, base, &percent);
    number_end(&percent);
    return good;
}

/* ---- The bill ---- */

static bool take_row(struct bill *bill, int row)
{
    json_t *charge = column_json(bill->rows, row, "charge");
    json_t *facts = column_json(bill->rows, row, "credit");
    struct account_line item = {
        .rows = bill->rows, .row = row, .base_row = row, .charge = charge, .credit = facts};
    bool good = facts == NULL ? take_charge(bill, &item) : take_credit(bill, &item);

    json_decref(charge);
    json_decref(facts);
    return good;
}

int account_end(const PGresult *rows, int first)
{
    int end = first + 1;

    while (end < PQntuples(rows) &&
           strcmp(result_text(rows, end, "tenant_id"), result_text(rows, first, "tenant_id")) == 0)
        end++;
    return end;
}

bool account_lines(const PGresult *rows, int first, int end,
                   bool (*take)(void *context, const struct account_line *line), void *context,
                   char problem[LINE_PROBLEM_SIZE])
{
    struct bill bill = {.rows = rows, .take = take, .context = context, .problem = problem};
    bool good = true;

    problem[0] = '\0';
    number_start(&bill.sum.net);
    number_start(&bill.sum.total);
    number_start(&bill.room);
    for (int row = first; good && row < end; row++)
        good = take_row(&bill, row);
    for (size_t i = 0; i < bill.base_count; i++)
        json_decref(bill.bases[i].lines);
    memory_free(bill.bases);
    number_end(&bill.room);
    number_end(&bill.sum.total);
    number_end(&bill.sum.net);
    return good;
}

/* The arrays within a column's. */
static size_t parts(const PGresult *rows, int row, const char *column)
{
    size_t count = 0;

    for (const char *at = result_text(rows, row, column); (at = strchr(at, '[')) != NULL; at++)
        count++;
    return count;
}

bool account_too_large(const PGresult *rows)
{
    size_t size = (size_t)PQntuples(rows);

    for (int row = 0; row < PQntuples(rows); row++)
        size += parts(rows, row, "events") + parts(rows, row, "groups");
    return size > ACCOUNT_AT_ONCE;
}
