#include "common/instant.h"

#include <time.h>

#include "tests/unit/unit.h"

static const int64_t LAST = INT64_C(253402300799999999); /* 9999-12-31T23:59:59.999999Z */

static int64_t parsed(const char *text)
{
    instant time;

    return instant_parse(slice_of(text), &time) ? time : -1;
}

TEST(instant_parse_takes_rfc_3339)
{
    EXPECT_NUMBER(parsed("1970-01-01T00:00:00Z"), 0);
    EXPECT_NUMBER(parsed("2026-10-31T16:00:00Z"), INT64_C(1793462400000000));
    EXPECT_NUMBER(parsed("2026-11-01T00:00:00+08:00"), INT64_C(1793462400000000));
    EXPECT_NUMBER(parsed("2026-10-31t11:30:00.5-04:30"), INT64_C(1793462400500000));
    EXPECT_NUMBER(parsed("2026-10-31T16:00:00.000001z"), INT64_C(1793462400000001));
    EXPECT_NUMBER(parsed("1970-01-01T00:00:00-00:00"), 0);
    EXPECT_NUMBER(parsed("2000-02-29T00:00:00Z"), INT64_C(951782400000000));
    EXPECT_NUMBER(parsed("9999-12-31T23:59:59.999999Z"), LAST);
}

TEST(instant_parse_refuses_all_else)
{
    static const char *const BAD[] = {
        "",
        "2026-10-31",
        "2026-10-31T16:00:00",
        "2026-10-31 16:00:00Z",
        "2026-10-31T16:00Z",
        "2026-10-31T16:00:00.Z",
        "2026-10-31T16:00:00.1234567Z",
        "2026-10-31T16:00:60Z",
        "2026-10-31T24:00:00Z",
        "2026-10-31T16:60:00Z",
        "2026-10-32T16:00:00Z",
        "2026-00-31T16:00:00Z",
        "2026-13-31T16:00:00Z",
        "2026-02-29T16:00:00Z",
        "2100-02-29T16:00:00Z",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "2026-10-31T16:00:00+24:00",
        "2026-10-31T16:00:00+08:60",
        "2026-10-31T16:00:00+0800",
        "2026-10-31T16:00:00+08",
        "2026-10-31T16:00:00Zz",
        " 2026-10-31T16:00:00Z",
        "2026-1-31T16:00:00Z",
        "+026-10-31T16:00:00Z",
    };

    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        if (parsed(BAD[i]) != -1)
            unit_failed(__FILE__, __LINE__, "taken: %s", BAD[i]);
    EXPECT(!instant_parse((struct slice){"2026-10-31T16:00:00\0", 20}, &(instant){0}));
}

/* The C library has the other calendar. */
TEST(instant_writes_what_it_parses)
{
    for (int i = 0; i < 20000; i++) {
        instant time = (instant)unit_random_below((uint64_t)LAST + 1);
        time_t seconds = time / INSTANT_SECOND;
        char text[INSTANT_TEXT_SIZE], expected[INSTANT_TEXT_SIZE];
        struct tm tm;

        instant_write(time, text);
        EXPECT_NUMBER(parsed(text), time);
        instant_write(seconds * INSTANT_SECOND, text);
        strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &tm));
        EXPECT_TEXT(text, expected);
    }
}

TEST(instant_writes_a_fraction_where_there_is_one)
{
    char text[INSTANT_TEXT_SIZE];

    instant_write(INT64_C(1793462400000000), text);
    EXPECT_TEXT(text, "2026-10-31T16:00:00Z");
    instant_write(INT64_C(1793462400050000), text);
    EXPECT_TEXT(text, "2026-10-31T16:00:00.050000Z");
    instant_write(INT64_C(951782400000000), text); /* the last day of 400 years */
    EXPECT_TEXT(text, "2000-02-29T00:00:00Z");
    instant_write(LAST, text);
    EXPECT_TEXT(text, "9999-12-31T23:59:59.999999Z");
}

TEST(instant_now_is_near)
{
    instant now = instant_now();

    EXPECT(now / INSTANT_SECOND - time(NULL) <= 1 && time(NULL) - now / INSTANT_SECOND <= 1);
    EXPECT(monotonic_milliseconds() <= monotonic_milliseconds());
}

TEST(date_valid_knows_the_calendar)
{
    EXPECT(date_valid(slice_of("2024-02-29")));
    EXPECT(date_valid(slice_of("9999-12-31")));
    EXPECT(!date_valid(slice_of("2026-02-29")));
    EXPECT(!date_valid(slice_of("2026-04-31")));
    EXPECT(!date_valid(slice_of("2026-04-30T")));
    EXPECT(!date_valid(slice_of("1969-12-31")));
    EXPECT(!date_valid(slice_of("2026-4-30")));
}

TEST(period_reads_writes_and_adds)
{
    static const char *const BAD[] = {"",        "2026",    "2026-00",  "2026-13", "2026-1",
                                      "1999-12", "3000-01", "2026-10-", "2026/10"};
    struct period period;
    char text[PERIOD_TEXT_SIZE];

    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        EXPECT(!period_parse(slice_of(BAD[i]), &period));
    EXPECT(period_parse(slice_of("2026-10"), &period));
    period_write(period, text);
    EXPECT_TEXT(text, "2026-10");
    period_write(period_add(period, 3), text);
    EXPECT_TEXT(text, "2027-01");
    period_write(period_add(period, -10), text);
    EXPECT_TEXT(text, "2025-12");
    period_write(period_add(period, 2), text);
    EXPECT_TEXT(text, "2026-12");
}
