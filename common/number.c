#include "common/number.h"

#include <string.h>

#include "common/check.h"
#include "common/number_internal.h"

enum {
    WORD_DIGITS = 18, /* of a power of ten that 64 bits hold */
    WORD_BITS = 64,
    WIDE_BITS = 126,    /* of a value without its sign */
    DIVISION_SHIFTS = 6 /* powers of ten that are tried before a quotient is a ratio */
};

/* ---- What is kept ---- */

number_wide number_ten(unsigned power)
{
    static const int64_t small[WORD_DIGITS + 1] = {1,
                                                   10,
                                                   100,
                                                   1000,
                                                   10000,
                                                   100000,
                                                   1000000,
                                                   10000000,
                                                   100000000,
                                                   1000000000,
                                                   10000000000,
                                                   100000000000,
                                                   1000000000000,
                                                   10000000000000,
                                                   100000000000000,
                                                   1000000000000000,
                                                   10000000000000000,
                                                   100000000000000000,
                                                   1000000000000000000};

    check(power <= NUMBER_SCALE_LIMIT);
    return power <= WORD_DIGITS ? small[power]
                                : (number_wide)small[WORD_DIGITS] * small[power - WORD_DIGITS];
}

void number_start(struct number *number)
{
    number->value = 0;
    number->scale = 0;
    number->is_ratio = false;
}

void number_end(struct number *number)
{
    if (number->is_ratio)
        mpq_clear(number->ratio);
    number->is_ratio = false;
}

void number_keep(struct number *to, number_wide value, unsigned scale)
{
    number_end(to);
    to->value = value;
    to->scale = scale;
}

static void wide_to_integer(mpz_ptr to, number_wide value)
{
    number_wide rest = value < 0 ? -value : value;

    mpz_set_ui(to, (unsigned long)(rest >> WORD_BITS));
    mpz_mul_2exp(to, to, WORD_BITS);
    mpz_add_ui(to, to, (unsigned long)(rest & UINT64_MAX));
    if (value < 0)
        mpz_neg(to, to);
}

static bool integer_to_wide(mpz_srcptr from, number_wide *value)
{
    if (mpz_sizeinbase(from, 2) > WIDE_BITS)
        return false;
    *value = (number_wide)mpz_getlimbn(from, 1) << WORD_BITS | mpz_getlimbn(from, 0);
    if (mpz_sgn(from) < 0)
        *value = -*value;
    return true;
}

void number_to_ratio(mpq_ptr ratio, const struct number *number)
{
    if (number->is_ratio) {
        mpq_set(ratio, number->ratio);
        return;
    }
    wide_to_integer(mpq_numref(ratio), number->value);
    mpz_ui_pow_ui(mpq_denref(ratio), 10, number->scale);
    mpq_canonicalize(ratio);
}

/* Whether it is a decimal that fits. */
static bool as_decimal(mpq_srcptr ratio, number_wide *value, unsigned *scale)
{
    mpz_t rest, factor, numerator;
    bool fits;

    mpz_init(rest);
    mpz_init(numerator);
    mpz_init_set_ui(factor, 5);
    size_t twos = mpz_scan1(mpq_denref(ratio), 0);
    size_t fives = mpz_remove(rest, mpq_denref(ratio), factor);
    size_t digits = twos > fives ? twos : fives;
    mpz_tdiv_q_2exp(rest, rest, twos);
    fits = mpz_cmp_ui(rest, 1) == 0 && digits <= NUMBER_SCALE_LIMIT;
    if (fits) {
        mpz_ui_pow_ui(factor, 10, digits);
        mpz_divexact(factor, factor, mpq_denref(ratio));
        mpz_mul(numerator, mpq_numref(ratio), factor);
        *scale = (unsigned)digits;
        fits = integer_to_wide(numerator, value);
    }
    mpz_clear(factor);
    mpz_clear(numerator);
    mpz_clear(rest);
    return fits;
}

void number_keep_ratio(struct number *to, mpq_srcptr ratio)
{
    number_wide value;
    unsigned scale;

    if (as_decimal(ratio, &value, &scale)) {
        number_keep(to, value, scale);
        return;
    }
    if (!to->is_ratio)
        mpq_init(to->ratio);
    to->is_ratio = true;
    mpq_set(to->ratio, ratio);
}

void number_set(struct number *to, const struct number *from)
{
    if (to == from)
        return;
    if (!from->is_ratio) {
        number_keep(to, from->value, from->scale);
        return;
    }
    if (!to->is_ratio)
        mpq_init(to->ratio);
    to->is_ratio = true;
    mpq_set(to->ratio, from->ratio);
}

void number_set_integer(struct number *to, long value)
{
    number_keep(to, value, 0);
}

/* ---- Arithmetic: in 128 bits where everything fits, else in ratios ---- */

static void in_ratios(struct number *to, const struct number *a, const struct number *b,
                      void (*operation)(mpq_ptr, mpq_srcptr, mpq_srcptr))
{
    mpq_t left, right;

    mpq_init(left);
    mpq_init(right);
    number_to_ratio(left, a);
    number_to_ratio(right, b);
    operation(left, left, right);
    number_keep_ratio(to, left);
    mpq_clear(right);
    mpq_clear(left);
}

/* Whether its sign can be turned, too. */
static bool fits(number_wide value)
{
    const number_wide limit = (number_wide)1 << WIDE_BITS;

    return -limit < value && value < limit;
}

