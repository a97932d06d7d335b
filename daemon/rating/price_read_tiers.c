#include <stdio.h>
#include <string.h>

#include "common/memory.h"
#include "daemon/rating/price_internal.h"
#include "daemon/rating/price_reader.h"

static const char *tier_each_name(const struct price *price)
{
    return price->model == MODEL_GRADUATED_PERCENTAGE ? "rate" : "unit_amount";
}

/* One of the two amounts may be left out, and is 0 then. */
static bool read_tier_amounts(const struct price *price, struct price_tier *tier,
                              const json_t *object, const char *parent, struct price_error *error)
{
    struct price_place place = {parent, tier_each_name(price)};
    const json_t *each = json_object_get(object, place.name);
    const json_t *flat_amount = json_object_get(object, "flat_amount");

    if (each == NULL && flat_amount == NULL)
        return price_refuse(error, FIELD_MISSING, place);
    if (each != NULL && !price_read_number(each, NOT_NEGATIVE, place, &tier->each, error))
        return false;
    place.name = "flat_amount";
    return flat_amount == NULL ||
           price_read_number(flat_amount, NOT_NEGATIVE, place, &tier->flat_amount, error);
}

static bool read_tier_end(const struct price *price, size_t i, const json_t *value,
                          const char *parent, struct price_error *error)
{
    struct price_place place = {parent, "up_to"};
    struct price_tier *tier = &price->tiers[i];
    bool last = i + 1 == price->tier_count;

    tier->open = json_is_null(value);
    if (value == NULL)
        return price_refuse(error, FIELD_MISSING, place);
    if (tier->open)
        return last || price_refuse(error, TIER_OPEN_TOO_EARLY, place);
    if (!price_read_number(value, NOT_NEGATIVE, place, &tier->up_to, error))
        return false;
    if (i == 0 ? number_sign(&tier->up_to) == 0
               : number_compare(&tier->up_to, &price->tiers[i - 1].up_to) <= 0)
        return price_refuse(error, TIERS_NOT_ASCENDING, place);
    return !last || price_refuse(error, TIERS_LAST_NOT_OPEN, place);
}

static bool read_tier(const struct price *price, size_t i, json_t *object,
                      struct price_error *error)
{
    char parent[sizeof error->pointer];
    const char *name;
    const json_t *value;

    snprintf(parent, sizeof parent, "/tiers/%zu", i);
    if (!json_is_object(object))
        return price_refuse(error, TIERS_INVALID, (struct price_place){parent, NULL});
    json_object_foreach(object, name, value)
    {
        if (strcmp(name, "up_to") != 0 && strcmp(name, "flat_amount") != 0 &&
            strcmp(name, tier_each_name(price)) != 0)
            return price_refuse(error, FIELD_UNKNOWN, (struct price_place){parent, name});
    }
    return read_tier_amounts(price, &price->tiers[i], object, parent, error) &&
           read_tier_end(price, i, json_object_get(object, "up_to"), parent, error);
}

bool price_read_tiers(struct price *price, const json_t *array, struct price_error *error)
{
    struct price_place place = {"", "tiers"};
    size_t count = json_array_size(array);

    if (array == NULL)
        return price_refuse(error, FIELD_MISSING, place);
    if (count < 1 || count > PRICE_TIERS_LIMIT)
        return price_refuse(error, TIERS_INVALID, place);
    price->tiers = memory_allocate(count, sizeof *price->tiers);
    price->tier_count = count;
    for (size_t i = 0; i < count; i++) {
        number_start(&price->tiers[i].up_to);
        number_start(&price->tiers[i].each);
        number_start(&price->tiers[i].flat_amount);
    }
    for (size_t i = 0; i < count; i++)
        if (!read_tier(price, i, json_array_get(array, i), error))
            return false;
    return true;
}
