#include "daemon/rating/price_internal.h"

#include "common/check.h"

void working_start(struct working *working)
{
    working->steps = json_array();
    check(working->steps != NULL);
    number_start(&working->total);
    number_start(&working->shown);
}

json_t *working_step(struct working *working, const char *name)
{
    json_t *step = json_object();

    check(step != NULL);
    step_text(step, "step", name);
    check(json_array_append_new(working->steps, step) == 0);
    return step;
}

void working_charge(struct working *working, json_t *step, const struct number *amount)
{
    struct number before;

    number_add(&working->total, &working->total, amount);
    if (step == NULL)
        return;
    number_start(&before);
    number_set(&before, &working->shown);
    number_round(&working->shown, &working->total, NUMBER_FRACTION_DIGITS, ROUND_NEAREST);
    number_subtract(&before, &working->shown, &before);
    step_number(step, "amount", &before);
    number_end(&before);
}

void step_text(json_t *step, const char *name, const char *text)
{
    check(json_object_set_new(step, name, json_string(text)) == 0);
}

void step_number(json_t *step, const char *name, const struct number *value)
{
    char text[NUMBER_TEXT_SIZE];

    number_write(value, text);
    step_text(step, name, text);
}

void step_count(json_t *step, const char *name, size_t count)
{
    check(json_object_set_new(step, name, json_integer((json_int_t)count)) == 0);
}

void step_null(json_t *step, const char *name)
{
    check(json_object_set_new(step, name, json_null()) == 0);
}

void number_percent(struct number *part, const struct number *whole, const struct number *rate)
{
    struct number hundred;

    number_start(&hundred);
    number_set_integer(&hundred, 100);
    number_multiply(part, whole, rate);
    number_divide(part, part, &hundred);
    number_end(&hundred);
}
