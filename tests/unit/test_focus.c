#include "proto/focus.h"

#include <jansson.h>
#include <stdio.h>

#include "tests/unit/unit.h"

enum { ROW_LIMIT = 8192, PROPERTY_ROUNDS = 2000 };

static struct focus_line usual_line(void)
{
    struct focus_line line = {
        .description = "Rent, monthly",
        .description_zh = "月租",
        .tax_description = "VAT 6% on Rent",
        .tax_description_zh = "增值税 6%",
        .net = "61.36",
        .tax = "3.68",
        .amount = "61.3575",
        .billed_quantity = "121.5",
        .unit_amount = "0.505",
        .unit = "Seat-Days",
    };
    for (size_t i = 0; i < FOCUS_COLUMN_COUNT; i++)
        line.given[i] = "given";
    return line;
}

/* The field of a written row, by its column; the row has no quoted fields but the description. */
static const char *field(const char *row, const char *column, char text[FOCUS_UNIT_SIZE])
{
    size_t wanted = 0, place = 0;
    bool quoted = false;

    while (strcmp(focus_columns[wanted].name, column) != 0)
        wanted++;
    for (; place < wanted; row++) {
        if (*row == '"')
            quoted = !quoted;
        if (*row == ',' && !quoted)
            place++;
    }
    snprintf(text, FOCUS_UNIT_SIZE, "%.*s", (int)strcspn(row, ",\r"), row);
    return text;
}

TEST(focus_every_column_is_named_once)
{
    for (size_t i = 0; i < FOCUS_COLUMN_COUNT; i++) {
        EXPECT(focus_columns[i].name != NULL);
        for (size_t j = 0; j < i; j++)
            EXPECT(strcmp(focus_columns[i].name, focus_columns[j].name) != 0);
    }
}

TEST(focus_charge_row)
{
    struct buffer buffer = buffer_make(ROW_LIMIT);
    struct csv_writer writer = csv_writer_make(&buffer, false);
    struct focus_line line = usual_line();
    char text[FOCUS_UNIT_SIZE];

    focus_write_charge(&writer, &line);
    EXPECT_TEXT(field(buffer.data, "ChargeCategory", text), "Usage");
    EXPECT_TEXT(field(buffer.data, "BilledCost", text), "61.36");
    EXPECT_TEXT(field(buffer.data, "EffectiveCost", text), "61.36");
    EXPECT_TEXT(field(buffer.data, "ContractedCost", text), "61.3575");
    EXPECT_TEXT(field(buffer.data, "ListUnitPrice", text), "0.505");
    EXPECT_TEXT(field(buffer.data, "PricingQuantity", text), "121.5");
    EXPECT_TEXT(field(buffer.data, "PricingUnit", text), "Seat-Days");
    EXPECT_TEXT(field(buffer.data, "SkuPriceId", text), "given");
    EXPECT(strstr(buffer.data, ",\"Rent, monthly\",") != NULL);
    buffer_free(&buffer);
}

TEST(focus_tax_row_has_no_price)
{
    static const char *const empty[] = {
        "ConsumedQuantity", "ConsumedUnit", "ContractedUnitPrice", "ListUnitPrice",
        "PricingCategory",  "PricingUnit",  "PricingQuantity",     "SkuId",
        "SkuMeter",         "SkuPriceId",   "SkuPriceDetails",
    };
    struct buffer buffer = buffer_make(ROW_LIMIT);
    struct csv_writer writer = csv_writer_make(&buffer, false);
    struct focus_line line = usual_line();
    char text[FOCUS_UNIT_SIZE];

    focus_write_tax(&writer, &line);
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++)
        EXPECT_TEXT(field(buffer.data, empty[i], text), "NULL");
    EXPECT_TEXT(field(buffer.data, "ChargeCategory", text), "Tax");
    EXPECT_TEXT(field(buffer.data, "BilledCost", text), "3.68");
    EXPECT_TEXT(field(buffer.data, "ContractedCost", text), "3.68");
    EXPECT_TEXT(field(buffer.data, "ResourceId", text), "given");
    buffer_free(&buffer);
}

