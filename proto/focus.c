#include "proto/focus.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/check.h"

enum { NUMERIC_PRECISION = 30, NUMERIC_SCALE = 12, STRING_LENGTH = 1000 };

const struct focus_column focus_columns[FOCUS_COLUMN_COUNT] = {
    {"BilledCost", FOCUS_DECIMAL, FOCUS_BILLED},
    {"BillingAccountId", FOCUS_STRING, FOCUS_GIVEN},
    {"BillingAccountName", FOCUS_STRING, FOCUS_GIVEN},
    {"BillingCurrency", FOCUS_STRING, FOCUS_GIVEN},
    {"BillingPeriodEnd", FOCUS_DATETIME, FOCUS_GIVEN},
    {"BillingPeriodStart", FOCUS_DATETIME, FOCUS_GIVEN},
    {"ChargeCategory", FOCUS_STRING, FOCUS_CATEGORY},
    {"ChargeClass", FOCUS_STRING, FOCUS_GIVEN},
    {"ChargeDescription", FOCUS_STRING, FOCUS_DESCRIPTION},
    {"ChargeFrequency", FOCUS_STRING, FOCUS_GIVEN},
    {"ChargePeriodEnd", FOCUS_DATETIME, FOCUS_GIVEN},
    {"ChargePeriodStart", FOCUS_DATETIME, FOCUS_GIVEN},
    {"ConsumedQuantity", FOCUS_DECIMAL, FOCUS_OF_CHARGE},
    {"ConsumedUnit", FOCUS_STRING, FOCUS_CONSUMED_UNIT},
    {"ContractedCost", FOCUS_DECIMAL, FOCUS_PRICED},
    {"ContractedUnitPrice", FOCUS_DECIMAL, FOCUS_UNIT_PRICE},
    {"EffectiveCost", FOCUS_DECIMAL, FOCUS_BILLED},
    {"HostProviderName", FOCUS_STRING, FOCUS_GIVEN},
    {"InvoiceId", FOCUS_STRING, FOCUS_GIVEN},
    {"InvoiceIssuerName", FOCUS_STRING, FOCUS_GIVEN},
    {"ListCost", FOCUS_DECIMAL, FOCUS_PRICED},
    {"ListUnitPrice", FOCUS_DECIMAL, FOCUS_UNIT_PRICE},
    {"PricingCategory", FOCUS_STRING, FOCUS_PRICING_CATEGORY},
    {"PricingQuantity", FOCUS_DECIMAL, FOCUS_PRICING_QUANTITY},
    {"PricingUnit", FOCUS_STRING, FOCUS_PRICING_UNIT},
    {"ProviderName", FOCUS_STRING, FOCUS_GIVEN},
    {"PublisherName", FOCUS_STRING, FOCUS_GIVEN},
    {"ResourceId", FOCUS_STRING, FOCUS_GIVEN},
    {"ResourceName", FOCUS_STRING, FOCUS_GIVEN},
    {"ResourceType", FOCUS_STRING, FOCUS_GIVEN},
    {"ServiceCategory", FOCUS_STRING, FOCUS_GIVEN},
    {"ServiceName", FOCUS_STRING, FOCUS_GIVEN},
    {"ServiceProviderName", FOCUS_STRING, FOCUS_GIVEN},
    {"ServiceSubcategory", FOCUS_STRING, FOCUS_GIVEN},
    {"SkuId", FOCUS_STRING, FOCUS_OF_CHARGE},
    {"SkuMeter", FOCUS_STRING, FOCUS_OF_CHARGE},
    {"SkuPriceDetails", FOCUS_JSON, FOCUS_OF_CHARGE},
    {"SkuPriceId", FOCUS_STRING, FOCUS_OF_CHARGE},
    {"SubAccountId", FOCUS_STRING, FOCUS_GIVEN},
    {"SubAccountName", FOCUS_STRING, FOCUS_GIVEN},
    {"Tags", FOCUS_JSON, FOCUS_GIVEN},
    {"x_ChargeDescriptionZh", FOCUS_STRING, FOCUS_DESCRIPTION_ZH},
    {"x_ExactAmount", FOCUS_DECIMAL, FOCUS_OF_CHARGE},
    {"x_InvoiceLine", FOCUS_DECIMAL, FOCUS_GIVEN},
    {"x_InvoiceState", FOCUS_STRING, FOCUS_GIVEN},
    {"x_IssuerNameZh", FOCUS_STRING, FOCUS_GIVEN},
    {"x_OfferingCode", FOCUS_STRING, FOCUS_GIVEN},
    {"x_OfferingNameZh", FOCUS_STRING, FOCUS_GIVEN},
    {"x_OriginalPeriod", FOCUS_STRING, FOCUS_GIVEN},
    {"x_ParkCode", FOCUS_STRING, FOCUS_GIVEN},
    {"x_ParkNameZh", FOCUS_STRING, FOCUS_GIVEN},
    {"x_TaxCategory", FOCUS_STRING, FOCUS_GIVEN},
    {"x_TaxRate", FOCUS_DECIMAL, FOCUS_GIVEN},
    {"x_TenantCode", FOCUS_STRING, FOCUS_GIVEN},
    {"x_TenantNameZh", FOCUS_STRING, FOCUS_GIVEN},
    {"x_TimeZone", FOCUS_STRING, FOCUS_GIVEN},
    {"x_Unit", FOCUS_STRING, FOCUS_GIVEN},
};

