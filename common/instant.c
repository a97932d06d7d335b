#include "common/instant.h"

#include <stdio.h>
#include <time.h>

#include "common/check.h"

enum {
    FIRST_YEAR = 1970,
    LAST_YEAR = 9999,
    FIRST_PERIOD_YEAR = 2000,
    LAST_PERIOD_YEAR = 2999,
    MONTHS_PER_YEAR = 12,
    SECONDS_PER_DAY = 86400,
    DAYS_PER_ERA = 146097,       /* 400 years of the Gregorian calendar */
    DAYS_BEFORE_EPOCH = 719468,  /* 0000-03-01 to 1970-01-01 */
    DAYS_OF_LAST_YEAR = 2932897, /* 1970-01-01 to 10000-01-01 */
    FRACTION_DIGITS = 6,
};

struct date {
    int year, month, day;
};

instant instant_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (instant)now.tv_sec * INSTANT_SECOND + now.tv_nsec / 1000;
}

int64_t monotonic_microseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * INSTANT_SECOND + now.tv_nsec / 1000;
}

int64_t monotonic_milliseconds(void)
{
    return monotonic_microseconds() / 1000;
}

struct timeval timeval_of(int64_t milliseconds)
{
    return (struct timeval){(time_t)(milliseconds / 1000),
                            (suseconds_t)(milliseconds % 1000 * 1000)};
}

/* Days since 1970-01-01 and back, after Howard Hinnant, "chrono-Compatible Low-Level Date
 * Algorithms": years begin in March, so that the leap day is the last. For years 0 and later. */
static int64_t days_of_date(struct date date)
{
    int64_t year = date.month <= 2 ? date.year - 1 : date.year;
    int64_t month = (date.month + 9) % MONTHS_PER_YEAR;
    int64_t day_of_year = (153 * month + 2) / 5 + date.day - 1;

    return year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - DAYS_BEFORE_EPOCH;
}

static struct date date_of_days(int64_t days)
{
    days += DAYS_BEFORE_EPOCH;
    int64_t era = days / DAYS_PER_ERA;
    int64_t day_of_era = days % DAYS_PER_ERA;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    struct date date = {.year = (int)(era * 400 + year_of_era + (month >= 10 ? 1 : 0)),
                        .month = (int)(month < 10 ? month + 3 : month - 9),
                        .day = (int)(day_of_year - (153 * month + 2) / 5 + 1)};
    return date;
}

static int days_in_month(int year, int month)
{
    static const int DAYS[MONTHS_PER_YEAR] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return month == 2 && leap ? 29 : DAYS[month - 1];
}

/* The readers below take what they read off the front of `text`. */

static bool read_digits(struct slice *text, size_t count, int minimum, int maximum, int *value)
{
    uint64_t number;

    if (text->length < count ||
        !slice_to_number((struct slice){text->data, count}, (uint64_t)maximum, &number) ||
        (int)number < minimum)
        return false;
    *value = (int)number;
    *text = (struct slice){text->data + count, text->length - count};
    return true;
}

static bool read_character(struct slice *text, const char *any_of)
{
    if (text->length == 0 || text->data[0] == '\0' || strchr(any_of, text->data[0]) == NULL)
        return false;
    *text = (struct slice){text->data + 1, text->length - 1};
    return true;
}

static bool read_date(struct slice *text, struct date *date)
{
    return read_digits(text, 4, FIRST_YEAR, LAST_YEAR, &date->year) && read_character(text, "-") &&
           read_digits(text, 2, 1, MONTHS_PER_YEAR, &date->month) && read_character(text, "-") &&
           read_digits(text, 2, 1, days_in_month(date->year, date->month), &date->day);
}

static bool read_clock(struct slice *text, int64_t *seconds)
{
    int hour, minute, second;

    if (!read_digits(text, 2, 0, 23, &hour) || !read_character(text, ":") ||
        !read_digits(text, 2, 0, 59, &minute) || !read_character(text, ":") ||
        !read_digits(text, 2, 0, 59, &second))
        return false;
    *seconds = (hour * 60 + minute) * 60 + second;
    return true;
}

