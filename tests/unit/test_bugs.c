/* Defects that were found, by number: none comes back. */
#include "proto/csv.h"

#include "tests/unit/unit.h"

enum { TEXT_LIMIT = 64 };

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
