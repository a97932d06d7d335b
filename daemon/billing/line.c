#include "daemon/billing/line.h"

#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/memory.h"
#include "daemon/rating/price.h"

static const char *text_of(const json_t *charge, const char *name)
{
    const char *text = json_string_value(json_object_get(charge, name));
    return text == NULL ? "" : text;
}

static void share_of_period(const struct line_request *request, struct number *share)
{
    struct number days;

    number_start(&days);
    number_set_integer(share, (long)request->active_days);
    number_set_integer(&days, (long)request->period_days);
    number_divide(share, share, &days);
    number_end(&days);
}

static json_t *proration_step(const struct line_request *request, const struct number *share)
{
    const char *proration = text_of(request->charge, "proration");
    char text[NUMBER_TEXT_SIZE];

    number_write(share, text);
    return json_pack("{s:s, s:s, s:I, s:I, s:s}", "step", "proration", "method",
                     proration[0] == '\0' ? "calendar_day" : proration, "active_days",
                     (json_int_t)request->active_days, "period_days",
                     (json_int_t)request->period_days, "share", text);
}

/* False with `problem` when the text, which may be NULL, is no number. */
static bool read_number(const struct line_request *request, const char *text, struct number *number,
                        char problem[LINE_PROBLEM_SIZE])
{
    if (text != NULL && number_parse_stored(number, slice_of(text)))
        return true;
    snprintf(problem, LINE_PROBLEM_SIZE,
             "charge %.64s: what it is charged for, \"%.64s\", is no number",
             text_of(request->charge, "code"), text == NULL ? "null" : text);
    return false;
}

/* The events that count now, or those that were billed before. */
static bool price_values(const struct line_request *request, const struct price *price,
                         bool billed_before, struct price_result *result,
                         char problem[LINE_PROBLEM_SIZE])
{
    size_t count = 0, all = json_array_size(request->events);
    struct number *values = memory_allocate(all + 1, sizeof *values);
    bool good = true;

    for (size_t i = 0; good && i < all; i++) {
        const json_t *event = json_array_get(request->events, i);
        if (json_is_false(json_array_get(event, billed_before ? 1 : 2)))
            continue;
        number_start(&values[count]);
        good = read_number(request, json_string_value(json_array_get(event, 0)), &values[count++],
                           problem);
    }
    if (good)
        price_events(price, values, count, result);
    for (size_t i = 0; i < count; i++)
        number_end(&values[i]);
    memory_free(values);
    return good;
}

/* What was priced before comes off. */
static void take_off(struct price_result *whole, struct price_result *before)
{
    char text[NUMBER_TEXT_SIZE];

    number_write(&before->amount, text);
    number_subtract(&whole->amount, &whole->amount, &before->amount);
    number_subtract(&whole->billed_quantity, &whole->billed_quantity, &before->billed_quantity);
    json_array_append_new(whole->steps,
                          json_pack("{s:s, s:s, s:s, s:O}", "step", "billed_before", "amount", text,
                                    "sign", "-", "steps", before->steps));
    price_result_end(before);
}

/* The groups as they count now, or as they were billed before. */
static bool price_sums(const struct line_request *request, const struct price *price,
                       bool billed_before, struct price_result *result,
                       char problem[LINE_PROBLEM_SIZE])
{
    size_t count = 0, all = json_array_size(request->groups);
    struct price_group *groups = memory_allocate(all + 1, sizeof *groups);
    bool good = true;

    while (good && count < all) {
        const json_t *group = json_array_get(request->groups, count);
        const json_t *values = json_array_get(group, 0);
        for (size_t i = 0; i < price_dimension_count(price); i++)
            groups[count].values[i] = json_string_value(json_array_get(values, i));
        number_start(&groups[count].quantity);
        good = read_number(request, json_string_value(json_array_get(group, billed_before ? 1 : 2)),
                           &groups[count++].quantity, problem);
    }
    if (good)
        price_groups(price, groups, count, result);
    for (size_t i = 0; i < count; i++)
        number_end(&groups[i].quantity);
    memory_free(groups);
    return good;
}

static bool price_total(const struct line_request *request, const struct price *price,
                        bool billed_before, struct price_result *result,
                        char problem[LINE_PROBLEM_SIZE])
{
    struct number quantity, already;

    number_start(&quantity);
    number_start(&already);
    bool good =
        read_number(request, request->quantity, &quantity, problem) &&
        (request->already == NULL || read_number(request, request->already, &already, problem));
    if (good) {
        number_add(&quantity, &quantity, &already);
        price_quantity(price, billed_before ? &already : &quantity, result);
    }
    number_end(&quantity);
    number_end(&already);
    return good;
}

