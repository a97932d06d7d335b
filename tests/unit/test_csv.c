#include <stdio.h>
#include <stdlib.h>

#include "proto/csv.h"
#include "tests/unit/unit.h"

enum { ROUNDS = 2000, FIELDS = 5, FIELD_SIZE = 12, TEXT_LIMIT = 1 << 20 };

/* Reads all of a text and spells it again as "a|b/c|d/", or "wrong ROW:COLUMN". */
static const char *spelled(const char *text)
{
    static char result[256];
    struct arena *arena = arena_new();
    struct csv_reader reader = csv_reader_make(arena, slice_of(text));
    struct slice fields[CSV_COLUMNS_LIMIT];
    struct buffer buffer = buffer_make(sizeof result - 1);
    enum csv_result read;

    while ((read = csv_read(&reader, fields)) == CSV_ROW) {
        for (size_t i = 0; i < reader.columns; i++) {
            if (i > 0)
                buffer_append_character(&buffer, '|');
            buffer_append_slice(&buffer, fields[i]);
        }
        buffer_append_character(&buffer, '/');
    }
    if (read == CSV_WRONG)
        snprintf(result, sizeof result, "wrong %zu:%zu", reader.row, reader.column);
    else
        snprintf(result, sizeof result, "%.*s", (int)buffer.length,
                 buffer.data == NULL ? "" : buffer.data);
    buffer_free(&buffer);
    arena_free(&arena);
    return result;
}

TEST(csv_reads_what_rfc_4180_allows)
{
    EXPECT_TEXT(spelled(""), "");
    EXPECT_TEXT(spelled("a,b\r\nc,d\r\n"), "a|b/c|d/");
    EXPECT_TEXT(spelled("a,b\nc,d"), "a|b/c|d/");
    EXPECT_TEXT(spelled("\xef\xbb\xbf"
                        "a\n"),
                "a/");
    EXPECT_TEXT(spelled("\"a,\"\"x\"\"\",\"1\r\n2\"\n,\n"), "a,\"x\"|1\r\n2/|/");
    EXPECT_TEXT(spelled("\"\",\"\"\"\"\n"), "|\"/");
    EXPECT_TEXT(spelled("a\n\nb\n"), "a//b/");
    EXPECT_TEXT(spelled(","), "|/");
}

TEST(csv_tells_row_and_column_of_what_is_wrong)
{
    EXPECT_TEXT(spelled("a,b\nc"), "wrong 2:1");
    EXPECT_TEXT(spelled("a,b\nc,d,e\n"), "wrong 2:3");
    EXPECT_TEXT(spelled("a,b\"c\n"), "wrong 1:2");
    EXPECT_TEXT(spelled("a\n\"b"), "wrong 2:1");
    EXPECT_TEXT(spelled("\"a\"b\n"), "wrong 1:1");
    EXPECT_TEXT(spelled("a\rb\n"), "wrong 1:1");
    EXPECT_TEXT(spelled("\"a\"\"\n"), "wrong 1:1");
}

TEST(csv_refuses_nul)
{
    struct arena *arena = arena_new();
    struct slice fields[CSV_COLUMNS_LIMIT];
    struct csv_reader plain = csv_reader_make(arena, (struct slice){"a\0b", 3});
    struct csv_reader quoted = csv_reader_make(arena, (struct slice){"\"a\0\"", 4});

    EXPECT(csv_read(&plain, fields) == CSV_WRONG);
    EXPECT(csv_read(&quoted, fields) == CSV_WRONG);
    EXPECT(plain.problem != NULL && csv_read(&plain, fields) == CSV_END);
    arena_free(&arena);
}

static enum csv_result read_repeated(const char *text, size_t count, size_t *rows)
{
    struct arena *arena = arena_new();
    struct buffer buffer = buffer_make(TEXT_LIMIT);
    struct slice fields[CSV_COLUMNS_LIMIT];
    enum csv_result result;

