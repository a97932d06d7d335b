#include "daemon/billing/line.h"

#include <stdio.h>
#include <string.h>

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

/* All events, or those alone that were billed before. */
static void price_values(const struct price *price, const json_t *events, bool billed_before,
                         struct price_result *result)
{
    size_t count = 0;
    struct number *values = memory_allocate(json_array_size(events) + 1, sizeof *values);

    for (size_t i = 0; i < json_array_size(events); i++) {
        const json_t *event = json_array_get(events, i);
        const char *text = json_string_value(json_array_get(event, 0));
        if (billed_before && !json_is_true(json_array_get(event, 1)))
            continue;
        number_start(&values[count]);
        number_parse_stored(&values[count++], slice_of(text));
    }
    price_events(price, values, count, result);
    for (size_t i = 0; i < count; i++)
        number_end(&values[i]);
    memory_free(values);
}

static void price_text(const struct price *price, const char *quantity, struct price_result *result)
{
    struct number number;

    number_start(&number);
    number_parse_stored(&number, slice_of(quantity));
    price_quantity(price, &number, result);
    number_end(&number);
}

/* What was priced before comes off: late usage costs what the whole costs now, less what was
 * billed. */
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

static void price_usage(const struct line_request *request, const struct price *price,
                        struct price_result *result)
{
    struct price_result before;

    if (price_wants_events(price)) {
        price_values(price, request->events, false, result);
        if (request->already == NULL)
            return;
        price_values(price, request->events, true, &before);
    } else if (request->already == NULL) {
        price_text(price, request->quantity, result);
        return;
    } else {
        struct number whole, already;
        char text[NUMBER_TEXT_SIZE];
        number_start(&whole);
        number_start(&already);
        number_parse_stored(&whole, slice_of(request->quantity));
        number_parse_stored(&already, slice_of(request->already));
        number_add(&whole, &whole, &already);
        number_write(&whole, text);
        number_end(&whole);
        number_end(&already);
        price_text(price, text, result);
        price_text(price, request->already, &before);
    }
    take_off(result, &before);
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

static void write_money(const struct line_request *request, const struct price *price,
                        const struct price_result *result, struct line *line)
{
    struct number net, tax;

    number_start(&net);
    number_start(&tax);
    number_write(&result->amount, line->amount);
    number_write(&result->billed_quantity, line->billed_quantity);
    number_round(&net, &result->amount, CURRENCY_DIGITS, ROUND_NEAREST);
    number_write_fixed(&net, CURRENCY_DIGITS, line->net);
    number_parse_stored(&tax, slice_of(request->tax_rate));
    number_multiply(&tax, &tax, &net);
    number_write_fixed(&tax, CURRENCY_DIGITS, line->tax);
    line->unit_amount[0] = '\0';
    if (price_unit_amount(price, &tax))
        number_write(&tax, line->unit_amount);
    number_end(&net);
    number_end(&tax);
}

bool line_make(const struct line_request *request, struct line *line,
               char problem[LINE_PROBLEM_SIZE])
{
    struct price_error wrong;
    struct price_result result;
    struct price *price = price_read(json_object_get(request->charge, "price"), &wrong);

    memset(line, 0, sizeof *line);
    if (json_array_size(request->events) > PRICE_EVENTS_LIMIT) {
        snprintf(problem, LINE_PROBLEM_SIZE,
                 "charge %.64s: %zu events are more than the %d that one line may price; use a "
                 "price of their sum",
                 text_of(request->charge, "code"), json_array_size(request->events),
                 PRICE_EVENTS_LIMIT);
        price_free(&price);
        return false;
    }
    if (price == NULL) {
        snprintf(problem, LINE_PROBLEM_SIZE, "charge %.64s: /price%s: %s",
                 text_of(request->charge, "code"), wrong.pointer, wrong.detail);
        return false;
    }
    if (strcmp(text_of(request->charge, "kind"), "recurring") == 0) {
        price_recurring(request, price, line, &result);
    } else {
        snprintf(line->quantity, sizeof line->quantity, "%s", request->quantity);
        price_usage(request, price, &result);
    }
    write_money(request, price, &result, line);
    line->steps = json_incref(result.steps);
    price_result_end(&result);
    price_free(&price);
    return true;
}

void line_end(struct line *line)
{
    json_decref(line->steps);
    line->steps = NULL;
}