TEST(focus_credit_row_costs_what_was_billed)
{
    static const char *const costs[] = {"BilledCost", "EffectiveCost", "ListCost",
                                        "ContractedCost"};
    static const char *const empty[] = {"ConsumedQuantity", "ConsumedUnit", "PricingQuantity",
                                        "ListUnitPrice",    "SkuId",        "SkuPriceId"};
    struct buffer buffer = buffer_make(ROW_LIMIT);
    struct csv_writer writer = csv_writer_make(&buffer, false);
    struct focus_line line = usual_line();
    char text[FOCUS_UNIT_SIZE];

    line.credit = true;
    line.unit_amount = NULL;
    line.net = "-1.51";
    line.amount = "-1.505";
    focus_write_charge(&writer, &line);
    EXPECT_TEXT(field(buffer.data, "ChargeCategory", text), "Credit");
    for (size_t i = 0; i < sizeof costs / sizeof costs[0]; i++)
        EXPECT_TEXT(field(buffer.data, costs[i], text), "-1.51");
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++)
        EXPECT_TEXT(field(buffer.data, empty[i], text), "NULL");
    EXPECT_TEXT(field(buffer.data, "ResourceId", text), "given");
    EXPECT(strstr(buffer.data, ",\"Rent, monthly\",") != NULL);
    buffer_free(&buffer);
}

TEST(focus_never_writes_an_empty_text)
{
    struct buffer buffer = buffer_make(ROW_LIMIT);
    struct csv_writer writer = csv_writer_make(&buffer, false);
    struct focus_line line = usual_line();

    for (size_t i = 0; i < FOCUS_COLUMN_COUNT; i++)
        line.given[i] = i % 2 == 0 ? "" : NULL;
    focus_write_charge(&writer, &line);
    focus_write_tax(&writer, &line);
    EXPECT(strstr(buffer.data, ",,") == NULL && strstr(buffer.data, ",\r") == NULL);
    buffer_free(&buffer);
}

TEST(focus_a_price_that_is_more_than_a_unit_is_one_charge)
{
    struct focus_line line = usual_line();
    struct focus_pricing pricing;

    line.amount = "60"; /* a discount, say */
    focus_price(&line, &pricing);
    EXPECT_TEXT(pricing.quantity, "1");
    EXPECT_TEXT(pricing.unit_price, "60");
    EXPECT_TEXT(pricing.unit, "Charges");
    line.unit_amount = NULL;
    line.amount = "33.333333333333";
    focus_price(&line, &pricing);
    EXPECT_TEXT(pricing.unit_price, "33.333333333333");
    EXPECT_TEXT(pricing.cost, "33.333333333333");
}

TEST(focus_a_credit_has_a_positive_price)
{
    struct focus_line line = usual_line();
    struct focus_pricing pricing;

    line.unit_amount = NULL;
    line.amount = "-1.505";
    focus_price(&line, &pricing);
    EXPECT_TEXT(pricing.quantity, "-1");
    EXPECT_TEXT(pricing.unit_price, "1.505");
    EXPECT_TEXT(pricing.cost, "-1.505");
}

