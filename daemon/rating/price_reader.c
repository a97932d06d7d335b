#include "daemon/rating/price_reader.h"

#include <stdio.h>
#include <string.h>

enum { FREE_EVENTS_LIMIT = 1000000000, INTEGER_TEXT_SIZE = 24 };

static const struct {
    const char *code;
    const char *detail;
} problems[] = {
    [PRICE_NOT_OBJECT] = {"price_not_object", "A price is a JSON object."},
    [MODEL_UNKNOWN] = {"model_unknown", "The model must be flat, unit, graduated, volume, package, "
                                        "percentage, graduated_percentage or matrix."},
    [FIELD_UNKNOWN] = {"field_unknown", "The price's model has no such field."},
    [FIELD_MISSING] = {"field_missing", "The price's model needs this field."},
    [NUMBER_REAL] = {"number_must_be_string",
                     "Write the number as a string: a JSON number with a fraction is not exact."},
    [NUMBER_INVALID] = {"number_invalid", "A number is a string of 1 to 18 digits, with at most 12 "
                                          "more after a point, or a JSON integer."},
    [NUMBER_NEGATIVE] = {"amount_negative", "The number must not be below 0."},
    [NUMBER_NOT_POSITIVE] = {"number_not_positive", "The number must be above 0."},
    [PERCENT_ABOVE_HUNDRED] = {"percent_above_hundred", "A discount is at most 100 per cent."},
    [COUNT_INVALID] = {"count_invalid", "The number must be whole, from 0 to 1000000000."},
    [ROUND_UNKNOWN] = {"round_unknown", "Rounding must be up, down or nearest."},
    [MAXIMUM_BELOW_MINIMUM] = {"maximum_below_minimum", "The maximum lies below the minimum."},
    [TIERS_INVALID] = {"tiers_invalid", "Tiers are an array of 1 to 100 objects."},
    [TIERS_NOT_ASCENDING] = {"tiers_not_ascending",
                             "A tier must end above the end of the one before it, the first above "
                             "0."},
    [TIER_OPEN_TOO_EARLY] = {"tier_open_too_early", "Only the last tier can be open."},
    [TIERS_LAST_NOT_OPEN] = {"tiers_last_not_open", "The last tier must be open: null."},
    [DIMENSIONS_INVALID] = {"dimensions_invalid",
                            "Dimensions are an array of 1 to 5 names, each of them once."},
    [CELLS_INVALID] = {"cells_invalid", "Cells are an array of 1 to 1000 objects."},
    [CELL_VALUE_INVALID] = {"cell_value_invalid",
                            "A cell's values are an object of the price's dimensions: texts of at "
                            "most 256 bytes, or null for events without one."},
    [CELL_GIVEN_TWICE] = {"cell_given_twice", "A cell before it has the same values."},
    [CELL_OPEN_TOO_EARLY] = {"cell_open_too_early", "Only the last cell can be for all else: {}."},
    [CELLS_LAST_NOT_OPEN] = {"cells_last_not_open", "The last cell must be for all else: {}."},
};

_Static_assert(PRICE_TIERS_LIMIT == 100 && FREE_EVENTS_LIMIT == 1000000000 &&
                   PRICE_DIMENSIONS_LIMIT == 5 && PRICE_CELLS_LIMIT == 1000,
               "the details above name the limits");

bool price_refuse(struct price_error *error, enum price_problem problem, struct price_place place)
{
    const char *name = place.name;

    if (name != NULL && (strlen(place.parent) + 1 + strlen(name) >= sizeof error->pointer ||
                         strpbrk(name, "~/") != NULL))
        name = NULL;
    error->code = problems[problem].code;
    snprintf(error->pointer, sizeof error->pointer, "%s%s%s", place.parent, name == NULL ? "" : "/",
             name == NULL ? "" : name);
    snprintf(error->detail, sizeof error->detail, "%s", problems[problem].detail);
    return false;
}

static bool parse_integer(json_int_t value, struct number *to)
{
    char text[INTEGER_TEXT_SIZE];

    snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, value);
    return number_parse(to, slice_of(text));
}

static enum price_problem parse_number(const json_t *value, struct number *to)
{
    struct slice text = {json_string_value(value), json_string_length(value)};

    if (json_is_real(value))
        return NUMBER_REAL;
    if (json_is_integer(value) ? parse_integer(json_integer_value(value), to)
                               : number_parse(to, text))
        return NO_PROBLEM;
    return NUMBER_INVALID;
}

static bool above(const struct number *number, long bound)
{
    struct number limit;
    bool result;

    number_start(&limit);
    number_set_integer(&limit, bound);
    result = number_compare(number, &limit) > 0;
    number_end(&limit);
    return result;
}

static enum price_problem check_rule(const struct number *number, enum price_rule rule)
{
    if (rule == POSITIVE && number_sign(number) <= 0)
        return NUMBER_NOT_POSITIVE;
    if (number_sign(number) < 0)
        return NUMBER_NEGATIVE;
    if (rule == PERCENT && above(number, 100))
        return PERCENT_ABOVE_HUNDRED;
    if (rule == COUNT && (!number_ends_within(number, 0) || above(number, FREE_EVENTS_LIMIT)))
        return COUNT_INVALID;
    return NO_PROBLEM;
}

bool price_read_number(const json_t *value, enum price_rule rule, struct price_place place,
                       struct number *to, struct price_error *error)
{
    enum price_problem problem = parse_number(value, to);

    if (problem == NO_PROBLEM)
        problem = check_rule(to, rule);
    return problem == NO_PROBLEM || price_refuse(error, problem, place);
}
