#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "common/number.h"

enum { ROUNDS = 2000, LONG_DIGITS = 200 };

static bool parses(const char *text)
{
    struct number number;
    bool good;

    number_start(&number);
    good = number_parse(&number, slice_of(text));
    number_end(&number);
    return good;
}

/* The text of a parsed number; a static buffer. */
static const char *respelled(const char *text)
{
    static char result[NUMBER_TEXT_SIZE];
    struct number number;

    number_start(&number);
    EXPECT(number_parse_stored(&number, slice_of(text)));
    number_write(&number, result);
    number_end(&number);
    return result;
}

static const char *fixed(const char *text, unsigned digits)
{
    static char result[NUMBER_TEXT_SIZE];
    struct number number;

    number_start(&number);
    EXPECT(number_parse_stored(&number, slice_of(text)));
    number_write_fixed(&number, digits, result);
    number_end(&number);
    return result;
}

static const char *rounded(const char *text, unsigned digits, enum rounding rounding)
{
    static char result[NUMBER_TEXT_SIZE];
    struct number number;

    number_start(&number);
    EXPECT(number_parse_stored(&number, slice_of(text)));
    number_round(&number, &number, digits, rounding);
    number_write(&number, result);
    number_end(&number);
    return result;
}

TEST(number_parse_takes_its_spelling)
{
    EXPECT(parses("0"));
    EXPECT(parses("-0"));
    EXPECT(parses("007"));
    EXPECT(parses("123456789012345678.123456789012"));
    EXPECT(parses("-123456789012345678.123456789012"));
}

TEST(number_parse_refuses_all_else)
{
    static const char *const wrong[] = {
        "",
        "-",
        "+1",
        ".5",
        "1.",
        "1..2",
        "1e3",
        " 1",
        "1 ",
        "--1",
        "0x10",
        "1,000",
        "NaN",
        "1.-2",
        "1/3",
        "1.2.3",
        "Infinity",
        "\xd9\xa1",
        "1234567890123456789",
        "0.1234567890123",
    };

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (parses(wrong[i]))
            unit_failed(__FILE__, __LINE__, "\"%s\" was taken for a number", wrong[i]);
}

TEST(number_parse_refuses_a_hidden_terminator)
{
    struct number number;

    number_start(&number);
    number_set_integer(&number, 7);
    EXPECT(!number_parse(&number, (struct slice){"1\0"
                                                 "2",
                                                 3}));
    EXPECT(!number_parse(&number, (struct slice){NULL, 0}));
    EXPECT_NUMBER(number_whole(&number, 100), 7);
    number_end(&number);
}

TEST(number_parse_stored_takes_more_digits_up_to_its_size)
{
    char text[LONG_DIGITS];
    struct number number;

    number_start(&number);
    memset(text, '9', sizeof text);
    EXPECT(number_parse_stored(&number, (struct slice){text, NUMBER_TEXT_SIZE - 1}));
    EXPECT(!number_parse_stored(&number, (struct slice){text, NUMBER_TEXT_SIZE}));
    EXPECT(!number_parse_stored(&number, slice_of("NaN")));
    EXPECT(number_parse_stored(&number, slice_of("1.00000000000000000000000000000001")));
    number_end(&number);
}

TEST(number_write_is_canonical)
{
    EXPECT_TEXT(respelled("0"), "0");
    EXPECT_TEXT(respelled("-0.000"), "0");
    EXPECT_TEXT(respelled("0012.3400"), "12.34");
    EXPECT_TEXT(respelled("-100"), "-100");
    EXPECT_TEXT(respelled("0.0057"), "0.0057");
    EXPECT_TEXT(respelled("0.0000000000005"), "0.000000000001");
    EXPECT_TEXT(respelled("-0.0000000000005"), "-0.000000000001");
    EXPECT_TEXT(respelled("-0.0000000000004"), "0");
    EXPECT_TEXT(respelled("0.9999999999995"), "1");
}

