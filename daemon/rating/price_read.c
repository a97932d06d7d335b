#include <string.h>

#include "common/check.h"
#include "common/memory.h"
#include "daemon/rating/price_internal.h"
#include "daemon/rating/price_reader.h"

#define ONLY(model) (1U << (model))
#define EVERY_MODEL (ONLY(MODEL_COUNT) - 1)

static const struct field {
    const char *name;
    enum price_rule rule;
    bool needed;     /* by the models that have it */
    unsigned models; /* a set of ONLY */
} fields[FIELD_COUNT] = {
    [FIELD_AMOUNT] = {"amount", NOT_NEGATIVE, true, ONLY(MODEL_FLAT)},
    [FIELD_UNIT_AMOUNT] = {"unit_amount", NOT_NEGATIVE, true, ONLY(MODEL_UNIT)},
    [FIELD_PACKAGE_SIZE] = {"package_size", POSITIVE, true, ONLY(MODEL_PACKAGE)},
    [FIELD_PACKAGE_AMOUNT] = {"package_amount", NOT_NEGATIVE, true, ONLY(MODEL_PACKAGE)},
    [FIELD_RATE] = {"rate", NOT_NEGATIVE, true, ONLY(MODEL_PERCENTAGE)},
    [FIELD_FIXED_AMOUNT] = {"fixed_amount", NOT_NEGATIVE, false, ONLY(MODEL_PERCENTAGE)},
    [FIELD_FREE_EVENTS] = {"free_events", COUNT, false, ONLY(MODEL_PERCENTAGE)},
    [FIELD_FREE_AMOUNT] = {"free_amount", NOT_NEGATIVE, false, ONLY(MODEL_PERCENTAGE)},
    [FIELD_PER_EVENT_MIN] = {"per_event_min", NOT_NEGATIVE, false, ONLY(MODEL_PERCENTAGE)},
    [FIELD_PER_EVENT_MAX] = {"per_event_max", NOT_NEGATIVE, false, ONLY(MODEL_PERCENTAGE)},
    [FIELD_FREE_UNITS] = {"free_units", NOT_NEGATIVE, false, EVERY_MODEL},
    [FIELD_DIVIDE_BY] = {"divide_by", POSITIVE, false, EVERY_MODEL},
    [FIELD_MINIMUM_AMOUNT] = {"minimum_amount", NOT_NEGATIVE, false, EVERY_MODEL},
    [FIELD_MAXIMUM_AMOUNT] = {"maximum_amount", NOT_NEGATIVE, false, EVERY_MODEL},
    [FIELD_DISCOUNT_PERCENT] = {"discount_percent", PERCENT, false, EVERY_MODEL},
};

static const char *const models[MODEL_COUNT] = {
    [MODEL_FLAT] = "flat",
    [MODEL_UNIT] = "unit",
    [MODEL_GRADUATED] = "graduated",
    [MODEL_VOLUME] = "volume",
    [MODEL_PACKAGE] = "package",
    [MODEL_PERCENTAGE] = "percentage",
    [MODEL_GRADUATED_PERCENTAGE] = "graduated_percentage",
    [MODEL_MATRIX] = "matrix",
};

static const char *const roundings[] = {
    [ROUND_UP] = "up", [ROUND_DOWN] = "down", [ROUND_NEAREST] = "nearest"};

/* The index of a string value in a list of names; `count` when it is not there. */
static size_t find_name(const json_t *value, const char *const names[], size_t count)
{
    const char *text = json_string_value(value);
    size_t i = 0;

    while (i < count && (text == NULL || strcmp(names[i], text) != 0))
        i++;
    return i;
}

static bool read_model(struct price *price, const json_t *document, struct price_error *error)
{
    struct price_place place = {"", "model"};
    const json_t *value = json_object_get(document, "model");
    size_t model = find_name(value, models, MODEL_COUNT);

    if (value == NULL)
        return price_refuse(error, FIELD_MISSING, place);
    if (model == MODEL_COUNT)
        return price_refuse(error, MODEL_UNKNOWN, place);
    price->model = (enum price_model)model;
    return true;
}

static bool has_tiers(const struct price *price)
{
    return price->model == MODEL_GRADUATED || price->model == MODEL_VOLUME ||
           price->model == MODEL_GRADUATED_PERCENTAGE;
}

