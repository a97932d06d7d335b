#include "proto/focus.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/check.h"

enum { NUMERIC_PRECISION = 30, NUMERIC_SCALE = 12, STRING_LENGTH = 1000 };

const struct focus_column focus_columns[FOCUS_COLUMN_COUNT] = {
    {"BilledCost", "DECIMAL", FOCUS_BILLED},
    {"BillingAccountId", "STRING", FOCUS_GIVEN},
    {"BillingAccountName", "STRING", FOCUS_GIVEN},
    {"BillingCurrency", "STRING", FOCUS_GIVEN},
    {"BillingPeriodEnd", "DATETIME", FOCUS_GIVEN},
    {"BillingPeriodStart", "DATETIME", FOCUS_GIVEN},
    {"ChargeCategory", "STRING", FOCUS_CATEGORY},
    {"ChargeClass", "STRING", FOCUS_GIVEN},
    {"ChargeDescription", "STRING", FOCUS_DESCRIPTION},
    {"ChargeFrequency", "STRING", FOCUS_GIVEN},
    {"ChargePeriodEnd", "DATETIME", FOCUS_GIVEN},
    {"ChargePeriodStart", "DATETIME", FOCUS_GIVEN},
    {"ConsumedQuantity", "DECIMAL", FOCUS_OF_CHARGE},
    {"ConsumedUnit", "STRING", FOCUS_CONSUMED_UNIT},
    {"ContractedCost", "DECIMAL", FOCUS_PRICED},
    {"ContractedUnitPrice", "DECIMAL", FOCUS_UNIT_PRICE},
    {"EffectiveCost", "DECIMAL", FOCUS_BILLED},
    {"HostProviderName", "STRING", FOCUS_GIVEN},
    {"InvoiceId", "STRING", FOCUS_GIVEN},
    {"InvoiceIssuerName", "STRING", FOCUS_GIVEN},
    {"ListCost", "DECIMAL", FOCUS_PRICED},
    {"ListUnitPrice", "DECIMAL", FOCUS_UNIT_PRICE},
    {"PricingCategory", "STRING", FOCUS_PRICING_CATEGORY},
    {"PricingQuantity", "DECIMAL", FOCUS_PRICING_QUANTITY},
    {"PricingUnit", "STRING", FOCUS_PRICING_UNIT},
    {"ProviderName", "STRING", FOCUS_GIVEN},
    {"PublisherName", "STRING", FOCUS_GIVEN},
    {"ResourceId", "STRING", FOCUS_GIVEN},
    {"ResourceName", "STRING", FOCUS_GIVEN},
    {"ResourceType", "STRING", FOCUS_GIVEN},
    {"ServiceCategory", "STRING", FOCUS_GIVEN},
    {"ServiceName", "STRING", FOCUS_GIVEN},
    {"ServiceProviderName", "STRING", FOCUS_GIVEN},
    {"ServiceSubcategory", "STRING", FOCUS_GIVEN},
    {"SkuId", "STRING", FOCUS_OF_CHARGE},
    {"SkuMeter", "STRING", FOCUS_OF_CHARGE},
    {"SkuPriceDetails", "JSON", FOCUS_OF_CHARGE},
    {"SkuPriceId", "STRING", FOCUS_OF_CHARGE},
    {"SubAccountId", "STRING", FOCUS_GIVEN},
    {"SubAccountName", "STRING", FOCUS_GIVEN},
    {"Tags", "JSON", FOCUS_GIVEN},
    {"x_ChargeDescriptionZh", "STRING", FOCUS_DESCRIPTION_ZH},
    {"x_ExactAmount", "DECIMAL", FOCUS_OF_CHARGE},
    {"x_InvoiceLine", "DECIMAL", FOCUS_GIVEN},
    {"x_InvoiceState", "STRING", FOCUS_GIVEN},
    {"x_IssuerNameZh", "STRING", FOCUS_GIVEN},
    {"x_OfferingCode", "STRING", FOCUS_GIVEN},
    {"x_OfferingNameZh", "STRING", FOCUS_GIVEN},
    {"x_OriginalPeriod", "STRING", FOCUS_GIVEN},
    {"x_ParkCode", "STRING", FOCUS_GIVEN},
    {"x_ParkNameZh", "STRING", FOCUS_GIVEN},
    {"x_TaxCategory", "STRING", FOCUS_GIVEN},
    {"x_TaxRate", "DECIMAL", FOCUS_GIVEN},
    {"x_TenantCode", "STRING", FOCUS_GIVEN},
    {"x_TenantNameZh", "STRING", FOCUS_GIVEN},
    {"x_TimeZone", "STRING", FOCUS_GIVEN},
    {"x_Unit", "STRING", FOCUS_GIVEN},
};

/* ---- Units: "GB", "API Calls", "Seat-Days", "GB/Hour", "1000 Requests", "GB/5 Minutes" ---- */

static const char *const sizes[] = {
    "b",  "Kb",  "Mb",  "Gb",  "Tb",  "Pb",  "Eb",  "B",   "KB",  "MB",  "GB",  "TB",  "PB",
    "EB", "Kib", "Mib", "Gib", "Tib", "Pib", "Eib", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB",
};