TEST(number_write_fixed_pads_and_rounds)
{
    EXPECT_TEXT(fixed("12.5", 2), "12.50");
    EXPECT_TEXT(fixed("0.005", 2), "0.01");
    EXPECT_TEXT(fixed("-0.005", 2), "-0.01");
    EXPECT_TEXT(fixed("-0.004", 2), "0.00");
    EXPECT_TEXT(fixed("2.5", 0), "3");
    EXPECT_TEXT(fixed("-2.5", 0), "-3");
    EXPECT_TEXT(fixed("0.4", 0), "0");
    EXPECT_TEXT(fixed("1999.999", 2), "2000.00");
}

TEST(number_round_has_three_ways)
{
    EXPECT_TEXT(rounded("1.21", 1, ROUND_UP), "1.3");
    EXPECT_TEXT(rounded("-1.21", 1, ROUND_UP), "-1.3");
    EXPECT_TEXT(rounded("1.29", 1, ROUND_DOWN), "1.2");
    EXPECT_TEXT(rounded("-1.29", 1, ROUND_DOWN), "-1.2");
    EXPECT_TEXT(rounded("1.25", 1, ROUND_NEAREST), "1.3");
    EXPECT_TEXT(rounded("-1.25", 1, ROUND_NEAREST), "-1.3");
    EXPECT_TEXT(rounded("1.2499", 1, ROUND_NEAREST), "1.2");
    EXPECT_TEXT(rounded("3", 0, ROUND_UP), "3");
}

TEST(number_that_does_not_end_is_written_with_twelve_digits)
{
    char text[NUMBER_TEXT_SIZE];
    struct number number, three;

    number_start(&number);
    number_start(&three);
    number_set_integer(&number, -2);
    number_set_integer(&three, 3);
    number_divide(&number, &number, &three);
    number_write(&number, text);
    EXPECT_TEXT(text, "-0.666666666667");
    EXPECT(!number_ends_within(&number, NUMBER_FRACTION_DIGITS));
    number_multiply(&number, &number, &three);
    EXPECT(number_ends_within(&number, 0));
    number_end(&three);
    number_end(&number);
}

TEST(number_ends_within_counts_digits)
{
    struct number number;

    number_start(&number);
    EXPECT(number_parse(&number, slice_of("0.125")));
    EXPECT(!number_ends_within(&number, 2));
    EXPECT(number_ends_within(&number, 3));
    number_end(&number);
}

TEST(number_operands_may_be_one)
{
    char text[NUMBER_TEXT_SIZE];
    struct number number;

    number_start(&number);
    number_set_integer(&number, 3);
    number_add(&number, &number, &number);
    number_multiply(&number, &number, &number);
    number_write(&number, text);
    EXPECT_TEXT(text, "36");
    number_divide(&number, &number, &number);
    number_subtract(&number, &number, &number);
    EXPECT_NUMBER(number_sign(&number), 0);
    number_end(&number);
}

static char random_digit(void)
{
    return (char)('0' + unit_random_below(10));
}

/* A random number, canonically spelled. */
static void make_canonical(char *text)
{
    size_t whole = 1 + unit_random_below(NUMBER_INTEGER_DIGITS);
    size_t fraction = unit_random_below(NUMBER_FRACTION_DIGITS + 1);

    if (unit_random_below(2) == 0)
        *text++ = '-';
    *text++ = (char)('1' + unit_random_below(9));
    for (size_t i = 1; i < whole; i++)
        *text++ = random_digit();
    if (fraction > 0)
        *text++ = '.';
    for (size_t i = 1; i < fraction; i++)
        *text++ = random_digit();
    if (fraction > 0)
        *text++ = (char)('1' + unit_random_below(9));
    *text = '\0';
}

TEST(number_parse_and_write_round_trip)
{
    char text[NUMBER_TEXT_SIZE];

    for (int i = 0; i < ROUNDS; i++) {
        make_canonical(text);
        EXPECT(parses(text));
        EXPECT_TEXT(respelled(text), text);
    }
}

