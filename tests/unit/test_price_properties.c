/* What holds for any price, tried on random ones. */
#include "tests/unit/unit.h"

#include <stdarg.h>
#include <stdio.h>

#include <jansson.h>

#include "common/buffer.h"
#include "common/memory.h"
#include "daemon/rating/price.h"

enum { ROUNDS = 300, TIERS = 6, EVENTS = 20, DOCUMENT_LIMIT = 8192 };

/* A number of thousandths, 0 to `bound`, as text; one of a few static buffers in turn. */
static const char *random_text(uint64_t bound)
{
    static char texts[8][NUMBER_TEXT_SIZE];
    static unsigned next;
    char *text = texts[next++ % 8];
    unsigned long long value = unit_random_below(bound + 1);

    snprintf(text, NUMBER_TEXT_SIZE, "%llu.%03llu", value / 1000, value % 1000);
    return text;
}

static void set(struct number *number, const char *text)
{
    EXPECT(number_parse_stored(number, slice_of(text)));
}

static struct price *read_price(const struct buffer *document)
{
    json_t *json = json_loadb(document->data, document->length, 0, NULL);
    struct price_error error = {.code = "none"};
    struct price *price = price_read(json, &error);

    if (price == NULL)
        unit_failed(__FILE__, __LINE__, "%s: %s", error.code, document->data);
    json_decref(json);
    return price;
}

__attribute__((format(printf, 1, 2))) static struct price *make_price(const char *format, ...)
{
    char text[512];
    struct buffer document = buffer_make(DOCUMENT_LIMIT);
    struct price *price;
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    buffer_append_text(&document, text);
    price = read_price(&document);
    buffer_free(&document);
    return price;
}

static void amount_of(const struct price *price, const struct number *quantity,
                      struct number *amount)
{
    struct price_result result;

    price_quantity(price, quantity, &result);
    number_set(amount, &result.amount);
    price_result_end(&result);
}

/* Random tiers without flat amounts, and their limits: `count` closed ones and the open one. */
static struct price *make_graduated(struct number limits[TIERS], size_t count)
{
    struct buffer document = buffer_make(DOCUMENT_LIMIT);
    unsigned long end = 0;
    struct price *price;

    buffer_append_text(&document, "{\"model\":\"graduated\",\"tiers\":[");
    for (size_t i = 0; i < count; i++) {
        end += 1 + (unsigned long)unit_random_below(50);
        number_set_integer(&limits[i], (long)end);
        buffer_append_format(&document, "{\"up_to\":%lu,\"unit_amount\":\"%s\"},", end,
                             random_text(9000));
    }
    buffer_append_format(&document, "{\"up_to\":null,\"unit_amount\":\"%s\"}]}", random_text(9000));
    price = read_price(&document);
    buffer_free(&document);
    return price;
}

static void start_all(struct number *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        number_start(&numbers[i]);
}

static void end_all(struct number *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        number_end(&numbers[i]);
}

TEST(price_graduated_never_falls)
{
    struct number limits[TIERS], n[4]; /* two quantities and their amounts */

    start_all(limits, TIERS);
    start_all(n, 4);
    for (int i = 0; i < ROUNDS; i++) {
        struct price *price = make_graduated(limits, unit_random_below(TIERS));

        set(&n[0], random_text(200000));
        set(&n[1], random_text(200000));
        amount_of(price, &n[0], &n[2]);
        amount_of(price, &n[1], &n[3]);
        EXPECT(number_compare(&n[0], &n[1]) <= 0 ? number_compare(&n[2], &n[3]) <= 0
                                                 : number_compare(&n[2], &n[3]) >= 0);
        price_free(&price);
    }
    end_all(n, 4);
    end_all(limits, TIERS);
}

