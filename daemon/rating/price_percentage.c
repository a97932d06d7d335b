#include "daemon/rating/price_internal.h"

#include <limits.h>

#include "common/check.h"

/* Pricing under way: what is left of the freedoms, the event in hand, and what the events that get
 * no step of their own come to. */
struct percentage {
    const struct price *price;
    struct working *working;
    bool free;          /* the freedoms are not used up */
    size_t free_events; /* 0 for no limit */
    struct number amount_left;
    struct number units_left; /* of free_units */

    struct number quantity;   /* the value after the modifiers */
    struct number free_value; /* the part of it that is free */
    struct number fixed;      /* the fixed amount that this event pays */
    struct number charge;
    const char *clamp; /* name and value of the limit that set the charge; NULL for none */
    const struct number *limit;

    size_t summed;
    struct number summed_value, summed_quantity, summed_free_value;
};

static void percentage_start(struct percentage *state, const struct price *price,
                             struct working *working)
{
    const struct number *free_events = &price->fields[FIELD_FREE_EVENTS];

    *state = (struct percentage){.price = price, .working = working};
    number_start(&state->amount_left);
    number_start(&state->units_left);
    number_start(&state->quantity);
    number_start(&state->free_value);
    number_start(&state->fixed);
    number_start(&state->charge);
    number_start(&state->summed_value);
    number_start(&state->summed_quantity);
    number_start(&state->summed_free_value);

    state->free_events = number_whole(free_events, ULONG_MAX);
    number_set(&state->amount_left, &price->fields[FIELD_FREE_AMOUNT]);
    number_set(&state->units_left, &price->fields[FIELD_FREE_UNITS]);
    state->free = state->free_events > 0 || number_sign(&state->amount_left) > 0;
}

static void percentage_end(struct percentage *state)
{
    number_end(&state->amount_left);
    number_end(&state->units_left);
    number_end(&state->quantity);
    number_end(&state->free_value);
    number_end(&state->fixed);
    number_end(&state->charge);
    number_end(&state->summed_value);
    number_end(&state->summed_quantity);
    number_end(&state->summed_free_value);
}

/* Sets `free_value` and uses up the freedoms; true when the whole event is free. */
static bool take_freedom(struct percentage *state, size_t index)
{
    bool whole = true;

    number_set_integer(&state->free_value, 0);
    if (state->free_events > 0 && index >= state->free_events)
        state->free = false;
    if (!state->free)
        return false;
    number_set(&state->free_value, &state->quantity);
    if (number_sign(&state->price->fields[FIELD_FREE_AMOUNT]) > 0) {
        whole = number_compare(&state->quantity, &state->amount_left) <= 0;
        if (!whole)
            number_set(&state->free_value, &state->amount_left);
        number_subtract(&state->amount_left, &state->amount_left, &state->free_value);
        state->free = number_sign(&state->amount_left) > 0;
    }
    return whole;
}

static void clamp_charge(struct percentage *state)
{
    const struct price *price = state->price;
    const struct number *least = &price->fields[FIELD_PER_EVENT_MIN];
    const struct number *most = &price->fields[FIELD_PER_EVENT_MAX];

    if (price->given[FIELD_PER_EVENT_MIN] && number_compare(&state->charge, least) < 0) {
        state->clamp = "per_event_min";
        state->limit = least;
    } else if (price->given[FIELD_PER_EVENT_MAX] && number_compare(&state->charge, most) > 0) {
        state->clamp = "per_event_max";
        state->limit = most;
    }
    if (state->clamp != NULL)
        number_set(&state->charge, state->limit);
}

static void price_event(struct percentage *state, const struct number *value, size_t index)
{
    const struct price *price = state->price;

    number_set(&state->quantity, value);
    price_convert(price, &state->quantity, &state->units_left, NULL);
    number_set_integer(&state->fixed, 0);
    number_set_integer(&state->charge, 0);
    state->clamp = NULL;
    if (take_freedom(state, index))
        return;
    number_set(&state->fixed, &price->fields[FIELD_FIXED_AMOUNT]);
    number_subtract(&state->charge, &state->quantity, &state->free_value);
    number_percent(&state->charge, &state->charge, &price->fields[FIELD_RATE]);
    number_add(&state->charge, &state->charge, &state->fixed);
    clamp_charge(state);
}

static void write_event(struct percentage *state, const struct number *value, size_t index)
{
    json_t *step = working_step(state->working, "event");

    step_count(step, "number", index + 1);
    step_number(step, "value", value);
    if (number_compare(value, &state->quantity) != 0)
        step_number(step, "quantity", &state->quantity);
    step_number(step, "free_value", &state->free_value);
    step_number(step, "rate", &state->price->fields[FIELD_RATE]);
    step_number(step, "fixed_amount", &state->fixed);
    if (state->clamp != NULL)
        step_number(step, state->clamp, state->limit);
    working_charge(state->working, step, &state->charge);
}

static void sum_event(struct percentage *state, const struct number *value)
{
    state->summed++;
    number_add(&state->summed_value, &state->summed_value, value);
    number_add(&state->summed_quantity, &state->summed_quantity, &state->quantity);
    number_add(&state->summed_free_value, &state->summed_free_value, &state->free_value);
    working_charge(state->working, NULL, &state->charge);
}

static void write_sum(struct percentage *state)
{
    json_t *step = working_step(state->working, "events");

    step_count(step, "number", PRICE_STEPS_LIMIT + 1);
    step_count(step, "events", state->summed);
    step_number(step, "value", &state->summed_value);
    step_number(step, "quantity", &state->summed_quantity);
    step_number(step, "free_value", &state->summed_free_value);
    number_set_integer(&state->charge, 0);
    working_charge(state->working, step, &state->charge); /* the silent amounts come out here */
}

void price_percentage(const struct price *price, const struct number *values, size_t count,
                      struct number *billed, struct working *working)
{
    struct percentage state;

    percentage_start(&state, price, working);
    for (size_t i = 0; i < count; i++) {
        price_event(&state, &values[i], i);
        number_add(billed, billed, &state.quantity);
        if (i < PRICE_STEPS_LIMIT)
            write_event(&state, &values[i], i);
        else
            sum_event(&state, &values[i]);
    }
    if (state.summed > 0)
        write_sum(&state);
    percentage_end(&state);
}