/* What came late costs what the whole costs now, less what was billed. */
static bool price_usage_charge(const struct line_request *request, const struct price *price,
                               struct price_result *result, char problem[LINE_PROBLEM_SIZE])
{
    static bool (*const ways[])(const struct line_request *, const struct price *, bool,
                                struct price_result *, char problem[LINE_PROBLEM_SIZE]) = {
        [PRICE_OF_QUANTITY] = price_total,
        [PRICE_OF_EVENTS] = price_values,
        [PRICE_OF_GROUPS] = price_sums,
    };
    struct price_result before;

    if (!ways[price_usage(price)](request, price, false, result, problem))
        return false;
    if (request->already == NULL)
        return true;
    if (!ways[price_usage(price)](request, price, true, &before, problem)) {
        price_result_end(result);
        return false;
    }
    take_off(result, &before);
    return true;
}

static void price_recurring(const struct line_request *request, const struct price *price,
                            struct line *line, struct price_result *result)
{
    struct number share;

    number_start(&share);
    share_of_period(request, &share);
    number_write(&share, line->quantity);
    price_quantity(price, &share, result);
    json_array_insert_new(result->steps, 0, proration_step(request, &share));
    number_end(&share);
}

static void price_once(const struct price *price, struct line *line, struct price_result *result)
{
    struct number one;

    number_start(&one);
    number_set_integer(&one, 1);
    number_write(&one, line->quantity);
    price_quantity(price, &one, result);
    number_end(&one);
}

static bool price_charge(const struct line_request *request, const struct price *price,
                         struct line *line, struct price_result *result,
                         char problem[LINE_PROBLEM_SIZE])
{
    const char *kind = text_of(request->charge, "kind");

    if (strcmp(kind, "one_off") == 0) {
        price_once(price, line, result);
        return true;
    }
    if (strcmp(kind, "recurring") == 0) {
        price_recurring(request, price, line, result);
        return true;
    }
    snprintf(line->quantity, sizeof line->quantity, "%s", request->quantity);
    return price_usage_charge(request, price, result, problem);
}

/* What a fee came from, which is its first step. */
static void put_before(json_t *working, json_t *steps)
{
    if (working != NULL)
        json_array_insert(steps, 0, working);
}

void line_write_money(const struct number *amount, const char *tax_rate, struct line *line)
{
    struct number net, tax;

    number_start(&net);
    number_start(&tax);
    number_write(amount, line->amount);
    number_round(&net, amount, CURRENCY_DIGITS, ROUND_NEAREST);
    number_write_fixed(&net, CURRENCY_DIGITS, line->net);
    check(number_parse_stored(&tax, slice_of(tax_rate)));
    number_multiply(&tax, &tax, &net);
    number_write_fixed(&tax, CURRENCY_DIGITS, line->tax);
    number_end(&net);
    number_end(&tax);
}

static void write_result(const struct line_request *request, const struct price *price,
                         const struct price_result *result, struct line *line)
{
    struct number unit_amount;

    number_start(&unit_amount);
    number_write(&result->billed_quantity, line->billed_quantity);
    line->unit_amount[0] = '\0';
    if (price_unit_amount(price, &unit_amount))
        number_write(&unit_amount, line->unit_amount);
    number_end(&unit_amount);
    line_write_money(&result->amount, request->tax_rate, line);
}

static bool within(const struct line_request *request, const char *what, const json_t *parts,
                   size_t limit, char problem[LINE_PROBLEM_SIZE])
{
    if (json_array_size(parts) <= limit)
        return true;
    snprintf(problem, LINE_PROBLEM_SIZE,
             "charge %.64s: %zu %s are more than the %zu that one line may price; use a price of "
             "their sum",
             text_of(request->charge, "code"), json_array_size(parts), what, limit);
    return false;
}

bool line_make(const struct line_request *request, struct line *line,
               char problem[LINE_PROBLEM_SIZE])
{
    struct price_error wrong;
    struct price_result result;
    struct price *price = price_read(json_object_get(request->charge, "price"), &wrong);

    memset(line, 0, sizeof *line);
    if (!within(request, "events", request->events, PRICE_EVENTS_LIMIT, problem) ||
        !within(request, "combinations of dimensions", request->groups, PRICE_GROUPS_LIMIT,
                problem)) {
        price_free(&price);
        return false;
    }
    if (price == NULL) {
        snprintf(problem, LINE_PROBLEM_SIZE, "charge %.64s: /price%s: %s",
                 text_of(request->charge, "code"), wrong.pointer, wrong.detail);
        return false;
    }
    bool good = price_charge(request, price, line, &result, problem);
    if (good) {
        put_before(json_object_get(request->charge, "working"), result.steps);
        write_result(request, price, &result, line);
        line->steps = json_incref(result.steps);
        price_result_end(&result);
    }
    price_free(&price);
    return good;
}

void line_end(struct line *line)
{
    json_decref(line->steps);
    line->steps = NULL;
}
