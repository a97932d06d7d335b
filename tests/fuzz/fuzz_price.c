/* Any bytes as a price: it is refused with a code and a pointer, or it prices every quantity. More
 * is never billed as less, and the steps add up to the amount. */
#include <stdint.h>

#include <jansson.h>

#include "common/check.h"
#include "daemon/rating/price.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_steps(const struct price_result *result)
{
    char amount[NUMBER_TEXT_SIZE], sum_text[NUMBER_TEXT_SIZE];
    struct number sum, part;
    const json_t *step;
    size_t i;

    number_start(&sum);
    number_start(&part);
    json_array_foreach(result->steps, i, step)
    {
        const char *text = json_string_value(json_object_get(step, "amount"));
        if (text == NULL)
            continue;
        check(number_parse_stored(&part, slice_of(text)));
        number_add(&sum, &sum, &part);
    }
    number_write(&result->amount, amount);
    number_write(&sum, sum_text);
    check(strcmp(amount, sum_text) == 0);
    number_end(&part);
    number_end(&sum);
}

/* `billed` is what of a smaller quantity was billed, and becomes what of this one is. */
static void evaluate(const struct price *price, const char *usage, struct number *billed)
{
    struct price_group groups[2] = {0};
    struct price_result result;
    struct number value;

    number_start(&value);
    check(number_parse(&value, slice_of(usage)));
    switch (price_usage(price)) {
    case PRICE_OF_EVENTS:
        price_events(price, &value, 1, &result);
        break;
    case PRICE_OF_GROUPS: /* what has no values, and what has those that the dictionary knows */
        for (size_t i = 0; i < 2; i++)
            groups[i].quantity = value;
        for (size_t i = 0; i < PRICE_DIMENSIONS_LIMIT; i++)
            groups[1].values[i] = "hk";
        price_groups(price, groups, 2, &result);
        break;
    case PRICE_OF_QUANTITY:
        price_quantity(price, &value, &result);
        break;
    }
    check(number_sign(&result.amount) >= 0);
    check(number_compare(&result.billed_quantity, billed) >= 0);
    number_set(billed, &result.billed_quantity);
    check_steps(&result);
    price_result_end(&result);
    number_end(&value);
}

static void evaluate_all(const struct price *price)
{
    static const char *const usages[] = {"-1",  "0",      "0.000000000001",
                                         "9.5", "1234.5", "999999999999999999.999999999999"};
    struct number billed;

    number_start(&billed);
    for (size_t i = 0; i < sizeof usages / sizeof usages[0]; i++)
        evaluate(price, usages[i], &billed);
    number_end(&billed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *document = json_loadb((const char *)data, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    struct price_error error = {0};
    struct price *price;

    if (document == NULL)
        return 0;
    price = price_read(document, &error);
    check(price != NULL || (error.code != NULL && error.detail[0] != '\0'));
    if (price != NULL)
        evaluate_all(price);
    price_free(&price);
    json_decref(document);
    return 0;
}