/* What rounding means, in integers: units of 10^-6 to units of 10^-`digits`. */
static __int128 round_integer(__int128 micro, unsigned digits, enum rounding rounding)
{
    __int128 unit = 1, size = micro < 0 ? -micro : micro;

    for (unsigned i = digits; i < 6; i++)
        unit *= 10;
    if (rounding == ROUND_UP)
        size += unit - 1;
    if (rounding == ROUND_NEAREST)
        size += unit / 2;
    size /= unit;
    return micro < 0 ? -size : size;
}

TEST(number_round_agrees_with_integers)
{
    static const long power_of_ten[] = {1, 10, 100, 1000, 10000, 100000};
    struct number number, expected, power;

    number_start(&number);
    number_start(&expected);
    number_start(&power);
    for (int i = 0; i < ROUNDS; i++) {
        long micro = (long)unit_random_below(UINT64_C(2000000000000)) - 1000000000000L;
        unsigned digits = (unsigned)unit_random_below(6);
        enum rounding rounding = (enum rounding)unit_random_below(3);
        long result;

        if (unit_random_below(3) == 0) /* exactly half or whole more often than by chance */
            micro -= micro % 500;
        result = (long)round_integer(micro, digits, rounding);
        number_set_integer(&number, micro);
        number_set_integer(&power, 1000000);
        number_divide(&number, &number, &power);
        number_round(&number, &number, digits, rounding);
        number_set_integer(&power, power_of_ten[digits]);
        number_set_integer(&expected, result);
        number_divide(&expected, &expected, &power);
        if (number_compare(&number, &expected) != 0)
            unit_failed(__FILE__, __LINE__, "%ld/1000000 to %u digits, way %d", micro, digits,
                        (int)rounding);
    }
    number_end(&power);
    number_end(&expected);
    number_end(&number);
}

TEST(number_arithmetic_agrees_with_integers)
{
    struct number a, b, sum, product, expected;

    number_start(&a);
    number_start(&b);
    number_start(&sum);
    number_start(&product);
    number_start(&expected);
    for (int i = 0; i < ROUNDS; i++) {
        long x = (long)unit_random_below(2000000000) - 1000000000;
        long y = (long)unit_random_below(2000000000) - 1000000000;

        number_set_integer(&a, x);
        number_set_integer(&b, y);
        number_add(&sum, &a, &b);
        number_set_integer(&expected, x + y);
        EXPECT(number_compare(&sum, &expected) == 0);
        number_multiply(&product, &a, &b);
        number_set_integer(&expected, x * y);
        EXPECT(number_compare(&product, &expected) == 0);
        EXPECT_NUMBER(number_compare(&a, &b) > 0, x > y);
    }
    number_end(&expected);
    number_end(&product);
    number_end(&sum);
    number_end(&b);
    number_end(&a);
}

/* A decimal of any length up to what may come from outside, often near what 64 and 126 bits hold.
 */
static void random_decimal(char text[NUMBER_TEXT_SIZE])
{
    static const char *const edges[] = {"9223372036854775807",
                                        "85070591730234615865.843651857942052864",
                                        "147573952589.676412928",
                                        "576460752303423488",
                                        "999999999999999999.999999999999",
                                        "0",
                                        "0.000000000001",
                                        "1"};
    size_t whole = 1 + unit_random_below(18), fraction = unit_random_below(13), length = 0;

    if (unit_random_below(2) == 0)
        text[length++] = '-';
    if (unit_random_below(4) == 0) {
        snprintf(text + length, NUMBER_TEXT_SIZE - length, "%s", edges[unit_random_below(8)]);
        return;
    }
    for (size_t i = 0; i < whole; i++)
        text[length++] = (char)('0' + unit_random_below(10));
    if (fraction > 0)
        text[length++] = '.';
    for (size_t i = 0; i < fraction; i++)
        text[length++] = (char)('0' + unit_random_below(10));
    text[length] = '\0';
}