/* Around a limit the amount moves by no more than the dearest unit price, 9, times the way. */
TEST(price_graduated_does_not_jump_at_a_limit)
{
    enum { STEP, BOUND, QUANTITY, BELOW, ABOVE, COUNT };
    struct number limits[TIERS], n[COUNT];

    start_all(limits, TIERS);
    start_all(n, COUNT);
    set(&n[STEP], "0.000000000001");
    set(&n[BOUND], "0.000000000018");
    for (int i = 0; i < ROUNDS; i++) {
        size_t closed = 1 + unit_random_below(TIERS);
        const struct number *limit = &limits[unit_random_below(closed)];
        struct price *price = make_graduated(limits, closed);

        number_subtract(&n[QUANTITY], limit, &n[STEP]);
        amount_of(price, &n[QUANTITY], &n[BELOW]);
        number_add(&n[QUANTITY], limit, &n[STEP]);
        amount_of(price, &n[QUANTITY], &n[ABOVE]);
        number_subtract(&n[ABOVE], &n[ABOVE], &n[BELOW]);
        EXPECT(number_compare(&n[ABOVE], &n[BOUND]) <= 0);
        price_free(&price);
    }
    end_all(n, COUNT);
    end_all(limits, TIERS);
}

TEST(price_volume_of_one_open_tier_is_the_unit_price)
{
    struct number n[3];

    start_all(n, 3);
    for (int i = 0; i < ROUNDS; i++) {
        const char *each = random_text(99999);
        struct price *volume = make_price(
            "{\"model\":\"volume\",\"tiers\":[{\"up_to\":null,\"unit_amount\":\"%s\"}]}", each);
        struct price *unit = make_price("{\"model\":\"unit\",\"unit_amount\":\"%s\"}", each);

        set(&n[0], random_text(999999));
        amount_of(volume, &n[0], &n[1]);
        amount_of(unit, &n[0], &n[2]);
        EXPECT(number_compare(&n[1], &n[2]) == 0);
        price_free(&unit);
        price_free(&volume);
    }
    end_all(n, 3);
}

/* Packages of `size` units cost at least what the units would, and less than one package more. */
TEST(price_package_is_less_than_one_package_above_the_unit_price)
{
    enum { QUANTITY, PACKAGES, UNITS, EXCESS, ONE, COUNT };
    struct number n[COUNT];

    start_all(n, COUNT);
    for (int i = 0; i < ROUNDS; i++) {
        unsigned size = 1 + (unsigned)unit_random_below(40);
        const char *each = random_text(9999);
        struct price *package = make_price("{\"model\":\"package\",\"package_size\":%u,"
                                           "\"package_amount\":\"1%s\"}",
                                           size, each);
        struct price *unit = make_price("{\"model\":\"unit\",\"unit_amount\":\"1%s\","
                                        "\"divide_by\":%u}",
                                        each, size);

        set(&n[QUANTITY], random_text(99999));
        amount_of(package, &n[QUANTITY], &n[PACKAGES]);
        amount_of(unit, &n[QUANTITY], &n[UNITS]);
        EXPECT(price_unit_amount(unit, &n[ONE]));
        number_subtract(&n[EXCESS], &n[PACKAGES], &n[UNITS]);
        EXPECT(number_sign(&n[EXCESS]) >= 0 && number_compare(&n[EXCESS], &n[ONE]) < 0);
        price_free(&unit);
        price_free(&package);
    }
    end_all(n, COUNT);
}

static void events_amount(const struct price *price, const struct number *values, size_t count,
                          struct number *amount)
{
    struct price_result result;

    price_events(price, values, count, &result);
    number_set(amount, &result.amount);
    price_result_end(&result);
}

TEST(price_percentage_does_not_care_how_events_are_split)
{
    struct number values[EVENTS], n[3]; /* the sum of the values, the amounts */

    start_all(values, EVENTS);
    start_all(n, 3);
    for (int i = 0; i < ROUNDS; i++) {
        size_t count = 1 + unit_random_below(EVENTS);
        struct price *price =
            make_price("{\"model\":\"percentage\",\"rate\":\"%s\",\"divide_by\":\"1%s\"}",
                       random_text(30000), random_text(9000));

        number_set_integer(&n[0], 0);
        for (size_t j = 0; j < count; j++) {
            set(&values[j], random_text(999999));
            number_add(&n[0], &n[0], &values[j]);
        }
        events_amount(price, values, count, &n[1]);
        events_amount(price, &n[0], 1, &n[2]);
        EXPECT(number_compare(&n[1], &n[2]) == 0);
        price_free(&price);
    }
    end_all(n, 3);
    end_all(values, EVENTS);
}