/* Whatever is billed, cost = unit price x quantity, exactly, and no price is negative. */
TEST(focus_cost_is_the_product)
{
    for (int round = 0; round < PROPERTY_ROUNDS; round++) {
        char texts[3][NUMBER_TEXT_SIZE];
        struct focus_line line = usual_line();
        struct focus_pricing pricing;
        struct number price, quantity, cost;

        for (size_t i = 0; i < 3; i++)
            snprintf(texts[i], NUMBER_TEXT_SIZE, "%s%u.%03u", i == 2 && round % 3 == 0 ? "-" : "",
                     (unsigned)unit_random_below(50), (unsigned)unit_random_below(1000));
        number_start(&price);
        number_start(&quantity);
        number_start(&cost);
        number_parse_stored(&price, slice_of(texts[0]));
        number_parse_stored(&quantity, slice_of(texts[1]));
        number_multiply(&cost, &price, &quantity);
        if (round % 2 == 0)
            number_write(&cost, texts[2]);
        line.unit_amount = texts[0];
        line.billed_quantity = texts[1];
        line.amount = texts[2];
        focus_price(&line, &pricing);
        EXPECT(pricing.unit_price[0] != '-');
        EXPECT(round % 2 != 0 || strcmp(pricing.unit_price, texts[0]) == 0);
        EXPECT(number_parse_stored(&price, slice_of(pricing.unit_price)));
        EXPECT(number_parse_stored(&quantity, slice_of(pricing.quantity)));
        EXPECT(number_parse_stored(&cost, slice_of(pricing.cost)));
        number_multiply(&price, &price, &quantity);
        EXPECT(number_compare(&price, &cost) == 0);
        number_end(&price);
        number_end(&quantity);
        number_end(&cost);
    }
}

TEST(focus_units)
{
    static const char *const valid[] = {
        "GB",      "Months",        "API Calls", "Seat-Days",
        "GB/Hour", "1000 Requests", "GiB-Hours", "Requests/5 Minutes"};
    static const char *const mended[][2] = {
        {"requests", "Requests"}, {"api calls", "Api Calls"},
        {"调用", "Units"},        {"", "Units"},
        {"席位 Seat", "Seat"},    {"3 GB-Hour", "GB Hour"},
        {"MB (down)", "MB Down"},
    };
    char text[FOCUS_UNIT_SIZE];

    for (size_t i = 0; i < sizeof valid / sizeof valid[0]; i++) {
        EXPECT(focus_unit_valid(valid[i]));
        focus_unit(valid[i], text);
        EXPECT_TEXT(text, valid[i]);
    }
    for (size_t i = 0; i < sizeof mended / sizeof mended[0]; i++) {
        EXPECT(!focus_unit_valid(mended[i][0]));
        focus_unit(mended[i][0], text);
        EXPECT_TEXT(text, mended[i][1]);
        EXPECT(focus_unit_valid(text));
    }
}

TEST(focus_a_converted_unit_shows_its_factor)
{
    struct focus_line line = usual_line();
    struct focus_pricing pricing;

    line.unit = "Bytes";
    line.divide_by = "1000000000";
    focus_price(&line, &pricing);
    EXPECT_TEXT(pricing.unit, "1000000000 Bytes");
    line.divide_by = "0.5";
    focus_price(&line, &pricing);
    EXPECT_TEXT(pricing.unit, "Units");
    line.divide_by = "1000";
    line.unit = "Seat-Days";
    focus_price(&line, &pricing);
    EXPECT_TEXT(pricing.unit, "Units");
}

TEST(focus_any_unit_conforms)
{
    static const char alphabet[] = "aZ9 -/.s\xe8";
    char unit[FOCUS_UNIT_SIZE + 40], text[FOCUS_UNIT_SIZE];

    for (int round = 0; round < PROPERTY_ROUNDS; round++) {
        size_t length = unit_random_below(sizeof unit - 1);
        for (size_t i = 0; i < length; i++)
            unit[i] = alphabet[unit_random_below(sizeof alphabet - 1)];
        unit[length] = '\0';
        focus_unit(unit, text);
        EXPECT(focus_unit_valid(text));
    }
}

TEST(focus_metadata_names_every_column)
{
    struct buffer buffer = buffer_make(1 << 16);
    json_t *document;

    focus_write_metadata(&buffer, "bccd", "bccd-focus-1", "2026-11-01T00:00:00Z", true);
    document = json_loadb(buffer.data, buffer.length, 0, NULL);
    const json_t *schema = json_object_get(document, "Schema");
    EXPECT_TEXT(json_string_value(json_object_get(schema, "FocusVersion")), "1.3");
    EXPECT_NUMBER(json_array_size(json_object_get(schema, "ColumnDefinition")), FOCUS_COLUMN_COUNT);
    json_decref(document);
    buffer_free(&buffer);
}
