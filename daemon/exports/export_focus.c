/*
 * focus.csv, two rows a line of the bills, and focus-metadata.json.
 */
#include "daemon/exports/export_writer.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "proto/focus.h"
#include "statements.h"

enum { SCHEMA_ID_SIZE = 48 };

/* Parts of a line that are no column of FOCUS as they are. */
static const struct {
    const char *name;
    size_t place; /* of its pointer in struct focus_line */
} parts[] = {
    {"ChargeDescription", offsetof(struct focus_line, description)},
    {"x_ChargeDescriptionZh", offsetof(struct focus_line, description_zh)},
    {"tax_description", offsetof(struct focus_line, tax_description)},
    {"tax_description_zh", offsetof(struct focus_line, tax_description_zh)},
    {"net", offsetof(struct focus_line, net)},
    {"tax", offsetof(struct focus_line, tax)},
    {"x_ExactAmount", offsetof(struct focus_line, amount)},
    {"billed_quantity", offsetof(struct focus_line, billed_quantity)},
    {"unit_amount", offsetof(struct focus_line, unit_amount)},
    {"x_Unit", offsetof(struct focus_line, unit)},
    {"divide_by", offsetof(struct focus_line, divide_by)},
};

enum { PART_COUNT = sizeof parts / sizeof parts[0] };
enum { CREDIT = FOCUS_COLUMN_COUNT + PART_COUNT, VALUE_COUNT };

/* First the columns as they stand in the file, without a name where they are computed; then the
 * parts. */
static size_t columns(size_t query, const char *names[EXPORT_COLUMNS_LIMIT])
{
    _Static_assert((int)VALUE_COUNT <= (int)EXPORT_COLUMNS_LIMIT, "columns have a place");
    (void)query;
    for (size_t i = 0; i < FOCUS_COLUMN_COUNT; i++) {
        bool given =
            focus_columns[i].origin == FOCUS_GIVEN || focus_columns[i].origin == FOCUS_OF_CHARGE;
        names[i] = given ? focus_columns[i].name : NULL;
    }
    for (size_t i = 0; i < PART_COUNT; i++)
        names[FOCUS_COLUMN_COUNT + i] = parts[i].name;
    names[CREDIT] = "credit";
    return VALUE_COUNT;
}

static void read_line(const char *const *values, struct focus_line *line)
{
    *line = (struct focus_line){0};
    memcpy(line->given, values, sizeof line->given);
    for (size_t i = 0; i < PART_COUNT; i++) {
        const char **part = (void *)((char *)line + parts[i].place);
        *part = values[FOCUS_COLUMN_COUNT + i];
    }
    line->credit = values[CREDIT] != NULL;
}

static void begin(struct export_set *set)
{
    struct csv_writer writer = csv_writer_make(&set->files[EXPORT_FIRST_FILE].pending, false);

    focus_write_header(&writer);
}

static bool take(struct export_set *set, size_t query, const char *const *values)
{
    struct export_file *file = &set->files[EXPORT_FIRST_FILE];
    struct csv_writer writer = csv_writer_make(&file->pending, false);
    struct focus_line line;

    (void)query;
    read_line(values, &line);
    focus_write_charge(&writer, &line);
    focus_write_tax(&writer, &line);
    file->rows += 2;
    export_add(&set->net, line.net);
    export_add(&set->tax, line.tax);
    return true;
}

static void end(struct export_set *set)
{
    struct export_file *file = &set->files[EXPORT_SECOND_FILE];
    char schema_id[SCHEMA_ID_SIZE];

    snprintf(schema_id, sizeof schema_id, "bccd-focus-%lld", (long long)set->format_version);
    focus_write_metadata(&file->pending, "bccd", schema_id, set->created_at, set->final);
    file->rows = 1;
}

const struct export_format export_focus_format = {
    .name = "focus",
    .files = {{"focus.csv", "text/csv; charset=utf-8"},
              {"focus-metadata.json", "application/json"}},
    .queries = {&statement_export_focus_rows},
    .columns = columns,
    .begin = begin,
    .take = take,
    .end = end,
};
