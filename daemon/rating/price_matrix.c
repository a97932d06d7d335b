#include <string.h>

#include "common/check.h"
#include "common/memory.h"
#include "daemon/rating/price_internal.h"

static bool matches(const struct price_match *match, const char *value)
{
    if (match->any || value == NULL || match->text == NULL)
        return match->any || value == match->text;
    return strcmp(match->text, value) == 0;
}

static bool cell_holds(const struct price *price, const struct price_cell *cell,
                       const struct price_group *group)
{
    for (size_t i = 0; i < price->dimension_count; i++)
        if (!matches(&cell->matches[i], group->values[i]))
            return false;
    return true;
}

/* The last cell takes everything, so there is always one. */
static size_t cell_of(const struct price *price, const struct price_group *group)
{
    size_t i = 0;

    while (!cell_holds(price, &price->cells[i], group))
        i++;
    return i;
}

static json_t *cell_values(const struct price *price, const struct price_cell *cell)
{
    json_t *values = json_object();

    for (size_t i = 0; i < price->dimension_count; i++)
        if (!cell->matches[i].any)
            json_object_set_new(values, price->dimensions[i],
                                cell->matches[i].text == NULL ? json_null()
                                                              : json_string(cell->matches[i].text));
    return values;
}

static void charge_cell(const struct price *price, size_t i, const struct number *quantity,
                        struct working *working)
{
    const struct price_cell *cell = &price->cells[i];
    json_t *step = working_step(working, "cell");
    struct number amount;

    number_start(&amount);
    step_count(step, "number", i + 1);
    check(json_object_set_new(step, "values", cell_values(price, cell)) == 0);
    step_number(step, "quantity", quantity);
    step_number(step, "unit_amount", &cell->unit_amount);
    number_multiply(&amount, quantity, &cell->unit_amount);
    working_charge(working, step, &amount);
    number_end(&amount);
}

/* What falls into a cell is converted and rounded together; free units go to the cells in turn. */
void price_matrix(const struct price *price, const struct price_group *groups, size_t count,
                  struct number *billed, struct working *working)
{
    struct number *sums = memory_allocate(price->cell_count, sizeof *sums);
    struct number free_units;

    number_start(&free_units);
    number_set(&free_units, &price->fields[FIELD_FREE_UNITS]);
    for (size_t i = 0; i < price->cell_count; i++)
        number_start(&sums[i]);
    for (size_t i = 0; i < count; i++) {
        struct number *sum = &sums[cell_of(price, &groups[i])];
        number_add(sum, sum, &groups[i].quantity);
    }
    for (size_t i = 0; i < price->cell_count; i++) {
        if (number_sign(&sums[i]) != 0) {
            price_convert(price, &sums[i], &free_units, working);
            charge_cell(price, i, &sums[i], working);
            number_add(billed, billed, &sums[i]);
        }
        number_end(&sums[i]);
    }
    memory_free(sums);
    number_end(&free_units);
}
