#include <string.h>

#include "common/check.h"
#include "common/number_internal.h"

enum { WIDE_DIGITS = 37 }; /* that fit for sure */

/* ---- Reading ---- */

static size_t digits_at(struct slice text, size_t position)
{
    size_t count = 0;

    while (position + count < text.length && text.data[position + count] >= '0' &&
           text.data[position + count] <= '9')
        count++;
    return count;
}

/* Both take a text that has passed the checks of `parse`. */
static void read_ratio(struct number *to, struct slice text, size_t fraction)
{
    char digits[NUMBER_TEXT_SIZE];
    size_t length = 0;
    mpq_t ratio;

    for (size_t i = 0; i < text.length; i++)
        if (text.data[i] != '.')
            digits[length++] = text.data[i];
    digits[length] = '\0';
    mpq_init(ratio);
    check(mpz_set_str(mpq_numref(ratio), digits, 10) == 0);
    mpz_ui_pow_ui(mpq_denref(ratio), 10, fraction);
    mpq_canonicalize(ratio);
    number_keep_ratio(to, ratio);
    mpq_clear(ratio);
}

static void read_decimal(struct number *to, struct slice text, size_t fraction)
{
    number_wide value = 0;
    bool negative = text.data[0] == '-';

    for (size_t i = negative; i < text.length; i++)
        if (text.data[i] != '.')
            value = value * 10 + (text.data[i] - '0');
    number_keep(to, negative ? -value : value, (unsigned)fraction);
}

static bool parse(struct number *to, struct slice text, size_t most_whole, size_t most_fraction)
{
    size_t start = text.length > 0 && text.data[0] == '-' ? 1 : 0;
    size_t whole = digits_at(text, start);
    size_t end = start + whole;
    size_t fraction = 0;

    if (whole < 1 || whole > most_whole)
        return false;
    if (end < text.length && text.data[end] == '.') {
        fraction = digits_at(text, end + 1);
        if (fraction < 1 || fraction > most_fraction)
            return false;
        end += 1 + fraction;
    }
    if (end != text.length || text.length >= NUMBER_TEXT_SIZE)
        return false;
    if (whole + fraction <= WIDE_DIGITS && fraction <= NUMBER_SCALE_LIMIT)
        read_decimal(to, text, fraction);
    else
        read_ratio(to, text, fraction);
    return true;
}

bool number_parse(struct number *to, struct slice text)
{
    return parse(to, text, NUMBER_INTEGER_DIGITS, NUMBER_FRACTION_DIGITS);
}

bool number_parse_stored(struct number *to, struct slice text)
{
    return parse(to, text, NUMBER_TEXT_SIZE, NUMBER_TEXT_SIZE);
}

/* ---- Writing ---- */

/* The digits of a value from 0 on, which end before `end`; where they begin. */
static char *write_digits(number_wide value, char *end)
{
    for (; value > INT64_MAX; value /= 10)
        *--end = (char)('0' + (int)(value % 10));
    int64_t rest = (int64_t)value;
    do {
        *--end = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    return end;
}

/* Digits of a whole number with a point before the last `scale` of them, at least one before it,
 * and zeros up to `digits` behind it. */
static void place_point(const char *plain, size_t scale, size_t digits, char *text)
{
    size_t length = strlen(plain);
    size_t zeros = length > scale ? 0 : scale + 1 - length;
    size_t whole = length + zeros - scale;

    check(length + zeros + digits - scale + 3 < NUMBER_TEXT_SIZE);
    for (size_t i = 0; i < length + zeros; i++) {
        if (i == whole)
            *text++ = '.';
        *text++ = i < zeros ? '0' : plain[i - zeros];
    }
    if (scale == 0 && digits > 0)
        *text++ = '.';
    for (size_t i = scale; i < digits; i++)
        *text++ = '0';
    *text = '\0';
}

/* Of one that ends within `digits`. */
static void write_ratio(const struct number *number, unsigned digits, char *text)
{
    char plain[NUMBER_TEXT_SIZE];
    mpz_t scaled;

    mpz_init(scaled);
    mpz_ui_pow_ui(scaled, 10, digits);
    mpz_mul(scaled, scaled, mpq_numref(number->ratio));
    mpz_divexact(scaled, scaled, mpq_denref(number->ratio));
    check(mpz_sizeinbase(scaled, 10) + 4 < NUMBER_TEXT_SIZE);
    if (mpz_sgn(scaled) < 0)
        *text++ = '-';
    mpz_abs(scaled, scaled);
    mpz_get_str(plain, 10, scaled);
    mpz_clear(scaled);
    place_point(plain, digits, digits, text);
}

static void write_decimal(const struct number *number, unsigned digits, char *text)
{
    char plain[NUMBER_TEXT_SIZE] = "";

    if (number->value < 0)
        *text++ = '-';
    place_point(
        write_digits(number->value < 0 ? -number->value : number->value, plain + sizeof plain - 1),
        number->scale, digits, text);
}

void number_write_fixed(const struct number *number, unsigned digits, char text[NUMBER_TEXT_SIZE])
{
    struct number rounded;

    check(digits + 4 < NUMBER_TEXT_SIZE);
    number_start(&rounded);
    number_round(&rounded, number, digits, ROUND_NEAREST);
    if (rounded.is_ratio)
        write_ratio(&rounded, digits, text);
    else
        write_decimal(&rounded, digits, text);
    number_end(&rounded);
}

void number_write(const struct number *number, char text[NUMBER_TEXT_SIZE])
{
    size_t length;

    number_write_fixed(number, NUMBER_FRACTION_DIGITS, text);
    length = strlen(text);
    while (text[length - 1] == '0')
        length--;
    if (text[length - 1] == '.')
        length--;
    text[length] = '\0';
}
