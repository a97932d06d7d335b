#include "daemon/rating/price_internal.h"

/* The last tier is open, so there is always one that holds the quantity. */
static size_t tier_holding(const struct price *price, const struct number *quantity)
{
    size_t i = 0;

    while (!price->tiers[i].open && number_compare(quantity, &price->tiers[i].up_to) > 0)
        i++;
    return i;
}

/* Prices `quantity` at one tier and writes the step. */
static void charge_tier(const struct price *price, size_t i, const struct number *quantity,
                        struct working *working)
{
    const struct price_tier *tier = &price->tiers[i];
    bool per_cent = price->model == MODEL_GRADUATED_PERCENTAGE;
    json_t *step = working_step(working, "tier");
    struct number amount;

    number_start(&amount);
    step_count(step, "number", i + 1);
    step_number(step, "from", i == 0 ? &amount : &price->tiers[i - 1].up_to);
    if (tier->open)
        step_null(step, "to");
    else
        step_number(step, "to", &tier->up_to);
    step_number(step, "quantity", quantity);
    step_number(step, per_cent ? "rate" : "unit_amount", &tier->each);
    step_number(step, "flat_amount", &tier->flat_amount);

    if (per_cent)
        number_percent(&amount, quantity, &tier->each);
    else
        number_multiply(&amount, quantity, &tier->each);
    number_add(&amount, &amount, &tier->flat_amount);
    working_charge(working, step, &amount);
    number_end(&amount);
}

/* A tier is entered by a quantity above the limit of the one before it; the first one always, save
 * that a percentage of nothing costs nothing. */
void price_graduated(const struct price *price, const struct number *quantity,
                     struct working *working)
{
    size_t last = tier_holding(price, quantity);
    struct number slice;

    if (price->model == MODEL_GRADUATED_PERCENTAGE && number_sign(quantity) == 0)
        return;
    number_start(&slice);
    for (size_t i = 0; i <= last; i++) {
        number_set(&slice, i == last ? quantity : &price->tiers[i].up_to);
        if (i > 0)
            number_subtract(&slice, &slice, &price->tiers[i - 1].up_to);
        charge_tier(price, i, &slice, working);
    }
    number_end(&slice);
}

void price_volume(const struct price *price, const struct number *quantity, struct working *working)
{
    charge_tier(price, tier_holding(price, quantity), quantity, working);
}
