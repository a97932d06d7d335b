#include "daemon/rating/price.h"

#include "common/check.h"
#include "daemon/rating/price_internal.h"

/* quantity * each, in a step of its own. */
static void charge_units(struct working *working, const char *name, const struct number *quantity,
                         const char *field, const struct number *each)
{
    json_t *step = working_step(working, name);
    struct number amount;

    number_start(&amount);
    number_multiply(&amount, quantity, each);
    step_number(step, "quantity", quantity);
    step_number(step, field, each);
    working_charge(working, step, &amount);
    number_end(&amount);
}

static void price_flat(const struct price *price, const struct number *quantity,
                       struct working *working)
{
    charge_units(working, "flat", quantity, "period_amount", &price->fields[FIELD_AMOUNT]);
}

static void price_unit(const struct price *price, const struct number *quantity,
                       struct working *working)
{
    charge_units(working, "unit", quantity, "unit_amount", &price->fields[FIELD_UNIT_AMOUNT]);
}

static void price_package(const struct price *price, const struct number *quantity,
                          struct working *working)
{
    const struct number *size = &price->fields[FIELD_PACKAGE_SIZE];
    const struct number *each = &price->fields[FIELD_PACKAGE_AMOUNT];
    json_t *step = working_step(working, "package");
    struct number packages, amount;

    number_start(&packages);
    number_start(&amount);
    number_divide(&packages, quantity, size);
    number_round(&packages, &packages, 0, ROUND_UP);
    number_multiply(&amount, &packages, each);
    step_number(step, "quantity", quantity);
    step_number(step, "package_size", size);
    step_number(step, "packages", &packages);
    step_number(step, "package_amount", each);
    working_charge(working, step, &amount);
    number_end(&amount);
    number_end(&packages);
}

static void price_model(const struct price *price, const struct number *quantity,
                        struct working *working)
{
    static void (*const models[MODEL_COUNT])(const struct price *, const struct number *,
                                             struct working *) = {
        [MODEL_FLAT] = price_flat,           [MODEL_UNIT] = price_unit,
        [MODEL_GRADUATED] = price_graduated, [MODEL_VOLUME] = price_volume,
        [MODEL_PACKAGE] = price_package,     [MODEL_GRADUATED_PERCENTAGE] = price_graduated,
    };

    check(models[price->model] != NULL);
    models[price->model](price, quantity, working);
}

/* What follows every model. The total becomes the result's, the steps too. */
static void finish(const struct price *price, struct working *working, struct price_result *result)
{
    price_adjust(price, working);
    number_end(&working->shown);
    result->amount = working->total;
    result->steps = working->steps;
}

void price_quantity(const struct price *price, const struct number *quantity,
                    struct price_result *result)
{
    struct number free_units;
    struct working working;

    check_magic(price, PRICE_MAGIC);
    check(price_usage(price) == PRICE_OF_QUANTITY);
    working_start(&working);
    number_start(&result->billed_quantity);
    number_set(&result->billed_quantity, quantity);
    number_start(&free_units);
    number_set(&free_units, &price->fields[FIELD_FREE_UNITS]);
    price_convert(price, &result->billed_quantity, &free_units, &working);
    number_end(&free_units);
    price_model(price, &result->billed_quantity, &working);
    finish(price, &working, result);
}

void price_events(const struct price *price, const struct number *values, size_t count,
                  struct price_result *result)
{
    struct working working;

    check_magic(price, PRICE_MAGIC);
    check(price_usage(price) == PRICE_OF_EVENTS && count <= PRICE_EVENTS_LIMIT);
    working_start(&working);
    number_start(&result->billed_quantity);
    price_percentage(price, values, count, &result->billed_quantity, &working);
    finish(price, &working, result);
}

void price_groups(const struct price *price, const struct price_group *groups, size_t count,
                  struct price_result *result)
{
    struct working working;

    check_magic(price, PRICE_MAGIC);
    check(price_usage(price) == PRICE_OF_GROUPS && count <= PRICE_GROUPS_LIMIT);
    working_start(&working);
    number_start(&result->billed_quantity);
    price_matrix(price, groups, count, &result->billed_quantity, &working);
    finish(price, &working, result);
}

void price_result_end(struct price_result *result)
{
    number_end(&result->amount);
    number_end(&result->billed_quantity);
    json_decref(result->steps);
    result->steps = NULL;
}

enum price_usage price_usage(const struct price *price)
{
    check_magic(price, PRICE_MAGIC);
    return price->model == MODEL_PERCENTAGE ? PRICE_OF_EVENTS
           : price->model == MODEL_MATRIX   ? PRICE_OF_GROUPS
                                            : PRICE_OF_QUANTITY;
}

size_t price_dimension_count(const struct price *price)
{
    check_magic(price, PRICE_MAGIC);
    return price->dimension_count;
}

const char *price_dimension(const struct price *price, size_t i)
{
    check(i < price_dimension_count(price));
    return price->dimensions[i];
}

bool price_unit_amount(const struct price *price, struct number *amount)
{
    check_magic(price, PRICE_MAGIC);
    if (price->model != MODEL_FLAT && price->model != MODEL_UNIT)
        return false;
    number_set(amount,
               &price->fields[price->model == MODEL_FLAT ? FIELD_AMOUNT : FIELD_UNIT_AMOUNT]);
    return true;
}