static bool field_known(const struct price *price, const char *name)
{
    if (strcmp(name, "model") == 0 || strcmp(name, "round") == 0)
        return true;
    if (strcmp(name, "tiers") == 0)
        return has_tiers(price);
    if (strcmp(name, "dimensions") == 0 || strcmp(name, "cells") == 0)
        return price->model == MODEL_MATRIX;
    for (size_t i = 0; i < FIELD_COUNT; i++)
        if (strcmp(name, fields[i].name) == 0)
            return (fields[i].models & ONLY(price->model)) != 0;
    return false;
}

static bool check_names(const struct price *price, const json_t *document,
                        struct price_error *error)
{
    const char *name;
    const json_t *value;

    /* jansson has no iteration over a const object; nothing is changed here. */
    json_object_foreach((json_t *)document, name, value)
    {
        if (!field_known(price, name))
            return price_refuse(error, FIELD_UNKNOWN, (struct price_place){"", name});
    }
    return true;
}

static bool read_fields(struct price *price, const json_t *document, struct price_error *error)
{
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const json_t *value = json_object_get(document, fields[i].name);
        struct price_place place = {"", fields[i].name};

        price->given[i] = value != NULL;
        if (value != NULL &&
            !price_read_number(value, fields[i].rule, place, &price->fields[i], error))
            return false;
        if (value == NULL && fields[i].needed && (fields[i].models & ONLY(price->model)) != 0)
            return price_refuse(error, FIELD_MISSING, place);
    }
    return true;
}

static bool read_round(struct price *price, const json_t *document, struct price_error *error)
{
    const json_t *value = json_object_get(document, "round");
    size_t count = sizeof roundings / sizeof *roundings;
    size_t rounding = find_name(value, roundings, count);

    if (value == NULL)
        return true;
    if (rounding == count)
        return price_refuse(error, ROUND_UNKNOWN, (struct price_place){"", "round"});
    price->rounded = true;
    price->rounding = (enum rounding)rounding;
    return true;
}

static bool limits_agree(const struct price *price, enum price_field least, enum price_field most,
                         struct price_error *error)
{
    return !price->given[least] || !price->given[most] ||
           number_compare(&price->fields[least], &price->fields[most]) <= 0 ||
           price_refuse(error, MAXIMUM_BELOW_MINIMUM, (struct price_place){"", fields[most].name});
}

static bool read_price(struct price *price, const json_t *document, struct price_error *error)
{
    if (!json_is_object(document))
        return price_refuse(error, PRICE_NOT_OBJECT, (struct price_place){"", NULL});
    return read_model(price, document, error) && check_names(price, document, error) &&
           read_fields(price, document, error) && read_round(price, document, error) &&
           (!has_tiers(price) ||
            price_read_tiers(price, json_object_get(document, "tiers"), error)) &&
           (price->model != MODEL_MATRIX || price_read_matrix(price, document, error)) &&
           limits_agree(price, FIELD_MINIMUM_AMOUNT, FIELD_MAXIMUM_AMOUNT, error) &&
           limits_agree(price, FIELD_PER_EVENT_MIN, FIELD_PER_EVENT_MAX, error);
}

struct price *price_read(const json_t *document, struct price_error *error)
{
    struct price *price = memory_allocate(1, sizeof *price);

    price->magic = PRICE_MAGIC;
    for (size_t i = 0; i < FIELD_COUNT; i++)
        number_start(&price->fields[i]);
    if (!read_price(price, document, error))
        price_free(&price);
    return price;
}

void price_free(struct price **price)
{
    struct price *old = *price;

    if (old == NULL)
        return;
    check_magic(old, PRICE_MAGIC);
    for (size_t i = 0; i < FIELD_COUNT; i++)
        number_end(&old->fields[i]);
    for (size_t i = 0; i < old->tier_count; i++) {
        number_end(&old->tiers[i].up_to);
        number_end(&old->tiers[i].each);
        number_end(&old->tiers[i].flat_amount);
    }
    memory_free(old->tiers);
    for (size_t i = 0; i < old->cell_count; i++) {
        number_end(&old->cells[i].unit_amount);
        for (size_t j = 0; j < PRICE_DIMENSIONS_LIMIT; j++)
            memory_free(old->cells[i].matches[j].text);
    }
    memory_free(old->cells);
    for (size_t i = 0; i < old->dimension_count; i++)
        memory_free(old->dimensions[i]);
    old->magic = 0;
    memory_free(old);
    *price = NULL;
}

const char *price_rounding_name(enum rounding rounding)
{
    return roundings[rounding];
}
