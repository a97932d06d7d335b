#include "common/number.h"

#include <string.h>

#include "common/check.h"

void number_start(struct number *number)
{
    mpq_init(number->ratio);
}

void number_end(struct number *number)
{
    mpq_clear(number->ratio);
}

void number_set(struct number *to, const struct number *from)
{
    mpq_set(to->ratio, from->ratio);
}

void number_set_integer(struct number *to, long value)
{
    mpq_set_si(to->ratio, value, 1);
}

static size_t digits_at(struct slice text, size_t position)
{
    size_t count = 0;

    while (position + count < text.length && text.data[position + count] >= '0' &&
           text.data[position + count] <= '9')
        count++;
    return count;
}

/* Sets an integer with the digits of `text`, which has passed the checks of `parse`: the point is
 * left out. */
static void set_digits(mpz_t to, struct slice text)
{
    char digits[NUMBER_TEXT_SIZE];
    size_t length = 0;

    for (size_t i = 0; i < text.length; i++)
        if (text.data[i] != '.')
            digits[length++] = text.data[i];
    digits[length] = '\0';
    check(mpz_set_str(to, digits, 10) == 0);
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
    set_digits(mpq_numref(to->ratio), text);
    mpz_ui_pow_ui(mpq_denref(to->ratio), 10, fraction);
    mpq_canonicalize(to->ratio);
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

void number_add(struct number *to, const struct number *a, const struct number *b)
{
    mpq_add(to->ratio, a->ratio, b->ratio);
}

void number_subtract(struct number *to, const struct number *a, const struct number *b)
{
    mpq_sub(to->ratio, a->ratio, b->ratio);
}

void number_multiply(struct number *to, const struct number *a, const struct number *b)
{
    mpq_mul(to->ratio, a->ratio, b->ratio);
}

void number_divide(struct number *to, const struct number *a, const struct number *b)
{
    check(number_sign(b) != 0);
    mpq_div(to->ratio, a->ratio, b->ratio);
}

int number_compare(const struct number *a, const struct number *b)
{
    return mpq_cmp(a->ratio, b->ratio);
}

int number_sign(const struct number *number)
{
    return mpq_sgn(number->ratio);
}

/* Rounds numerator / denominator (which is above 0) to an integer. */
static void divide_rounded(mpz_t to, const mpz_t numerator, const mpz_t denominator,
                           enum rounding rounding)
{
    mpz_t rest;
    bool away;

    mpz_init(rest);
    mpz_tdiv_qr(to, rest, numerator, denominator);
    away = rounding == ROUND_UP && mpz_sgn(rest) != 0;
    if (rounding == ROUND_NEAREST) {
        mpz_mul_2exp(rest, rest, 1);
        away = mpz_cmpabs(rest, denominator) >= 0;
    }
    if (away && mpz_sgn(numerator) > 0)
        mpz_add_ui(to, to, 1);
    else if (away)
        mpz_sub_ui(to, to, 1);
    mpz_clear(rest);
}

/* number * 10^digits, rounded to an integer. */
static void scale(mpz_t to, const struct number *number, unsigned digits, enum rounding rounding)
{
    mpz_t numerator;

    mpz_init(numerator);
    mpz_ui_pow_ui(numerator, 10, digits);
    mpz_mul(numerator, numerator, mpq_numref(number->ratio));
    divide_rounded(to, numerator, mpq_denref(number->ratio), rounding);
    mpz_clear(numerator);
}

void number_round(struct number *to, const struct number *from, unsigned digits,
                  enum rounding rounding)
{
    mpz_t scaled;

    mpz_init(scaled);
    scale(scaled, from, digits, rounding);
    mpz_set(mpq_numref(to->ratio), scaled);
    mpz_ui_pow_ui(mpq_denref(to->ratio), 10, digits);
    mpq_canonicalize(to->ratio);
    mpz_clear(scaled);
}

void number_write_fixed(const struct number *number, unsigned digits, char text[NUMBER_TEXT_SIZE])
{
    char plain[NUMBER_TEXT_SIZE];
    size_t length, zeros, whole;
    mpz_t scaled;

    mpz_init(scaled);
    scale(scaled, number, digits, ROUND_NEAREST);
    /* A sign, a leading zero, the point and the terminator come on top of the digits. */
    check(digits + 4 < NUMBER_TEXT_SIZE && mpz_sizeinbase(scaled, 10) + 4 < NUMBER_TEXT_SIZE);
    if (mpz_sgn(scaled) < 0)
        *text++ = '-';
    mpz_abs(scaled, scaled);
    mpz_get_str(plain, 10, scaled);
    mpz_clear(scaled);

    length = strlen(plain);
    zeros = length > digits ? 0 : digits + 1 - length; /* so that one digit precedes the point */
    whole = length + zeros - digits;
    memmove(plain + zeros, plain, length + 1);
    memset(plain, '0', zeros);
    memcpy(text, plain, whole);
    if (digits > 0)
        text[whole++] = '.';
    memcpy(text + whole, plain + length + zeros - digits, digits + 1);
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

bool number_ends_within(const struct number *number, unsigned digits)
{
    mpz_t power;
    bool ends;

    mpz_init(power);
    mpz_ui_pow_ui(power, 10, digits);
    ends = mpz_divisible_p(power, mpq_denref(number->ratio)) != 0;
    mpz_clear(power);
    return ends;
}
