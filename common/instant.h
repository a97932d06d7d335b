/*
 * Points in time: microseconds since 1970-01-01T00:00:00Z, leap seconds not counted. Written as
 * RFC 3339 in UTC with Z. Calendar months are periods "2026-10"; what a month is in a time zone,
 * PostgreSQL says, so that there is one source of zone rules.
 */
#ifndef COMMON_INSTANT_H
#define COMMON_INSTANT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/time.h>

#include "common/slice.h"

enum { INSTANT_TEXT_SIZE = 32, PERIOD_TEXT_SIZE = 8 };

typedef int64_t instant;

#define INSTANT_SECOND INT64_C(1000000)

instant instant_now(void);
int64_t monotonic_milliseconds(void);
int64_t monotonic_microseconds(void);

/* A span as timers want it; 0 and up. */
struct timeval timeval_of(int64_t milliseconds);

/* RFC 3339 with any offset, years 1970 to 9999, at most six digits of fraction, upper or lower case
 * T and Z, second 60 refused; false otherwise, and where the time falls out of those years in UTC.
 */
bool instant_parse(struct slice text, instant *result);

/* "2026-10-31T16:00:00Z", with six digits of fraction only where there is one. `time` lies in the
 * years 1970 to 9999. */
void instant_write(instant time, char text[INSTANT_TEXT_SIZE]);

/* "2026-10-31": a true calendar date, years 1970 to 9999. */
bool date_valid(struct slice text);

/* A month "2026-10", years 2000 to 2999. */
struct period {
    int year;
    int month; /* 1 to 12 */
};

bool period_parse(struct slice text, struct period *result);
void period_write(struct period period, char text[PERIOD_TEXT_SIZE]);
struct period period_add(struct period period, int months);

#endif