    for (size_t i = 0; i < count; i++)
        buffer_append_text(&buffer, text);
    struct csv_reader reader = csv_reader_make(arena, buffer_slice(&buffer));
    while ((result = csv_read(&reader, fields)) == CSV_ROW)
        continue;
    *rows = reader.row;
    buffer_free(&buffer);
    arena_free(&arena);
    return result;
}

TEST(csv_bounds_fields_columns_and_rows)
{
    size_t rows;

    EXPECT(read_repeated("x", CSV_FIELD_LIMIT, &rows) == CSV_END);
    EXPECT(read_repeated("x", CSV_FIELD_LIMIT + 1, &rows) == CSV_WRONG);
    EXPECT(read_repeated("\"\"", CSV_FIELD_LIMIT + 1, &rows) == CSV_END);
    EXPECT(read_repeated("\"\"", CSV_FIELD_LIMIT + 2, &rows) == CSV_WRONG);
    EXPECT(read_repeated(",", CSV_COLUMNS_LIMIT - 1, &rows) == CSV_END);
    EXPECT(read_repeated(",", CSV_COLUMNS_LIMIT, &rows) == CSV_WRONG);
    EXPECT(read_repeated("x\n", CSV_ROWS_LIMIT, &rows) == CSV_END);
    EXPECT_NUMBER(rows, CSV_ROWS_LIMIT);
    EXPECT(read_repeated("x\n", CSV_ROWS_LIMIT + 1, &rows) == CSV_WRONG);
}

TEST(csv_guards_text_against_formulas_and_leaves_values)
{
    struct buffer buffer = buffer_make(TEXT_LIMIT);
    struct csv_writer writer = csv_writer_make(&buffer, true);
    static const char *const texts[] = {"=1+1", "+8", "-x", "@a", "\tb", "\rc", "a=b", "", "'q"};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        csv_write_text(&writer, slice_of(texts[i]));
    csv_write_value(&writer, slice_of("-12.50"));
    csv_write_text(&writer, slice_of("a,\"b\"\n"));
    csv_end_row(&writer);
    csv_write_value(&writer, slice_of("x"));
    csv_end_row(&writer);
    EXPECT_TEXT(buffer.data, "\xef\xbb\xbf'=1+1,'+8,'-x,'@a,'\tb,\"'\rc\",a=b,,'q,-12.50,"
                             "\"a,\"\"b\"\"\n\"\r\nx\r\n");
    buffer_free(&buffer);
}

static struct slice random_field(char text[FIELD_SIZE])
{
    static const char alphabet[] = "ab,\"\r\n'=+-@\t ";
    size_t length = unit_random_below(FIELD_SIZE);

    for (size_t i = 0; i < length; i++)
        text[i] = alphabet[unit_random_below(sizeof alphabet - 1)];
    return (struct slice){text, length};
}

TEST(csv_reads_back_what_it_wrote)
{
    for (int round = 0; round < ROUNDS; round++) {
        char texts[FIELDS][FIELD_SIZE];
        struct slice fields[FIELDS], read[CSV_COLUMNS_LIMIT];
        struct arena *arena = arena_new();
        struct buffer buffer = buffer_make(TEXT_LIMIT);
        struct csv_writer writer = csv_writer_make(&buffer, round % 2 == 0);

        for (size_t i = 0; i < FIELDS; i++) {
            fields[i] = random_field(texts[i]);
            csv_write_text(&writer, fields[i]);
        }
        csv_end_row(&writer);
        struct csv_reader reader = csv_reader_make(arena, buffer_slice(&buffer));
        EXPECT(csv_read(&reader, read) == CSV_ROW);
        EXPECT_NUMBER(reader.columns, FIELDS);
        for (size_t i = 0; i < FIELDS; i++)
            EXPECT(slice_equal(csv_unguard(read[i]), fields[i]));
        EXPECT(csv_read(&reader, read) == CSV_END);
        buffer_free(&buffer);
        arena_free(&arena);
    }
}
