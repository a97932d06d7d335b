#include <stdio.h>
#include <string.h>

#include "common/memory.h"
#include "daemon/rating/price_internal.h"
#include "daemon/rating/price_reader.h"

enum { VALUE_LENGTH = 256 }; /* bytes, as those of a meter's dimension */

static size_t find_dimension(const struct price *price, const char *name)
{
    size_t i = 0;

    while (i < price->dimension_count && strcmp(price->dimensions[i], name) != 0)
        i++;
    return i;
}

static bool read_dimensions(struct price *price, const json_t *array, struct price_error *error)
{
    struct price_place place = {"", "dimensions"};
    size_t count = json_array_size(array);

    if (array == NULL)
        return price_refuse(error, FIELD_MISSING, place);
    if (count < 1 || count > PRICE_DIMENSIONS_LIMIT)
        return price_refuse(error, DIMENSIONS_INVALID, place);
    for (size_t i = 0; i < count; i++) {
        const json_t *name = json_array_get(array, i);
        if (json_string_length(name) == 0 || json_string_length(name) > VALUE_LENGTH ||
            find_dimension(price, json_string_value(name)) < price->dimension_count)
            return price_refuse(error, DIMENSIONS_INVALID, place);
        price->dimensions[price->dimension_count++] = memory_text(json_string_value(name));
    }
    return true;
}

static bool read_values(const struct price *price, struct price_cell *cell, json_t *object,
                        const char *parent, struct price_error *error)
{
    const char *name;
    const json_t *value;

    if (!json_is_object(object))
        return price_refuse(error, CELL_VALUE_INVALID, (struct price_place){parent, NULL});
    json_object_foreach(object, name, value)
    {
        size_t i = find_dimension(price, name);
        if (i == price->dimension_count || (!json_is_string(value) && !json_is_null(value)) ||
            json_string_length(value) > VALUE_LENGTH)
            return price_refuse(error, CELL_VALUE_INVALID, (struct price_place){parent, name});
        cell->matches[i].any = false;
        if (json_is_string(value))
            cell->matches[i].text = memory_text(json_string_value(value));
    }
    return true;
}

static bool same_match(const struct price_match *one, const struct price_match *other)
{
    if (one->any || other->any || one->text == NULL || other->text == NULL)
        return one->any == other->any && one->text == other->text;
    return strcmp(one->text, other->text) == 0;
}

static bool same_values(const struct price_cell *one, const struct price_cell *other)
{
    for (size_t i = 0; i < PRICE_DIMENSIONS_LIMIT; i++)
        if (!same_match(&one->matches[i], &other->matches[i]))
            return false;
    return true;
}

static bool takes_everything(const struct price_cell *cell)
{
    bool any = true;

    for (size_t i = 0; i < PRICE_DIMENSIONS_LIMIT; i++)
        any = any && cell->matches[i].any;
    return any;
}

static bool check_place(const struct price *price, size_t i, const char *parent,
                        struct price_error *error)
{
    struct price_place place = {parent, NULL};
    bool last = i + 1 == price->cell_count, open = takes_everything(&price->cells[i]);

    if (open != last)
        return price_refuse(error, open ? CELL_OPEN_TOO_EARLY : CELLS_LAST_NOT_OPEN, place);
    for (size_t before = 0; before < i; before++)
        if (same_values(&price->cells[before], &price->cells[i]))
            return price_refuse(error, CELL_GIVEN_TWICE, place);
    return true;
}

static bool read_cell(struct price *price, size_t i, json_t *object, struct price_error *error)
{
    char parent[sizeof error->pointer], values[sizeof error->pointer];
    const char *name;
    const json_t *value;

    snprintf(parent, sizeof parent, "/cells/%zu", i);
    snprintf(values, sizeof values, "/cells/%zu/values", i);
    if (!json_is_object(object))
        return price_refuse(error, CELLS_INVALID, (struct price_place){parent, NULL});
    json_object_foreach(object, name, value)
    {
        if (strcmp(name, "values") != 0 && strcmp(name, "unit_amount") != 0)
            return price_refuse(error, FIELD_UNKNOWN, (struct price_place){parent, name});
    }
    value = json_object_get(object, "unit_amount");
    if (value == NULL || json_object_get(object, "values") == NULL)
        return price_refuse(error, FIELD_MISSING,
                            (struct price_place){parent, value == NULL ? "unit_amount" : "values"});
    return price_read_number(value, NOT_NEGATIVE, (struct price_place){parent, "unit_amount"},
                             &price->cells[i].unit_amount, error) &&
           read_values(price, &price->cells[i], json_object_get(object, "values"), values, error) &&
           check_place(price, i, values, error);
}

static bool read_cells(struct price *price, const json_t *array, struct price_error *error)
{
    struct price_place place = {"", "cells"};
    size_t count = json_array_size(array);

    if (array == NULL)
        return price_refuse(error, FIELD_MISSING, place);
    if (count < 1 || count > PRICE_CELLS_LIMIT)
        return price_refuse(error, CELLS_INVALID, place);
    price->cells = memory_allocate(count, sizeof *price->cells);
    price->cell_count = count;
    for (size_t i = 0; i < count; i++) {
        number_start(&price->cells[i].unit_amount);
        for (size_t j = 0; j < PRICE_DIMENSIONS_LIMIT; j++)
            price->cells[i].matches[j].any = true;
    }
    for (size_t i = 0; i < count; i++)
        if (!read_cell(price, i, json_array_get(array, i), error))
            return false;
    return true;
}

bool price_read_matrix(struct price *price, const json_t *document, struct price_error *error)
{
    return read_dimensions(price, json_object_get(document, "dimensions"), error) &&
           read_cells(price, json_object_get(document, "cells"), error);
}