static const char *const times[] = {"Year", "Month", "Day", "Hour", "Minute", "Second"};

static bool is_upper(char character)
{
    return character >= 'A' && character <= 'Z';
}

static bool is_digit(char character)
{
    return character >= '0' && character <= '9';
}

static bool is_letter_or_digit(char character)
{
    return is_upper(character) || is_digit(character) || (character >= 'a' && character <= 'z');
}

/* A size, or words that begin with a capital each. */
static bool counts(struct slice text)
{
    bool start = true;

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        if (slice_is(text, sizes[i]))
            return true;
    for (size_t i = 0; i < text.length; i++) {
        if (start ? !is_upper(text.data[i])
                  : !is_letter_or_digit(text.data[i]) && text.data[i] != ' ')
            return false;
        start = text.data[i] == ' ';
    }
    return !start;
}

static bool is_time(struct slice text, bool plural)
{
    if (plural && (text.length == 0 || text.data[text.length - 1] != 's'))
        return false;
    text.length -= plural;
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        if (slice_is(text, times[i]))
            return true;
    return false;
}

/* Takes "12 " from the front; false when it does not stand there. */
static bool take_factor(struct slice *text)
{
    size_t digits = 0;

    while (digits < text->length && is_digit(text->data[digits]))
        digits++;
    if (digits == 0 || digits == text->length || text->data[digits] != ' ')
        return false;
    *text = (struct slice){text->data + digits + 1, text->length - digits - 1};
    return true;
}

bool focus_unit_valid(const char *unit)
{
    struct slice rest = slice_of(unit), before;

    if (slice_split(&rest, '/', &before)) {
        bool several = take_factor(&rest);
        return counts(before) && is_time(rest, several);
    }
    if (slice_split(&rest, '-', &before))
        return counts(before) && is_time(rest, true);
    take_factor(&rest);
    return counts(rest);
}

void focus_unit(const char *unit, char text[FOCUS_UNIT_SIZE])
{
    size_t length = 0;
    bool start = true;

    if (unit != NULL && strlen(unit) < FOCUS_UNIT_SIZE && focus_unit_valid(unit)) {
        snprintf(text, FOCUS_UNIT_SIZE, "%s", unit);
        return;
    }
    for (const char *at = unit == NULL ? "" : unit; *at != '\0' && length < FOCUS_UNIT_SIZE - 2;
         at++) {
        if (!is_letter_or_digit(*at)) {
            start = true;
        } else if (!start || !is_digit(*at)) {
            if (start && length > 0)
                text[length++] = ' ';
            text[length++] = start && !is_upper(*at) ? (char)(*at - 'a' + 'A') : *at;
            start = false;
        }
    }
    text[length] = '\0';
    if (length == 0)
        snprintf(text, FOCUS_UNIT_SIZE, "Units");
}

/* The unit of the billed quantity: "1000 Requests" where each counts for a thousand. */
static void pricing_unit(const struct focus_line *line, char text[FOCUS_UNIT_SIZE])
{
    char unit[FOCUS_UNIT_SIZE];
    int written;

    focus_unit(line->unit, unit);
    if (line->divide_by == NULL) {
        memcpy(text, unit, FOCUS_UNIT_SIZE);
        return;
    }
    written =
        snprintf(text, FOCUS_UNIT_SIZE, "%.*s %s", FOCUS_FACTOR_DIGITS, line->divide_by, unit);
    if (written >= FOCUS_UNIT_SIZE || strlen(line->divide_by) > FOCUS_FACTOR_DIGITS ||
        !focus_unit_valid(text))
        snprintf(text, FOCUS_UNIT_SIZE, "Units");
}

/* ---- Prices ---- */

static void read(struct number *number, const char *text)
{
    number_start(number);
    check(number_parse_stored(number, slice_of(text)));
}

static bool priced_by_unit(const struct focus_line *line, const struct number *amount)
{
    struct number unit_amount, product;
    bool same;

    if (line->unit_amount == NULL)
        return false;
    read(&unit_amount, line->unit_amount);
    read(&product, line->billed_quantity);
    number_multiply(&product, &product, &unit_amount);
    same = number_compare(&product, amount) == 0 && number_sign(&unit_amount) >= 0;
    number_end(&product);
    number_end(&unit_amount);
    return same;
}

void focus_price(const struct focus_line *line, struct focus_pricing *pricing)
{
    struct number amount;

    read(&amount, line->amount);
    number_write(&amount, pricing->cost);
    if (priced_by_unit(line, &amount)) {
        snprintf(pricing->quantity, sizeof pricing->quantity, "%s", line->billed_quantity);
        snprintf(pricing->unit_price, sizeof pricing->unit_price, "%s", line->unit_amount);
        pricing_unit(line, pricing->unit);
    } else {
        bool credit = number_sign(&amount) < 0;
        snprintf(pricing->quantity, sizeof pricing->quantity, credit ? "-1" : "1");
        snprintf(pricing->unit_price, sizeof pricing->unit_price, "%s", pricing->cost + credit);
        snprintf(pricing->unit, sizeof pricing->unit, "Charges");
    }
    number_end(&amount);
}

