#include <stdio.h>

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

static void apply(const struct price *price, const json_t *body, struct price_result *result)
{
    const json_t *events = json_object_get(body, "events");
    size_t count = json_array_size(events);
    struct number *values = memory_allocate(count + 1, sizeof *values);

    for (size_t i = 0; i <= count; i++) {
        number_start(&values[i]);
        if (i < count)
            read_number(json_array_get(events, i), &values[i]);
    }
    if (events == NULL)
        read_number(json_object_get(body, "quantity"), &values[0]);
    if (events == NULL)
        price_quantity(price, &values[0], result);
    else
        price_events(price, values, count, result);
    for (size_t i = 0; i <= count; i++)
        number_end(&values[i]);
    memory_free(values);
}

static enum step answer(struct request *request, const struct price *price)
{
    char amount[NUMBER_TEXT_SIZE], rounded[NUMBER_TEXT_SIZE];
    struct price_result result;
    json_t *document;
    enum step next;

    apply(price, request_body(request), &result);
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

enum step operation_preview_price(struct request *request)
{
    const json_t *body = request_body(request);
    bool events = json_object_get(body, "events") != NULL;
    bool quantity = json_object_get(body, "quantity") != NULL;
    struct price_error wrong;
    struct price *price = price_read(json_object_get(body, "price"), &wrong);
    enum step next;

    if (price == NULL)
        return refuse(request, arena_format(request_arena(request), "/price%s", wrong.pointer),
                      wrong.code, wrong.detail);
    bool wants_events = price_wants_events(price);
    if (events != wants_events || quantity == wants_events)
        next = refuse(request, wants_events ? "/events" : "/quantity", "missing_field",
                      wants_events ? "This price is of single events: give \"events\" alone."
                                   : "This price is of a quantity: give \"quantity\" alone.");
    else
        next = answer(request, price);
    price_free(&price);
    return next;
}
