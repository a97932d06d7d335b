/*
 * The demonstration's calendar, in Shanghai, where the clock is eight hours ahead of UTC all year;
 * and its numbers, which look random and are the same at each run.
 */
#include "daemon/demonstration/world.h"

enum { SHANGHAI_MINUTES = 8 * 60, DAY_MINUTES = 24 * 60, WEEK_DAYS = 7, EPOCH_WEEKDAY = 3 };

/* Days from 1970-01-01 to a date of the Gregorian calendar (Hinnant, days_from_civil). */
static int64_t days_from_civil(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = y / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * 146097 + day_of_era - 719468;
}

int world_month_days(struct period month)
{
    struct period next = period_add(month, 1);
    return (int)(days_from_civil(next.year, next.month, 1) -
                 days_from_civil(month.year, month.month, 1));
}

instant world_instant(struct period month, int day, int minute)
{
    int64_t minutes =
        days_from_civil(month.year, month.month, day) * DAY_MINUTES + minute - SHANGHAI_MINUTES;
    return minutes * 60 * INSTANT_SECOND;
}

int world_days_past(struct period month)
{
    int64_t minutes = instant_now() / INSTANT_SECOND / 60 + SHANGHAI_MINUTES;
    int64_t past = minutes / DAY_MINUTES - days_from_civil(month.year, month.month, 1);
    int64_t days = world_month_days(month);

    return (int)(past < 0 ? 0 : past > days ? days : past);
}

/* 1970-01-01 was a Thursday. */
bool world_at_weekend(struct period month, int day)
{
    int64_t weekday = (days_from_civil(month.year, month.month, day) + EPOCH_WEEKDAY) % WEEK_DAYS;
    return weekday >= WEEK_DAYS - 2;
}

void world_time(struct period month, int day, int minute, char text[INSTANT_TEXT_SIZE])
{
    instant_write(world_instant(month, day, minute), text);
}

unsigned world_number(unsigned bound, unsigned tenant, unsigned month, unsigned day, unsigned what)
{
    uint64_t hash = UINT64_C(0x9e3779b97f4a7c15);
    const unsigned parts[] = {tenant, month, day, what};

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        hash ^= parts[i] + 1;
        hash *= UINT64_C(0xbf58476d1ce4e5b9);
        hash ^= hash >> 29;
    }
    return (unsigned)(hash % bound);
}