/* Both with as many digits after the point; false where one does not fit then. */
static bool align(const struct number *a, const struct number *b, number_wide *left,
                  number_wide *right, unsigned *scale)
{
    if (a->is_ratio || b->is_ratio)
        return false;
    *scale = a->scale > b->scale ? a->scale : b->scale;
    return !__builtin_mul_overflow(a->value, number_ten(*scale - a->scale), left) &&
           !__builtin_mul_overflow(b->value, number_ten(*scale - b->scale), right);
}

void number_add(struct number *to, const struct number *a, const struct number *b)
{
    number_wide left, right, sum;
    unsigned scale;

    if (align(a, b, &left, &right, &scale) && !__builtin_add_overflow(left, right, &sum) &&
        fits(sum))
        number_keep(to, sum, scale);
    else
        in_ratios(to, a, b, mpq_add);
}

void number_subtract(struct number *to, const struct number *a, const struct number *b)
{
    number_wide left, right, difference;
    unsigned scale;

    if (align(a, b, &left, &right, &scale) && !__builtin_sub_overflow(left, right, &difference) &&
        fits(difference))
        number_keep(to, difference, scale);
    else
        in_ratios(to, a, b, mpq_sub);
}

void number_multiply(struct number *to, const struct number *a, const struct number *b)
{
    number_wide product;

    if (!a->is_ratio && !b->is_ratio && a->scale + b->scale <= NUMBER_SCALE_LIMIT &&
        !__builtin_mul_overflow(a->value, b->value, &product) && fits(product))
        number_keep(to, product, a->scale + b->scale);
    else
        in_ratios(to, a, b, mpq_mul);
}

/* a / b as a decimal, where it ends soon. */
static bool divide_soon(struct number *to, const struct number *a, const struct number *b)
{
    number_wide left = a->value;

    if (a->is_ratio || b->is_ratio)
        return false;
    for (unsigned shift = 0; shift <= DIVISION_SHIFTS; shift++) {
        if (a->scale + shift > NUMBER_SCALE_LIMIT)
            return false;
        if (left % b->value == 0) {
            number_wide quotient = left / b->value;
            unsigned scale = a->scale + shift;
            if (scale >= b->scale)
                number_keep(to, quotient, scale - b->scale);
            else if (!__builtin_mul_overflow(quotient, number_ten(b->scale - scale), &quotient) &&
                     fits(quotient))
                number_keep(to, quotient, 0);
            else
                return false;
            return true;
        }
        if (__builtin_mul_overflow(left, 10, &left))
            return false;
    }
    return false;
}

void number_divide(struct number *to, const struct number *a, const struct number *b)
{
    check(number_sign(b) != 0);
    if (!divide_soon(to, a, b))
        in_ratios(to, a, b, mpq_div);
}

int number_compare(const struct number *a, const struct number *b)
{
    number_wide left, right;
    unsigned scale;
    mpq_t first, second;

    if (align(a, b, &left, &right, &scale))
        return (left > right) - (left < right);
    mpq_init(first);
    mpq_init(second);
    number_to_ratio(first, a);
    number_to_ratio(second, b);
    int order = mpq_cmp(first, second);
    mpq_clear(second);
    mpq_clear(first);
    return order;
}

int number_sign(const struct number *number)
{
    if (number->is_ratio)
        return mpq_sgn(number->ratio);
    return (number->value > 0) - (number->value < 0);
}

unsigned long number_whole(const struct number *number, unsigned long limit)
{
    check(number_sign(number) >= 0 && number_ends_within(number, 0));
    if (number->is_ratio)
        return limit;
    number_wide whole = number->value / number_ten(number->scale);
    return whole > limit ? limit : (unsigned long)whole;
}

/* ---- Rounding ---- */

/* Whether a remainder of a division by `divisor`, which is above 0, takes the quotient away from
 * 0. */
static bool goes_away(number_wide rest, number_wide divisor, enum rounding rounding)
{
    if (rest < 0)
        rest = -rest;
    return rounding == ROUND_UP ? rest != 0 : rounding == ROUND_NEAREST && rest >= divisor - rest;
}

/* Rounds numerator / denominator (which is above 0) to an integer, which is apart from both. */
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

static void round_ratio(struct number *to, const struct number *from, unsigned digits,
                        enum rounding rounding)
{
    mpq_t result;
    mpz_t scaled;

    mpq_init(result);
    mpz_init(scaled);
    mpz_ui_pow_ui(mpq_denref(result), 10, digits);
    mpz_mul(scaled, mpq_denref(result), mpq_numref(from->ratio));
    divide_rounded(mpq_numref(result), scaled, mpq_denref(from->ratio), rounding);
    mpq_canonicalize(result);
    number_keep_ratio(to, result);
    mpz_clear(scaled);
    mpq_clear(result);
}

void number_round(struct number *to, const struct number *from, unsigned digits,
                  enum rounding rounding)
{
    if (from->is_ratio) {
        round_ratio(to, from, digits, rounding);
        return;
    }
    if (from->scale <= digits) {
        number_set(to, from);
        return;
    }
    number_wide divisor = number_ten(from->scale - digits);
    number_wide quotient = from->value / divisor;
    if (goes_away(from->value % divisor, divisor, rounding))
        quotient += from->value < 0 ? -1 : 1;
    number_keep(to, quotient, digits);
}

bool number_ends_within(const struct number *number, unsigned digits)
{
    mpz_t power;
    bool ends;

    if (!number->is_ratio)
        return number->scale <= digits || number->value % number_ten(number->scale - digits) == 0;
    mpz_init(power);
    mpz_ui_pow_ui(power, 10, digits);
    ends = mpz_divisible_p(power, mpq_denref(number->ratio)) != 0;
    mpz_clear(power);
    return ends;
}
