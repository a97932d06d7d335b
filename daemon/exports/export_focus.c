/*
 * focus.csv, two rows a line of the bills, and focus-metadata.json.
 */
#include "daemon/exports/export_writer.h"

#include <stddef.h>
#include <stdio.h>

#include "common/check.h"
#include "proto/focus.h"
#include "statements.h"

enum { SCHEMA_ID_SIZE = 48 };

/* Parts of a line that are no column of FOCUS as they are. */
static const struct {
    const char *name;
    size_t place; /* of its pointer in struct focus_line */
    bool nullable;
} parts[] = {
    {"ChargeDescription", offsetof(struct focus_line, description), false},
    {"x_ChargeDescriptionZh", offsetof(struct focus_line, description_zh), false},
    {"tax_description", offsetof(struct focus_line, tax_description), false},
    {"tax_description_zh", offsetof(struct focus_line, tax_description_zh), false},
    {"net", offsetof(struct focus_line, net), false},
    {"tax", offsetof(struct focus_line, tax), false},
    {"x_ExactAmount", offsetof(struct focus_line, amount), false},
    {"billed_quantity", offsetof(struct focus_line, billed_quantity), false},
    {"unit_amount", offsetof(struct focus_line, unit_amount), true},
    {"x_Unit", offsetof(struct focus_line, unit), false},
    {"divide_by", offsetof(struct focus_line, divide_by), true},
};

enum { PART_COUNT = sizeof parts / sizeof parts[0] };

/* Where columns stand in the result; -1 for what is computed. */
struct places {
    int given[FOCUS_COLUMN_COUNT];
    int parts[PART_COUNT];
};

static void find_columns(const PGresult *rows, struct places *places)
{
    for (size_t i = 0; i < FOCUS_COLUMN_COUNT; i++) {
        bool given =
            focus_columns[i].origin == FOCUS_GIVEN || focus_columns[i].origin == FOCUS_OF_CHARGE;
        places->given[i] = given ? PQfnumber(rows, focus_columns[i].name) : -1;
        check(!given || places->given[i] >= 0);
    }
    for (size_t i = 0; i < PART_COUNT; i++) {
        places->parts[i] = PQfnumber(rows, parts[i].name);
        check(places->parts[i] >= 0);
    }
}

static void read_line(const PGresult *rows, int row, const struct places *places,
                      struct focus_line *line)
{
    *line = (struct focus_line){0};
    for (size_t i = 0; i < PART_COUNT; i++) {
        const char **part = (void *)((char *)line + parts[i].place);
        if (!parts[i].nullable || !PQgetisnull(rows, row, places->parts[i]))
            *part = PQgetvalue(rows, row, places->parts[i]);
    }
    for (size_t i = 0; i < FOCUS_COLUMN_COUNT; i++)
        if (places->given[i] >= 0 && !PQgetisnull(rows, row, places->given[i]))
            line->given[i] = PQgetvalue(rows, row, places->given[i]);
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
    struct places places;
    struct focus_line line;

    (void)cursor;
    find_columns(rows, &places);
    for (int row = 0; row < PQntuples(rows); row++) {
        read_line(rows, row, &places, &line);
        focus_write_charge(&writer, &line);
        focus_write_tax(&writer, &line);
        file->rows += 2;
        export_add(&set->net, line.net);
        export_add(&set->tax, line.tax);
    }
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
    .cursors = {{&statement_declare_focus_rows, EXPORT_FETCH("export_rows")}},
    .begin = begin,
    .take = take,
    .end = end,
};
