/*
 * focus.csv, two rows a line of the bills, and focus-metadata.json.
 */
#include "daemon/exports/export_writer.h"

#include <stdio.h>

#include "common/check.h"
#include "proto/focus.h"
#include "statements.h"

enum { SCHEMA_ID_SIZE = 48 };

/* Where each column that is taken over stands in the result. */
static void find_columns(const PGresult *rows, int places[FOCUS_COLUMN_COUNT])
{
    for (size_t i = 0; i < FOCUS_COLUMN_COUNT; i++) {
        bool given =
            focus_columns[i].origin == FOCUS_GIVEN || focus_columns[i].origin == FOCUS_OF_CHARGE;
        places[i] = given ? PQfnumber(rows, focus_columns[i].name) : -1;
        check(!given || places[i] >= 0);
    }
}

static const char *value_or_null(const PGresult *rows, int row, const char *column)
{
    return result_is_null(rows, row, column) ? NULL : result_text(rows, row, column);
}

static void read_line(const PGresult *rows, int row, const int places[FOCUS_COLUMN_COUNT],
                      struct focus_line *line)
{
    *line = (struct focus_line){
        .description = result_text(rows, row, "ChargeDescription"),
        .description_zh = result_text(rows, row, "x_ChargeDescriptionZh"),
        .tax_description = result_text(rows, row, "tax_description"),
        .tax_description_zh = result_text(rows, row, "tax_description_zh"),
        .net = result_text(rows, row, "net"),
        .tax = result_text(rows, row, "tax"),
        .amount = result_text(rows, row, "x_ExactAmount"),
        .billed_quantity = result_text(rows, row, "billed_quantity"),
        .unit_amount = value_or_null(rows, row, "unit_amount"),
        .unit = result_text(rows, row, "x_Unit"),
        .divide_by = value_or_null(rows, row, "divide_by"),
    };
    for (size_t i = 0; i < FOCUS_COLUMN_COUNT; i++)
        if (places[i] >= 0 && !PQgetisnull(rows, row, places[i]))
            line->given[i] = PQgetvalue(rows, row, places[i]);
}

static void begin(struct export_set *set)
{
    struct csv_writer writer = csv_writer_make(&set->files[EXPORT_FIRST_FILE].pending, false);

    focus_write_header(&writer);
}

static bool take(struct export_set *set, size_t cursor, const PGresult *rows)
{
    struct export_file *file = &set->files[EXPORT_FIRST_FILE];
    struct csv_writer writer = csv_writer_make(&file->pending, false);
    int places[FOCUS_COLUMN_COUNT];
    struct focus_line line;
    bool good = true;

    (void)cursor;
    find_columns(rows, places);
    for (int row = 0; good && row < PQntuples(rows); row++) {
        read_line(rows, row, places, &line);
        focus_write_charge(&writer, &line);
        focus_write_tax(&writer, &line);
        file->rows += 2;
        export_add(&set->net, line.net);
        export_add(&set->tax, line.tax);
        good = export_flush(set, file, false);
    }
    return good;
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
    .cursors = {{&statement_declare_focus_rows, EXPORT_FETCH("export_rows")}},
    .begin = begin,
    .take = take,
    .end = end,
};
