#include "daemon/billing/service_credit.h"

#include <stdio.h>
#include <string.h>

#include "common/check.h"

static void read_number(struct number *number, const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    check(text != NULL && number_parse_stored(number, slice_of(text)));
}

static json_int_t minutes_of(const json_t *facts)
{
    return json_integer_value(json_object_get(facts, "minutes"));
}

static const json_t *tier_of(const json_t *facts)
{
    const json_t *tiers = json_object_get(json_object_get(facts, "rule"), "tiers");
    const json_t *exceeded = NULL;

    for (size_t i = 0; i < json_array_size(tiers); i++) {
        const json_t *tier = json_array_get(tiers, i);
        if (minutes_of(facts) > json_integer_value(json_object_get(tier, "over_minutes")))
            exceeded = tier;
    }
    return exceeded;
}

void service_credit_percent(const json_t *facts, const struct number *room, struct number *percent)
{
    const json_t *tier = tier_of(facts);

    number_set_integer(percent, 0);
    if (tier != NULL)
        read_number(percent, tier, "percent");
    if (number_compare(percent, room) > 0)
        number_set(percent, room);
}

/* ---- The amount ---- */

static void add_up(const json_t *base, struct number *net)
{
    struct number one;

    number_start(&one);
    for (size_t i = 0; i < json_array_size(base); i++) {
        read_number(&one, json_array_get(base, i), "net");
        number_add(net, net, &one);
    }
    number_end(&one);
}

static void share_of(const struct number *net, const struct number *percent, struct number *amount)
{
    struct number hundred;

    number_start(&hundred);
    number_set_integer(&hundred, 100);
    number_multiply(amount, net, percent);
    number_divide(amount, amount, &hundred);
    number_end(&hundred);
}

/* The most that can come off a bill's net so that neither it nor the total goes below zero: all of
 * it, where the tax on that is no more than the bill's, else total / (1 + rate), rounded down,
 * whose tax fits into what is left of the total. */
static void most_of(const struct bill_sum *bill, const char *tax_rate, struct number *most)
{
    struct number rate, whole;

    number_start(&rate);
    number_start(&whole);
    check(number_parse_stored(&rate, slice_of(tax_rate)));
    number_set(most, &bill->net);
    number_multiply(&whole, &bill->net, &rate);
    number_round(&whole, &whole, CURRENCY_DIGITS, ROUND_NEAREST);
    number_add(&whole, &whole, &bill->net);
    if (number_compare(&whole, &bill->total) > 0) {
        number_set_integer(&whole, 1);
        number_add(&rate, &rate, &whole);
        number_divide(most, &bill->total, &rate);
        number_round(most, most, CURRENCY_DIGITS, ROUND_DOWN);
    }
    number_end(&whole);
    number_end(&rate);
}

/* ---- The working ---- */

static json_t *amount_step(const char *name, const struct number *amount)
{
    char text[NUMBER_TEXT_SIZE];

    number_write(amount, text);
    return json_pack("{s:s, s:s}", "step", name, "amount", text);
}

/* What was measured, less what has steps of its own. */
static json_t *measured_step(json_t *facts)
{
    static const char *const elsewhere[] = {"rule", "base", "room", "before"};
    json_t *step = json_copy(facts);

    for (size_t i = 0; i < sizeof elsewhere / sizeof elsewhere[0]; i++)
        json_object_del(step, elsewhere[i]);
    json_object_set_new(step, "step", json_string("measured"));
    return step;
}

static json_t *working(const struct service_credit_request *request, const struct number *base,
                       const struct number *amount)
{
    const json_t *tier = tier_of(request->facts);
    json_t *rule = json_copy(json_object_get(request->facts, "rule"));
    json_t *lines = amount_step("base", base);
    json_t *credit = amount_step("service_credit", amount);
    char percent[NUMBER_TEXT_SIZE];

    json_object_set_new(rule, "step", json_string("rule"));
    json_object_set(rule, "over_minutes", json_object_get(tier, "over_minutes"));
    json_object_set(rule, "percent", json_object_get(tier, "percent"));
    json_object_set(lines, "lines", request->base);
    number_write(request->percent, percent);
    json_object_set_new(credit, "percent", json_string(percent));
    json_object_set(credit, "of", json_object_get(lines, "amount"));
    return json_pack("[o, o, o, o]", measured_step(request->facts), rule, lines, credit);
}

/* ---- The line ---- */

static void write_line(const struct service_credit_request *request, const struct number *amount,
                       struct line *line)
{
    snprintf(line->quantity, sizeof line->quantity, "%lld", (long long)minutes_of(request->facts));
    snprintf(line->billed_quantity, sizeof line->billed_quantity, "%s", line->quantity);
    line_write_money(amount, request->tax_rate, line);
}

/* Of a settled month: what was credited before comes off, and what the bill does not bear is left.
 */
static bool take_late(const struct service_credit_request *request, struct number *amount,
                      json_t *steps)
{
    struct number before, most;
    bool some;

    number_start(&before);
    number_start(&most);
    read_number(&before, request->facts, "before");
    number_add(amount, amount, &before);
    json_array_append_new(steps, amount_step("credited_before", &before));
    most_of(request->bears, request->tax_rate, &most);
    number_set_integer(&before, 0);
    number_subtract(&most, &before, &most);
    if (number_compare(amount, &most) < 0) {
        number_subtract(&before, &most, amount);
        json_array_append_new(steps, amount_step("left_for_later", &before));
        number_set(amount, &most);
    }
    number_round(&before, amount, CURRENCY_DIGITS, ROUND_NEAREST);
    some = number_sign(&before) < 0;
    number_end(&most);
    number_end(&before);
    return some;
}

bool service_credit_make(const struct service_credit_request *request, struct line *line)
{
    struct number base, amount, zero;
    bool some;

    memset(line, 0, sizeof *line);
    number_start(&base);
    number_start(&amount);
    number_start(&zero);
    add_up(request->base, &base);
    share_of(&base, request->percent, &amount);
    number_subtract(&amount, &zero, &amount);
    line->steps = working(request, &base, &amount);
    some = number_sign(&amount) < 0 &&
           (request->bears == NULL || take_late(request, &amount, line->steps));
    if (some)
        write_line(request, &amount, line);
    else
        line_end(line);
    number_end(&zero);
    number_end(&amount);
    number_end(&base);
    return some;
}