/* ---- Rows ---- */

static void write_value(struct csv_writer *writer, size_t column, const char *value)
{
    struct slice text = slice_of(value == NULL || value[0] == '\0' ? "NULL" : value);

    if (strcmp(focus_columns[column].type, "STRING") == 0)
        csv_write_text(writer, text);
    else
        csv_write_value(writer, text);
}

void focus_write_header(struct csv_writer *writer)
{
    for (size_t i = 0; i < FOCUS_COLUMN_COUNT; i++)
        csv_write_value(writer, slice_of(focus_columns[i].name));
    csv_end_row(writer);
}

static const char *charge_value(const struct focus_line *line, const struct focus_pricing *pricing,
                                const char *consumed_unit, size_t column)
{
    switch (focus_columns[column].origin) {
    case FOCUS_GIVEN:
    case FOCUS_OF_CHARGE:
        return line->given[column];
    case FOCUS_CATEGORY:
        return "Usage";
    case FOCUS_DESCRIPTION:
        return line->description;
    case FOCUS_DESCRIPTION_ZH:
        return line->description_zh;
    case FOCUS_BILLED:
        return line->net;
    case FOCUS_PRICED:
        return pricing->cost;
    case FOCUS_UNIT_PRICE:
        return pricing->unit_price;
    case FOCUS_PRICING_QUANTITY:
        return pricing->quantity;
    case FOCUS_PRICING_UNIT:
        return pricing->unit;
    case FOCUS_CONSUMED_UNIT:
        return consumed_unit;
    case FOCUS_PRICING_CATEGORY:
        return "Standard";
    }
    return NULL;
}

void focus_write_charge(struct csv_writer *writer, const struct focus_line *line)
{
    struct focus_pricing pricing;
    char consumed_unit[FOCUS_UNIT_SIZE];

    focus_price(line, &pricing);
    focus_unit(line->unit, consumed_unit);
    for (size_t i = 0; i < FOCUS_COLUMN_COUNT; i++)
        write_value(writer, i, charge_value(line, &pricing, consumed_unit, i));
    csv_end_row(writer);
}

static const char *tax_value(const struct focus_line *line, size_t column)
{
    switch (focus_columns[column].origin) {
    case FOCUS_GIVEN:
        return line->given[column];
    case FOCUS_CATEGORY:
        return "Tax";
    case FOCUS_DESCRIPTION:
        return line->tax_description;
    case FOCUS_DESCRIPTION_ZH:
        return line->tax_description_zh;
    case FOCUS_BILLED:
    case FOCUS_PRICED:
        return line->tax;
    case FOCUS_OF_CHARGE:
    case FOCUS_UNIT_PRICE:
    case FOCUS_PRICING_QUANTITY:
    case FOCUS_PRICING_UNIT:
    case FOCUS_CONSUMED_UNIT:
    case FOCUS_PRICING_CATEGORY:
        return NULL;
    }
    return NULL;
}

void focus_write_tax(struct csv_writer *writer, const struct focus_line *line)
{
    for (size_t i = 0; i < FOCUS_COLUMN_COUNT; i++)
        write_value(writer, i, tax_value(line, i));
    csv_end_row(writer);
}

/* ---- Metadata ---- */

static json_t *column_definition(const struct focus_column *column)
{
    json_t *definition =
        json_pack("{s:s, s:s}", "ColumnName", column->name, "DataType", column->type);

    if (strcmp(column->type, "DECIMAL") == 0) {
        json_object_set_new(definition, "NumericPrecision", json_integer(NUMERIC_PRECISION));
        json_object_set_new(definition, "NumberScale", json_integer(NUMERIC_SCALE));
    } else if (strcmp(column->type, "STRING") == 0) {
        json_object_set_new(definition, "StringMaxLength", json_integer(STRING_LENGTH));
        json_object_set_new(definition, "StringEncoding", json_string("UTF-8"));
    }
    return definition;
}

void focus_write_metadata(struct buffer *buffer, const char *generator, const char *schema_id,
                          const char *created_at, bool complete)
{
    json_t *columns = json_array(), *document;
    char *text;

    for (size_t i = 0; i < FOCUS_COLUMN_COUNT; i++)
        json_array_append_new(columns, column_definition(&focus_columns[i]));
    document = json_pack("{s:{s:s}, s:{s:s, s:s, s:s, s:o}, s:{s:s, s:b}}", "DataGenerator",
                         "DataGenerator", generator, "Schema", "SchemaId", schema_id,
                         "FocusVersion", "1.3", "CreationDate", created_at, "ColumnDefinition",
                         columns, "DatasetInstance", "DatasetInstanceName", "Cost and Usage",
                         "DatasetInstanceComplete", (int)complete);
    text = json_dumps(document, JSON_INDENT(2));
    check(text != NULL);
    buffer_append_text(buffer, text);
    buffer_append_character(buffer, '\n');
    free(text);
    json_decref(document);
}
