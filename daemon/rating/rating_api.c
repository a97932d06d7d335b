#include <stdio.h>
#include <string.h>

#include "common/memory.h"
#include "daemon/http/request.h"
#include "daemon/rating/price.h"
#include "operations.h"

enum { CURRENCY_DIGITS = 2 };

/* A number as the contract lets it be spelled: "1.5" or 2. The schema has checked its form. */
static void read_number(const json_t *value, struct number *number)
{
    if (json_is_integer(value)) {
        number_set_integer(number, (long)json_integer_value(value));
        return;
    }
    number_parse(number, slice_of(json_string_value(value)));
}

static void apply_quantity(const struct price *price, const json_t *given,
                           struct price_result *result)
{
    struct number quantity;

    number_start(&quantity);
    read_number(given, &quantity);
    price_quantity(price, &quantity, result);
    number_end(&quantity);
}

static void apply_events(const struct price *price, const json_t *given,
                         struct price_result *result)
{
    size_t count = json_array_size(given);
    struct number *values = memory_allocate(count + 1, sizeof *values);

    for (size_t i = 0; i < count; i++) {
        number_start(&values[i]);
        read_number(json_array_get(given, i), &values[i]);
    }
    price_events(price, values, count, result);
    for (size_t i = 0; i < count; i++)
        number_end(&values[i]);
    memory_free(values);
}

static void apply_groups(const struct price *price, const json_t *given,
                         struct price_result *result)
{
    size_t count = json_array_size(given);
    struct price_group *groups = memory_allocate(count + 1, sizeof *groups);

    for (size_t i = 0; i < count; i++) {
        const json_t *group = json_array_get(given, i), *values = json_object_get(group, "values");
        for (size_t j = 0; j < price_dimension_count(price); j++)
            groups[i].values[j] =
                json_string_value(json_object_get(values, price_dimension(price, j)));
        number_start(&groups[i].quantity);
        read_number(json_object_get(group, "quantity"), &groups[i].quantity);
    }
    price_groups(price, groups, count, result);
    for (size_t i = 0; i < count; i++)
        number_end(&groups[i].quantity);
    memory_free(groups);
}

/* How the body names what is priced, and who does it. */
static const struct {
    const char *name;
    void (*apply)(const struct price *price, const json_t *given, struct price_result *result);
    const char *detail;
} usages[] = {
    [PRICE_OF_QUANTITY] = {"quantity", apply_quantity,
                           "This price is of a quantity: give \"quantity\" alone."},
    [PRICE_OF_EVENTS] = {"events", apply_events,
                         "This price is of single events: give \"events\" alone."},
    [PRICE_OF_GROUPS] = {"groups", apply_groups,
                         "This price is of dimensions: give \"groups\" alone."},
};

enum { USAGES = sizeof usages / sizeof usages[0] };

static enum step answer(struct request *request, const struct price *price)
{
    char amount[NUMBER_TEXT_SIZE], rounded[NUMBER_TEXT_SIZE];
    enum price_usage usage = price_usage(price);
    struct price_result result;
    json_t *document;
    enum step next;

    usages[usage].apply(price, json_object_get(request_body(request), usages[usage].name), &result);
    number_write(&result.amount, amount);
    number_write_fixed(&result.amount, CURRENCY_DIGITS, rounded);
    document = json_pack("{s:s, s:s, s:O}", "amount", amount, "currency_amount", rounded, "steps",
                         result.steps);
    next = request_answer_json(request, 200, document);
    json_decref(document);
    price_result_end(&result);
    return next;
}

static enum step refuse(struct request *request, const char *pointer, const char *code,
                        const char *detail)
{
    struct schema_errors *errors = arena_allocate(request_arena(request), 1, sizeof *errors);

    errors->count = errors->total = 1;
    snprintf(errors->list[0].pointer, sizeof errors->list[0].pointer, "%s", pointer);
    errors->list[0].code = arena_text(request_arena(request), code);
    errors->list[0].detail = arena_text(request_arena(request), detail);
    return request_refuse_at(request, "validation_failed", errors);
}

static bool has_dimension(const struct price *price, const char *name)
{
    for (size_t i = 0; i < price_dimension_count(price); i++)
        if (strcmp(price_dimension(price, i), name) == 0)
            return true;
    return false;
}

/* The first value of a group that the price has no dimension for; NULL where there is none. */
static const char *stray_value(struct request *request, const struct price *price)
{
    const json_t *groups = json_object_get(request_body(request), "groups");

    for (size_t i = 0; i < json_array_size(groups); i++) {
        json_t *values = json_object_get(json_array_get(groups, i), "values");
        for (void *at = json_object_iter(values); at != NULL;
             at = json_object_iter_next(values, at))
            if (!has_dimension(price, json_object_iter_key(at)))
                return arena_format(request_arena(request), "/groups/%zu/values", i);
    }
    return NULL;
}

static enum step check_and_answer(struct request *request, const struct price *price)
{
    enum price_usage wanted = price_usage(price);
    const char *stray;

    for (size_t i = 0; i < USAGES; i++)
        if ((json_object_get(request_body(request), usages[i].name) != NULL) != (i == wanted))
            return refuse(request, arena_format(request_arena(request), "/%s", usages[wanted].name),
                          "missing_field", usages[wanted].detail);
    stray = stray_value(request, price);
    return stray == NULL ? answer(request, price)
                         : refuse(request, stray, "unknown_field",
                                  "A group's values are of the price's dimensions.");
}

enum step operation_preview_price(struct request *request)
{
    const json_t *body = request_body(request);
    struct price_error wrong;
    struct price *price = price_read(json_object_get(body, "price"), &wrong);
    enum step next;

    if (price == NULL)
        return refuse(request, arena_format(request_arena(request), "/price%s", wrong.pointer),
                      wrong.code, wrong.detail);
    next = check_and_answer(request, price);
    price_free(&price);
    return next;
}
