/* Defects that were found, by number: none comes back. */
#include "proto/csv.h"
#include "proto/focus.h"
#include "proto/format.h"

#include "tests/unit/unit.h"

enum { TEXT_LIMIT = 64, ROW_LIMIT = 8192 };

/* A text that looked guarded was written as it was, and lost its ' when it was read. */
TEST(bug_0001_csv_guard_is_taken_for_text)
{
    static const char *const texts[] = {"'=1+1", "''-x", "=1", "'a", "'", ""};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct arena *arena = arena_new();
        struct buffer buffer = buffer_make(TEXT_LIMIT);
        struct csv_writer writer = csv_writer_make(&buffer, false);
        struct slice fields[CSV_COLUMNS_LIMIT];

        csv_write_text(&writer, slice_of(texts[i]));
        csv_end_row(&writer);
        struct csv_reader reader = csv_reader_make(arena, buffer_slice(&buffer));
        EXPECT(csv_read(&reader, fields) == CSV_ROW);
        EXPECT(slice_is(csv_unguard(fields[0]), texts[i]));
        buffer_free(&buffer);
        arena_free(&arena);
    }
}

/* PostgreSQL reads an offset by POSIX, whose sign is the other way round, and abbreviations. */
TEST(bug_0045_what_is_no_name_of_a_time_zone)
{
    static const char *const others[] = {"UTC+8",   "CST", "CST-8", "Asia/Beijing-8",
                                         "Asia/X8", "/",   ""};
    static const char *const names[] = {"Asia/Shanghai", "UTC", "Etc/GMT+8",
                                        "America/Port-au-Prince", "America/Argentina/Buenos_Aires"};

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        EXPECT(!format_time_zone(slice_of(others[i])));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        EXPECT(format_time_zone(slice_of(names[i])));
}

/* A tenant's name of a resource stood in FOCUS's rows as a formula. */
TEST(bug_0047_focus_names_are_no_formulas)
{
    struct buffer buffer = buffer_make(ROW_LIMIT);
    struct csv_writer writer = csv_writer_make(&buffer, false);
    struct focus_line line = {.net = "-1.00",
                              .tax = "-0.06",
                              .amount = "-1",
                              .description = "=1+1",
                              .description_zh = "@a",
                              .tax_description = "=2+2",
                              .tax_description_zh = "@b"};

    for (size_t i = 0; i < FOCUS_COLUMN_COUNT; i++)
        if (strcmp(focus_columns[i].name, "ResourceName") == 0)
            line.given[i] = "+name";
    focus_write_charge(&writer, &line);
    focus_write_tax(&writer, &line);
    EXPECT(strstr(buffer.data, ",=") == NULL && strstr(buffer.data, ",@") == NULL);
    EXPECT(strstr(buffer.data, ",+") == NULL && strstr(buffer.data, ",'+name,") != NULL);
    EXPECT(strstr(buffer.data, "-1.00,") == buffer.data);
    buffer_free(&buffer);
}
