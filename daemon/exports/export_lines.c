/*
 * lines.csv, for a spreadsheet, and lines.jsonl, for programs.
 */
#include "daemon/exports/export_writer.h"

#include <stdio.h>
#include <string.h>

#include "proto/csv.h"
#include "statements.h"

enum {
    SPREADSHEET_DIGITS = 11, /* a number of more digits is shown as 9.1E+17 */
    DIGITS_TEXT_SIZE = 256,
};

enum cell { CELL_TEXT, CELL_VALUE, CELL_DIGITS };

static const struct {
    const char *name;
    enum cell cell;
} table_columns[] = {
    {"invoice_number", CELL_VALUE},
    {"invoice_state", CELL_VALUE},
    {"period", CELL_VALUE},
    {"tenant_code", CELL_TEXT},
    {"tenant_name", CELL_TEXT},
    {"tenant_name_en", CELL_TEXT},
    {"tax_number", CELL_DIGITS},
    {"line", CELL_VALUE},
    {"kind", CELL_VALUE},
    {"correction_of", CELL_VALUE},
    {"offering_code", CELL_TEXT},
    {"offering_name", CELL_TEXT},
    {"plan_code", CELL_TEXT},
    {"plan_version", CELL_VALUE},
    {"charge_code", CELL_TEXT},
    {"meter_code", CELL_TEXT},
    {"description", CELL_TEXT},
    {"description_en", CELL_TEXT},
    {"resource_name", CELL_TEXT},
    {"site", CELL_TEXT},
    {"external_id", CELL_DIGITS},
    {"service_starts_at", CELL_VALUE},
    {"service_ends_at", CELL_VALUE},
    {"quantity", CELL_VALUE},
    {"unit", CELL_TEXT},
    {"billed_quantity", CELL_VALUE},
    {"unit_amount", CELL_VALUE},
    {"exact_amount", CELL_VALUE},
    {"net", CELL_VALUE},
    {"tax_category", CELL_VALUE},
    {"tax_rate", CELL_VALUE},
    {"tax", CELL_VALUE},
    {"total", CELL_VALUE},
    {"currency", CELL_VALUE},
    {"time_zone", CELL_VALUE},
    {"tenant_id", CELL_VALUE},
    {"invoice_id", CELL_VALUE},
    {"resource_id", CELL_VALUE},
    {"offering_id", CELL_VALUE},
    {"plan_id", CELL_VALUE},
};

enum { COLUMN_COUNT = sizeof table_columns / sizeof table_columns[0] };

/* The values of a row: the table's columns, and after them what else is needed. */
enum { DOCUMENT = COLUMN_COUNT, NET, TAX, VALUE_COUNT };

static size_t columns(size_t query, const char *names[EXPORT_COLUMNS_LIMIT])
{
    _Static_assert((int)VALUE_COUNT <= (int)EXPORT_COLUMNS_LIMIT, "columns have a place");
    (void)query;
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        names[i] = table_columns[i].name;
    names[DOCUMENT] = "document";
    names[NET] = "net";
    names[TAX] = "tax";
    return VALUE_COUNT;
}

/* A spreadsheet would take it for a number and lose its last digits; the apostrophe makes it text.
 */
static void write_digits(struct csv_writer *writer, const char *value)
{
    char text[DIGITS_TEXT_SIZE];

    if (strlen(value) > SPREADSHEET_DIGITS && strspn(value, "0123456789") == strlen(value)) {
        snprintf(text, sizeof text, "'%s", value);
        csv_write_value(writer, slice_of(text));
    } else {
        csv_write_text(writer, slice_of(value));
    }
}

static void write_row(struct csv_writer *writer, const char *const *values)
{
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        const char *value = values[i] == NULL ? "" : values[i];
        if (table_columns[i].cell == CELL_DIGITS)
            write_digits(writer, value);
        else if (table_columns[i].cell == CELL_TEXT)
            csv_write_text(writer, slice_of(value));
        else
            csv_write_value(writer, slice_of(value));
    }
    csv_end_row(writer);
}

static void begin(struct export_set *set)
{
    struct csv_writer writer = csv_writer_make(&set->files[EXPORT_FIRST_FILE].pending, true);

    for (size_t i = 0; i < COLUMN_COUNT; i++)
        csv_write_value(&writer, slice_of(table_columns[i].name));
    csv_end_row(&writer);
}

static bool take(struct export_set *set, size_t query, const char *const *values)
{
    struct export_file *table = &set->files[EXPORT_FIRST_FILE];
    struct export_file *documents = &set->files[EXPORT_SECOND_FILE];
    struct csv_writer writer = csv_writer_make(&table->pending, false);

    (void)query;
    write_row(&writer, values);
    buffer_append_text(&documents->pending, values[DOCUMENT]);
    buffer_append_character(&documents->pending, '\n');
    table->rows++;
    documents->rows++;
    export_add(&set->net, values[NET]);
    export_add(&set->tax, values[TAX]);
    return true;
}

const struct export_format export_lines_format = {
    .name = "lines",
    .files = {{"lines.csv", "text/csv; charset=utf-8"}, {"lines.jsonl", "application/x-ndjson"}},
    .queries = {&statement_export_line_rows},
    .columns = columns,
    .begin = begin,
    .take = take,
};
