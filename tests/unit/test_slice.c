#include "common/slice.h"

#include "tests/unit/unit.h"

TEST(slice_compares)
{
    EXPECT(slice_is((struct slice){NULL, 0}, ""));
    EXPECT(slice_is((struct slice){"abc", 2}, "ab"));
    EXPECT(!slice_is(slice_of("ab"), "abc"));
    EXPECT(!slice_is(slice_of("abd"), "abc"));
    EXPECT(slice_is_caseless(slice_of("Content-TYPE"), "content-type"));
    EXPECT(!slice_is_caseless(slice_of("content-typ"), "content-type"));
    EXPECT(!slice_is_caseless(slice_of("["), "{"));
    EXPECT(slice_starts_with(slice_of("bcc_1"), "bcc_"));
    EXPECT(slice_starts_with(slice_of(NULL), ""));
    EXPECT(!slice_starts_with((struct slice){"bcc_", 3}, "bcc_"));
}

TEST(slice_splits_at_the_first)
{
    struct slice rest = slice_of("a=b=c");
    struct slice before;

    EXPECT(slice_split(&rest, '=', &before));
    EXPECT(slice_is(before, "a"));
    EXPECT(slice_is(rest, "b=c"));
    EXPECT(!slice_split(&rest, ';', &before));
    EXPECT(slice_is(rest, "b=c"));
    rest = slice_of("a=");
    EXPECT(slice_split(&rest, '=', &before));
    EXPECT_NUMBER(rest.length, 0);
    rest = slice_of(NULL);
    EXPECT(!slice_split(&rest, '=', &before));
}

TEST(slice_trims_blanks)
{
    EXPECT(slice_is(slice_trim(slice_of(" \t a b\t ")), "a b"));
    EXPECT(slice_is(slice_trim(slice_of(" \t ")), ""));
    EXPECT(slice_is(slice_trim(slice_of("\na\r")), "\na\r"));
    EXPECT_NUMBER(slice_trim(slice_of(NULL)).length, 0);
}

TEST(slice_reads_numbers)
{
    uint64_t number = 7;

    EXPECT(slice_to_number(slice_of("18446744073709551615"), UINT64_MAX, &number));
    EXPECT(number == UINT64_MAX);
    EXPECT(slice_to_number(slice_of("007"), 7, &number));
    EXPECT_NUMBER(number, 7);
    EXPECT(slice_to_number(slice_of("0"), 0, &number));
    number = 7;
    const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "1x", "101", "1000"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        EXPECT(!slice_to_number(slice_of(bad[i]), 100, &number));
    EXPECT(!slice_to_number(slice_of("18446744073709551616"), UINT64_MAX, &number));
    EXPECT(!slice_to_number(slice_of("1"), 0, &number));
    EXPECT_NUMBER(number, 7);
}