static void read_ratio(mpq_t ratio, const char *text)
{
    char digits[NUMBER_TEXT_SIZE];
    const char *point = strchr(text, '.');
    size_t length = 0;

    for (const char *at = text; *at != '\0'; at++)
        if (*at != '.')
            digits[length++] = *at;
    digits[length] = '\0';
    EXPECT(mpz_set_str(mpq_numref(ratio), digits, 10) == 0);
    mpz_ui_pow_ui(mpq_denref(ratio), 10, point == NULL ? 0 : strlen(point + 1));
    mpq_canonicalize(ratio);
}

/* Half away from zero to `digits`, as an integer of that many digits less. */
static void expect_written(const struct number *number, const mpq_t ratio, const char *trace)
{
    char text[NUMBER_TEXT_SIZE];
    struct number written;
    mpq_t scaled, half;

    number_write(number, text);
    number_start(&written);
    EXPECT(number_parse_stored(&written, slice_of(text)));
    mpq_init(scaled);
    mpq_init(half);
    mpz_ui_pow_ui(mpq_numref(half), 10, NUMBER_FRACTION_DIGITS);
    mpq_mul(scaled, ratio, half);
    mpq_set_si(half, mpq_sgn(ratio) < 0 ? -1 : 1, 2);
    mpq_add(scaled, scaled, half);
    mpz_tdiv_q(mpq_numref(scaled), mpq_numref(scaled), mpq_denref(scaled));
    mpz_ui_pow_ui(mpq_denref(scaled), 10, NUMBER_FRACTION_DIGITS);
    mpq_canonicalize(scaled);
    read_ratio(half, text);
    if (!mpq_equal(half, scaled))
        unit_failed(__FILE__, __LINE__, "%s: %s is written", trace, text);
    mpq_clear(half);
    mpq_clear(scaled);
    number_end(&written);
}

/* Walks of sums, products and quotients, which leave 128 bits and come back. */
TEST(number_arithmetic_agrees_with_ratios)
{
    static void (*const ours[])(struct number *, const struct number *, const struct number *) = {
        number_add, number_subtract, number_multiply, number_divide};
    static void (*const theirs[])(mpq_ptr, mpq_srcptr, mpq_srcptr) = {mpq_add, mpq_sub, mpq_mul,
                                                                      mpq_div};
    char text[NUMBER_TEXT_SIZE], trace[4 * NUMBER_TEXT_SIZE];

    for (int i = 0; i < ROUNDS; i++) {
        struct number a, b;
        mpq_t p, q;

        number_start(&a);
        number_start(&b);
        mpq_init(p);
        mpq_init(q);
        random_decimal(text);
        EXPECT(number_parse_stored(&a, slice_of(text)));
        read_ratio(p, text);
        size_t length = (size_t)snprintf(trace, sizeof trace, "%s", text);
        for (int step = 0; step < 2; step++) {
            size_t operation = unit_random_below(4);

            random_decimal(text);
            EXPECT(number_parse_stored(&b, slice_of(text)));
            read_ratio(q, text);
            EXPECT_NUMBER((number_compare(&a, &b) > 0) - (number_compare(&a, &b) < 0),
                          (mpq_cmp(p, q) > 0) - (mpq_cmp(p, q) < 0));
            if (operation == 3 && mpq_sgn(q) == 0)
                continue;
            length += (size_t)snprintf(trace + length, sizeof trace - length, " %c %s",
                                       "+-*/"[operation], text);
            ours[operation](&a, &a, &b);
            theirs[operation](p, p, q);
            EXPECT_NUMBER(number_sign(&a), mpq_sgn(p));
            expect_written(&a, p, trace);
        }
        mpq_clear(q);
        mpq_clear(p);
        number_end(&b);
        number_end(&a);
    }
}
