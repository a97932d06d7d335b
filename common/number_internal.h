/*
 * What the files of exact numbers share, and nobody else.
 */
#ifndef COMMON_NUMBER_INTERNAL_H
#define COMMON_NUMBER_INTERNAL_H

#include "common/number.h"

/* Digits after the point of what is no ratio, and of any power that `ten` knows. */
enum { NUMBER_SCALE_LIMIT = 36 };

number_wide number_ten(unsigned power);

/* Makes it value / 10^scale, in 128 bits. */
void number_keep(struct number *to, number_wide value, unsigned scale);

/* Makes it the ratio, which is canonical: as a decimal where it is one that fits. */
void number_keep_ratio(struct number *to, mpq_srcptr ratio);

/* Sets an initialised ratio to the number. */
void number_to_ratio(mpq_ptr ratio, const struct number *number);

#endif