static void add_model(struct buffer *document)
{
    static const char *const tiered[] = {"graduated", "volume", "graduated_percentage"};
    uint64_t choice = unit_random_below(6);
    const char *each = choice == 2 ? "rate" : "unit_amount";

    if (choice < 3)
        buffer_append_format(document,
                             "\"model\":\"%s\",\"tiers\":[{\"up_to\":\"1%s\",\"%s\":\"%s\","
                             "\"flat_amount\":\"%s\"},{\"up_to\":null,\"%s\":\"%s\"}]",
                             tiered[choice], random_text(9000), each, random_text(9000),
                             random_text(9000), each, random_text(9000));
    else if (choice == 3)
        buffer_append_format(document, "\"model\":\"unit\",\"unit_amount\":\"%s\"",
                             random_text(9000));
    else if (choice == 4)
        buffer_append_format(document,
                             "\"model\":\"package\",\"package_size\":\"1%s\","
                             "\"package_amount\":\"%s\"",
                             random_text(9000), random_text(9000));
    else
        buffer_append_format(document,
                             "\"model\":\"percentage\",\"rate\":\"%s\",\"fixed_amount\":\"%s\","
                             "\"free_events\":%u,\"free_amount\":\"%s\",\"per_event_max\":\"%s\"",
                             random_text(90000), random_text(900), (unsigned)unit_random_below(4),
                             random_text(90000), random_text(9000));
}

static void add_modifiers(struct buffer *document)
{
    static const char *const rounding[] = {"up", "down", "nearest"};

    if (unit_random_below(2) == 0)
        buffer_append_format(document, ",\"divide_by\":\"1%s\"", random_text(90000));
    if (unit_random_below(3) == 0)
        buffer_append_format(document, ",\"round\":\"%s\"", rounding[unit_random_below(3)]);
    if (unit_random_below(3) == 0)
        buffer_append_format(document, ",\"free_units\":\"%s\"", random_text(9000));
    if (unit_random_below(2) == 0)
        buffer_append_format(document, ",\"discount_percent\":\"%s\"", random_text(100000));
    if (unit_random_below(2) == 0)
        buffer_append_format(document, ",\"minimum_amount\":\"%s\"", random_text(9000));
    if (unit_random_below(2) == 0)
        buffer_append_format(document, ",\"maximum_amount\":\"9%s\"", random_text(90000));
}

static void expect_steps_add_up(const struct price_result *result, const char *document)
{
    char amount[NUMBER_TEXT_SIZE], sum_text[NUMBER_TEXT_SIZE];
    struct number n[2];
    const json_t *step;
    size_t i;

    start_all(n, 2);
    json_array_foreach(result->steps, i, step)
    {
        const char *text = json_string_value(json_object_get(step, "amount"));
        if (text != NULL) {
            set(&n[1], text);
            number_add(&n[0], &n[0], &n[1]);
        }
    }
    number_write(&result->amount, amount);
    number_write(&n[0], sum_text);
    if (strcmp(amount, sum_text) != 0)
        unit_failed(__FILE__, __LINE__, "steps come to %s, not %s: %s", sum_text, amount, document);
    end_all(n, 2);
}

TEST(price_steps_of_any_price_add_up)
{
    struct number values[EVENTS];

    start_all(values, EVENTS);
    for (int i = 0; i < ROUNDS * 5; i++) {
        struct buffer document = buffer_make(DOCUMENT_LIMIT);
        struct price_result result;
        struct price *price;

        buffer_append_text(&document, "{");
        add_model(&document);
        add_modifiers(&document);
        buffer_append_text(&document, "}");
        price = read_price(&document);
        for (size_t j = 0; j < EVENTS; j++)
            set(&values[j], random_text(99999));
        if (price_usage(price) == PRICE_OF_EVENTS)
            price_events(price, values, EVENTS, &result);
        else
            price_quantity(price, values, &result);
        EXPECT(number_sign(&result.amount) >= 0 && number_sign(&result.billed_quantity) >= 0);
        expect_steps_add_up(&result, document.data);
        price_result_end(&result);
        price_free(&price);
        buffer_free(&document);
    }
    end_all(values, EVENTS);
}
