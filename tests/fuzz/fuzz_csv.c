/* Whatever is read as CSV is, written and read again, the same; as a value, and as a text with its
 * guard taken off. */
#include <stdint.h>

#include "common/check.h"
#include "proto/csv.h"

enum { WRITTEN_LIMIT = 1 << 24 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_and_read(struct arena *arena, const struct slice *fields, size_t count,
                           bool as_text)
{
    struct buffer buffer = buffer_make(WRITTEN_LIMIT);
    struct csv_writer writer = csv_writer_make(&buffer, true);
    struct slice read[CSV_COLUMNS_LIMIT];

    for (size_t i = 0; i < count; i++)
        (as_text ? csv_write_text : csv_write_value)(&writer, fields[i]);
    csv_end_row(&writer);
    struct csv_reader reader = csv_reader_make(arena, buffer_slice(&buffer));
    /* A guard is a byte more, which a field of the greatest length has no room for. */
    if (csv_read(&reader, read) == CSV_ROW) {
        check(reader.columns == count);
        for (size_t i = 0; i < count; i++)
            check(slice_equal(as_text ? csv_unguard(read[i]) : read[i], fields[i]));
    } else {
        check(as_text && fields[reader.column - 1].length == CSV_FIELD_LIMIT);
    }
    buffer_free(&buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new();
    struct slice fields[CSV_COLUMNS_LIMIT];
    struct csv_reader reader = csv_reader_make(arena, (struct slice){(const char *)data, size});
    enum csv_result result;

    while ((result = csv_read(&reader, fields)) == CSV_ROW) {
        write_and_read(arena, fields, reader.columns, false);
        write_and_read(arena, fields, reader.columns, true);
    }
    check((result == CSV_WRONG) == (reader.problem != NULL && reader.problem_zh != NULL));
    arena_free(&arena);
    return 0;
}
