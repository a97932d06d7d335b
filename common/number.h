/*
 * Exact numbers for money and quantities. Nothing is rounded until number_round or number_write is
 * asked to.
 *
 * Nearly all are decimals that fit into 128 bits, and are kept as that; what does not fit, or does
 * not end (1/3), is a ratio of GMP.
 */
#ifndef COMMON_NUMBER_H
#define COMMON_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gmp.h>

#include "common/slice.h"

enum {
    NUMBER_INTEGER_DIGITS = 18,  /* at most before the point, from outside */
    NUMBER_FRACTION_DIGITS = 12, /* at most after it */
    NUMBER_TEXT_SIZE = 128,      /* any result that billing makes fits */
};

__extension__ typedef __int128 number_wide;

struct number {
    number_wide value; /* divided by 10^scale, unless it is a ratio */
    unsigned scale;
    bool is_ratio;
    mpq_t ratio; /* only then */
};

void number_start(struct number *number); /* 0; to be ended with number_end */
void number_end(struct number *number);
void number_set(struct number *to, const struct number *from);
void number_set_integer(struct number *to, long value);

/* ^-?\d{1,18}(\.\d{1,12})?$ and nothing else; false leaves `to` as it was. */
bool number_parse(struct number *to, struct slice text);

/* The same spelling with any number of digits up to NUMBER_TEXT_SIZE: what PostgreSQL's numeric
 * gives back. */
bool number_parse_stored(struct number *to, struct slice text);

void number_add(struct number *to, const struct number *a, const struct number *b);
void number_subtract(struct number *to, const struct number *a, const struct number *b);
void number_multiply(struct number *to, const struct number *a, const struct number *b);
void number_divide(struct number *to, const struct number *a, const struct number *b); /* b != 0 */
int number_compare(const struct number *a, const struct number *b);
int number_sign(const struct number *number);

/* Of one that is whole, from 0 on: what it is, and `limit` where it is more. */
unsigned long number_whole(const struct number *number, unsigned long limit);

enum rounding {
    ROUND_UP,
    ROUND_DOWN,
    ROUND_NEAREST
}; /* away from 0, towards 0, half away from 0 */

/* To `digits` after the point. */
void number_round(struct number *to, const struct number *from, unsigned digits,
                  enum rounding rounding);

/* Without trailing zeros; one that does not end within NUMBER_FRACTION_DIGITS is rounded to them,
 * half away from zero. */
void number_write(const struct number *number, char text[NUMBER_TEXT_SIZE]);

/* With exactly `digits` after the point, rounded half away from zero: "12.50". */
void number_write_fixed(const struct number *number, unsigned digits, char text[NUMBER_TEXT_SIZE]);

/* True when it ends within `digits` after the point. */
bool number_ends_within(const struct number *number, unsigned digits);

#endif
