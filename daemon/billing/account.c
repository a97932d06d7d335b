#include "daemon/billing/account.h"

#include <stdio.h>
#include <string.h>

#include "daemon/db/session.h"

static json_t *column_json(const PGresult *rows, int row, const char *column)
{
    return result_is_null(rows, row, column) ? NULL
                                             : json_loads(result_text(rows, row, column), 0, NULL);
}

static bool worth_a_line(const struct line *line)
{
    return strcmp(line->quantity, "0") != 0 || strcmp(line->amount, "0") != 0;
}

static bool make(struct account_line *item, char problem[LINE_PROBLEM_SIZE])
{
    const PGresult *rows = item->rows;
    json_t *events = column_json(rows, item->row, "events");
    const struct line_request request = {
        .charge = item->charge,
        .active_days = result_number(rows, item->row, "active_days"),
        .period_days = result_number(rows, item->row, "period_days"),
        .quantity = result_text(rows, item->row, "quantity"),
        .already = result_is_null(rows, item->row, "already")
                       ? NULL
                       : result_text(rows, item->row, "already"),
        .events = events,
        .tax_rate = result_text(rows, item->row, "tax_rate"),
    };
    bool made = line_make(&request, &item->line, problem);

    json_decref(events);
    return made;
}

static bool one(struct account_line *item,
                bool (*take)(void *context, const struct account_line *line), void *context,
                char problem[LINE_PROBLEM_SIZE])
{
    bool good;

    if (result_is_null(item->rows, item->row, "tax_rate")) {
        snprintf(problem, LINE_PROBLEM_SIZE,
                 "no tax rate of %s holds on the last day of the service; add one with "
                 "POST /v1/tax-rates",
                 result_text(item->rows, item->row, "tax_category"));
        return false;
    }
    if (!make(item, problem))
        return false;
    good = !worth_a_line(&item->line) || take(context, item);
    line_end(&item->line);
    return good;
}

bool account_lines(const PGresult *rows,
                   bool (*take)(void *context, const struct account_line *line), void *context,
                   char problem[LINE_PROBLEM_SIZE])
{
    bool good = true;

    problem[0] = '\0';
    for (int row = 0; good && row < PQntuples(rows); row++) {
        struct account_line item = {.rows = rows, .row = row};
        json_t *charge = column_json(rows, row, "charge");
        item.charge = charge;
        good = one(&item, take, context, problem);
        json_decref(charge);
    }
    return good;
}
