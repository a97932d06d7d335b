#include "daemon/rating/price_internal.h"

/* One modifier's step, to which the caller may add; NULL where no working is wanted. */
static json_t *modifier_step(struct working *working, const char *name, const struct number *before,
                             const struct number *after)
{
    json_t *step;

    if (working == NULL)
        return NULL;
    step = working_step(working, name);
    step_number(step, "quantity", before);
    step_number(step, "result", after);
    return step;
}

static void divide(struct number *quantity, const struct number *divisor, struct working *working)
{
    struct number before;
    json_t *step;

    number_start(&before);
    number_set(&before, quantity);
    number_divide(quantity, quantity, divisor);
    step = modifier_step(working, "convert", &before, quantity);
    if (step != NULL)
        step_number(step, "divide_by", divisor);
    number_end(&before);
}

static void round_whole(struct number *quantity, enum rounding rounding, struct working *working)
{
    struct number before;
    json_t *step;

    number_start(&before);
    number_set(&before, quantity);
    number_round(quantity, quantity, 0, rounding);
    step = modifier_step(working, "round", &before, quantity);
    if (step != NULL)
        step_text(step, "round", price_rounding_name(rounding));
    number_end(&before);
}

static void take_free_units(struct number *quantity, struct number *free_units,
                            struct working *working)
{
    struct number before, used;
    json_t *step;

    number_start(&before);
    number_start(&used);
    number_set(&before, quantity);
    number_set(&used, number_compare(quantity, free_units) < 0 ? quantity : free_units);
    number_subtract(quantity, quantity, &used);
    number_subtract(free_units, free_units, &used);
    step = modifier_step(working, "free_units", &before, quantity);
    if (step != NULL)
        step_number(step, "free_units", &used);
    number_end(&used);
    number_end(&before);
}

static void drop_negative(struct number *quantity, struct working *working)
{
    struct number before;

    number_start(&before);
    number_set(&before, quantity);
    number_set_integer(quantity, 0);
    modifier_step(working, "negative", &before, quantity);
    number_end(&before);
}

void price_convert(const struct price *price, struct number *quantity, struct number *free_units,
                   struct working *working)
{
    if (number_sign(quantity) < 0)
        drop_negative(quantity, working);
    if (price->given[FIELD_DIVIDE_BY])
        divide(quantity, &price->fields[FIELD_DIVIDE_BY], working);
    if (price->rounded)
        round_whole(quantity, price->rounding, working);
    if (number_sign(free_units) > 0)
        take_free_units(quantity, free_units, working);
}

/* Adds `change` to the total, with what the total was and the field that asked for it. */
static void adjust(struct working *working, const char *name, const char *field,
                   const struct number *value, const struct number *change)
{
    json_t *step = working_step(working, name);

    step_number(step, "of", &working->total);
    step_number(step, field, value);
    working_charge(working, step, change);
}

static void discount(const struct price *price, struct working *working)
{
    const struct number *rate = &price->fields[FIELD_DISCOUNT_PERCENT];
    struct number zero, change;

    if (!price->given[FIELD_DISCOUNT_PERCENT])
        return;
    number_start(&zero);
    number_start(&change);
    number_percent(&change, &working->total, rate);
    number_subtract(&change, &zero, &change);
    adjust(working, "discount", "discount_percent", rate, &change);
    number_end(&change);
    number_end(&zero);
}

/* Lifts or lowers the total to a limit where `side` (1: too low, -1: too high) says that it lies
 * beyond it. */
static void limit(const struct price *price, enum price_field field, int side, const char *name,
                  const char *field_name, struct working *working)
{
    const struct number *bound = &price->fields[field];
    struct number change;

    if (!price->given[field])
        return;
    number_start(&change);
    number_subtract(&change, bound, &working->total);
    if (number_sign(&change) == side)
        adjust(working, name, field_name, bound, &change);
    number_end(&change);
}

void price_adjust(const struct price *price, struct working *working)
{
    discount(price, working);
    limit(price, FIELD_MINIMUM_AMOUNT, 1, "minimum", "minimum_amount", working);
    limit(price, FIELD_MAXIMUM_AMOUNT, -1, "maximum", "maximum_amount", working);
}
