#include "common/buffer.h"

#include "tests/unit/unit.h"

enum { LIMIT = 1000 };

TEST(buffer_appends_and_terminates)
{
    struct buffer buffer = buffer_make(LIMIT);

    EXPECT_NUMBER(buffer_slice(&buffer).length, 0);
    buffer_append_text(&buffer, "ab");
    buffer_append_character(&buffer, 'c');
    buffer_append_slice(&buffer, (struct slice){"def", 2});
    buffer_append_format(&buffer, "%d%s", 12, "x");
    buffer_append(&buffer, NULL, 0);
    EXPECT_TEXT(buffer.data, "abcde12x");
    EXPECT_NUMBER(buffer.length, 8);
    buffer_consume(&buffer, 3);
    EXPECT_TEXT(buffer.data, "de12x");
    buffer_consume(&buffer, 5);
    EXPECT_TEXT(buffer.data, "");
    buffer_free(&buffer);
    EXPECT(buffer.data == NULL);
    buffer_consume(&buffer, 0);
    buffer_append_text(&buffer, "again");
    EXPECT_TEXT(buffer.data, "again");
    buffer_free(&buffer);
}

TEST(buffer_appends_integers)
{
    static const int64_t INTEGERS[] = {0, 7, -7, 10, 1234567890123456789, INT64_MAX, INT64_MIN};
    struct buffer buffer = buffer_make(LIMIT), expected = buffer_make(LIMIT);

    for (size_t i = 0; i < sizeof INTEGERS / sizeof INTEGERS[0]; i++) {
        buffer_append_integer(&buffer, INTEGERS[i]);
        buffer_append_format(&expected, "%lld", (long long)INTEGERS[i]);
    }
    EXPECT_TEXT(buffer.data, expected.data);
    buffer_free(&buffer);
    buffer_free(&expected);
}

TEST(buffer_keeps_to_its_limit)
{
    struct buffer buffer = buffer_make(4);

    buffer_append_text(&buffer, "1234");
    EXPECT(!buffer_overflowed(&buffer));
    buffer_append_character(&buffer, '5');
    EXPECT(buffer_overflowed(&buffer));
    EXPECT_TEXT(buffer.data, "1234");
    buffer_consume(&buffer, 2);
    buffer_append_text(&buffer, "5");
    EXPECT_TEXT(buffer.data, "34");
    EXPECT(buffer_overflowed(&buffer));
    buffer_free(&buffer);
    EXPECT(!buffer_overflowed(&buffer));
    buffer_append_format(&buffer, "%s", "12345");
    EXPECT(buffer_overflowed(&buffer));
    EXPECT_NUMBER(buffer.length, 0);
    buffer_free(&buffer);
}

TEST(buffer_holds_what_was_appended)
{
    struct buffer buffer = buffer_make(LIMIT);
    char model[LIMIT];
    size_t length = 0;

    while (!buffer_overflowed(&buffer)) {
        char piece[50];
        size_t size = unit_random_below(sizeof piece);
        memset(piece, (int)('a' + unit_random_below(26)), size);
        buffer_append(&buffer, piece, size);
        if (!buffer_overflowed(&buffer)) {
            memcpy(model + length, piece, size);
            length += size;
        }
        EXPECT(slice_equal(buffer_slice(&buffer), (struct slice){model, length}));
    }
    EXPECT(length > LIMIT - 50);
    buffer_free(&buffer);
}