static bool read_fraction(struct slice *text, int64_t *microseconds)
{
    int64_t unit = INSTANT_SECOND;
    int digit;

    *microseconds = 0;
    if (!read_character(text, "."))
        return true;
    while (unit > 1 && read_digits(text, 1, 0, 9, &digit)) {
        unit /= 10;
        *microseconds += digit * unit;
    }
    return unit < INSTANT_SECOND;
}

static bool read_offset(struct slice *text, int64_t *seconds)
{
    int hours, minutes;

    *seconds = 0;
    if (read_character(text, "Zz"))
        return true;
    bool west = text->length > 0 && text->data[0] == '-';
    if (!read_character(text, "+-") || !read_digits(text, 2, 0, 23, &hours) ||
        !read_character(text, ":") || !read_digits(text, 2, 0, 59, &minutes))
        return false;
    *seconds = (west ? INT64_C(-60) : INT64_C(60)) * (hours * 60 + minutes);
    return true;
}

bool instant_parse(struct slice text, instant *result)
{
    struct date date;
    int64_t clock, microseconds, offset;

    if (!read_date(&text, &date) || !read_character(&text, "Tt") || !read_clock(&text, &clock) ||
        !read_fraction(&text, &microseconds) || !read_offset(&text, &offset) || text.length > 0)
        return false;
    int64_t seconds = days_of_date(date) * SECONDS_PER_DAY + clock - offset;
    if (seconds < 0 || seconds >= (int64_t)DAYS_OF_LAST_YEAR * SECONDS_PER_DAY)
        return false;
    *result = seconds * INSTANT_SECOND + microseconds;
    return true;
}

/* So many digits, and what stands behind them; where the next one goes. */
static char *write_digits(char *at, int number, size_t digits, char behind)
{
    for (size_t i = digits; i-- > 0; number /= 10)
        at[i] = (char)('0' + number % 10);
    at[digits] = behind;
    return at + digits + 1;
}

void instant_write(instant time, char text[INSTANT_TEXT_SIZE])
{
    int64_t seconds = time / INSTANT_SECOND;
    int fraction = (int)(time % INSTANT_SECOND);

    check(time >= 0 && seconds < (int64_t)DAYS_OF_LAST_YEAR * SECONDS_PER_DAY);
    struct date date = date_of_days(seconds / SECONDS_PER_DAY);
    int clock = (int)(seconds % SECONDS_PER_DAY);
    char *at = write_digits(text, date.year, 4, '-');
    at = write_digits(at, date.month, 2, '-');
    at = write_digits(at, date.day, 2, 'T');
    at = write_digits(at, clock / 3600, 2, ':');
    at = write_digits(at, clock / 60 % 60, 2, ':');
    at = write_digits(at, clock % 60, 2, fraction == 0 ? 'Z' : '.');
    if (fraction != 0)
        at = write_digits(at, fraction, FRACTION_DIGITS, 'Z');
    *at = '\0';
}

bool date_valid(struct slice text)
{
    struct date date;

    return read_date(&text, &date) && text.length == 0;
}

bool period_parse(struct slice text, struct period *result)
{
    struct period period;

    if (!read_digits(&text, 4, FIRST_PERIOD_YEAR, LAST_PERIOD_YEAR, &period.year) ||
        !read_character(&text, "-") || !read_digits(&text, 2, 1, MONTHS_PER_YEAR, &period.month) ||
        text.length > 0)
        return false;
    *result = period;
    return true;
}

void period_write(struct period period, char text[PERIOD_TEXT_SIZE])
{
    check(period.year >= 0 && period.year <= LAST_YEAR);
    check(period.month >= 1 && period.month <= MONTHS_PER_YEAR);
    snprintf(text, PERIOD_TEXT_SIZE, "%04d-%02d", period.year, period.month);
}

struct period period_add(struct period period, int months)
{
    int64_t total = (int64_t)period.year * MONTHS_PER_YEAR + period.month - 1 + months;

    check(total >= 0 && total / MONTHS_PER_YEAR <= LAST_YEAR);
    return (struct period){(int)(total / MONTHS_PER_YEAR), (int)(total % MONTHS_PER_YEAR) + 1};
}