/* ---- Prices ---- */

/* The unit of the billed quantity: "1000 Requests" where each counts for a thousand. */
static void pricing_unit(const struct focus_line *line, char text[FOCUS_UNIT_SIZE])
{
    char unit[FOCUS_UNIT_SIZE];
    int written;

    focus_unit(line->unit, unit);
    written = line->divide_by == NULL
                  ? snprintf(text, FOCUS_UNIT_SIZE, "%s", unit)
                  : snprintf(text, FOCUS_UNIT_SIZE, "%s %s", line->divide_by, unit);
    if (written >= FOCUS_UNIT_SIZE || !focus_unit_valid(text))
        snprintf(text, FOCUS_UNIT_SIZE, "Units");
}

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

/* `computed` by origin. */
static void write_row(struct csv_writer *writer, const struct focus_line *line,
                      const char *const computed[FOCUS_ORIGIN_COUNT], bool of_charge)
{
    for (size_t i = 0; i < FOCUS_COLUMN_COUNT; i++) {
        const struct focus_column *column = &focus_columns[i];
        bool given =
            column->origin == FOCUS_GIVEN || (column->origin == FOCUS_OF_CHARGE && of_charge);
        const char *value = given ? line->given[i] : computed[column->origin];
        struct slice text = slice_of(value == NULL || value[0] == '\0' ? "NULL" : value);

        if (column->type == FOCUS_STRING)
            csv_write_text(writer, text);
        else
            csv_write_value(writer, text);
    }
    csv_end_row(writer);
}

void focus_write_header(struct csv_writer *writer)
{
    for (size_t i = 0; i < FOCUS_COLUMN_COUNT; i++)
        csv_write_value(writer, slice_of(focus_columns[i].name));
    csv_end_row(writer);
}

/* What has no price of its own. */
static void write_cost(struct csv_writer *writer, const struct focus_line *line,
                       const char *category, const char *const descriptions[2], const char *cost)
{
    const char *const computed[FOCUS_ORIGIN_COUNT] = {
        [FOCUS_CATEGORY] = category,
        [FOCUS_DESCRIPTION] = descriptions[0],
        [FOCUS_DESCRIPTION_ZH] = descriptions[1],
        [FOCUS_BILLED] = cost,
        [FOCUS_PRICED] = cost,
    };

    write_row(writer, line, computed, false);
}

static void write_usage(struct csv_writer *writer, const struct focus_line *line)
{
    struct focus_pricing pricing;
    char consumed_unit[FOCUS_UNIT_SIZE];
    const char *const computed[FOCUS_ORIGIN_COUNT] = {
        [FOCUS_CATEGORY] = "Usage",
        [FOCUS_DESCRIPTION] = line->description,
        [FOCUS_DESCRIPTION_ZH] = line->description_zh,
        [FOCUS_BILLED] = line->net,
        [FOCUS_PRICED] = pricing.cost,
        [FOCUS_UNIT_PRICE] = pricing.unit_price,
        [FOCUS_PRICING_QUANTITY] = pricing.quantity,
        [FOCUS_PRICING_UNIT] = pricing.unit,
        [FOCUS_CONSUMED_UNIT] = consumed_unit,
        [FOCUS_PRICING_CATEGORY] = "Standard",
    };

    focus_price(line, &pricing);
    focus_unit(line->unit, consumed_unit);
    write_row(writer, line, computed, true);
}

void focus_write_charge(struct csv_writer *writer, const struct focus_line *line)
{
    const char *const descriptions[] = {line->description, line->description_zh};

    if (line->credit)
        write_cost(writer, line, "Credit", descriptions, line->net);
    else
        write_usage(writer, line);
}

void focus_write_tax(struct csv_writer *writer, const struct focus_line *line)
{
    const char *const descriptions[] = {line->tax_description, line->tax_description_zh};

    write_cost(writer, line, "Tax", descriptions, line->tax);
}

/* ---- Metadata ---- */

static const char *const type_names[] = {
    [FOCUS_STRING] = "STRING",
    [FOCUS_DECIMAL] = "DECIMAL",
    [FOCUS_DATETIME] = "DATETIME",
    [FOCUS_JSON] = "JSON",
};

static json_t *column_definition(const struct focus_column *column)
{
    json_t *definition =
        json_pack("{s:s, s:s}", "ColumnName", column->name, "DataType", type_names[column->type]);

    if (column->type == FOCUS_DECIMAL) {
        json_object_set_new(definition, "NumericPrecision", json_integer(NUMERIC_PRECISION));
        json_object_set_new(definition, "NumberScale", json_integer(NUMERIC_SCALE));
    } else if (column->type == FOCUS_STRING) {
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
