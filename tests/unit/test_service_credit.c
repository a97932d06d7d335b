#include "tests/unit/unit.h"

#include <stdio.h>

#include "daemon/billing/service_credit.h"

enum { TEXT_SIZE = 512 };

#define TIERS                                                                                      \
    "\"rule\":{\"tiers\":[{\"over_minutes\":60,\"percent\":\"5\"},"                                \
    "{\"over_minutes\":240,\"percent\":\"12.5\"}]}"

static json_t *facts_of(long minutes, const char *before)
{
    char text[TEXT_SIZE];

    snprintf(text, sizeof text, "{\"minutes\":%ld,\"before\":\"%s\"," TIERS "}", minutes, before);
    return json_loads(text, 0, NULL);
}

static void read(struct number *number, const char *text)
{
    number_start(number);
    EXPECT(number_parse_stored(number, slice_of(text)));
}

static void expect_percent(long minutes, const char *room_text, const char *expected)
{
    json_t *facts = facts_of(minutes, "0");
    char text[NUMBER_TEXT_SIZE];
    struct number room, percent;

    read(&room, room_text);
    number_start(&percent);
    service_credit_percent(facts, &room, &percent);
    number_write(&percent, text);
    EXPECT_TEXT(text, expected);
    number_end(&percent);
    number_end(&room);
    json_decref(facts);
}

TEST(service_credit_takes_the_highest_tier_exceeded)
{
    expect_percent(60, "100", "0");
    expect_percent(61, "100", "5");
    expect_percent(240, "100", "5");
    expect_percent(241, "100", "12.5");
    expect_percent(44640, "7.25", "7.25");
    expect_percent(44640, "0", "0");
}

/* Of a base of two lines; with the bill's net and total, of a settled month that was credited
 * `before`. */
static bool make(const char *percent_text, const char *before, const char *net, const char *total,
                 struct line *line)
{
    json_t *facts = facts_of(61, before);
    json_t *base =
        json_loads("[{\"line\":1,\"net\":\"99.99\"},{\"line\":2,\"net\":\"0.02\"}]", 0, NULL);
    struct bill_sum bears;
    struct number percent;

    read(&percent, percent_text);
    read(&bears.net, net);
    read(&bears.total, total);
    bool made = service_credit_make(
        &(struct service_credit_request){.facts = facts,
                                         .base = base,
                                         .tax_rate = "0.09",
                                         .percent = &percent,
                                         .bears = before[0] == '\0' ? NULL : &bears},
        line);
    number_end(&bears.total);
    number_end(&bears.net);
    number_end(&percent);
    json_decref(base);
    json_decref(facts);
    return made;
}

TEST(service_credit_is_rounded_once_half_away_from_zero)
{
    struct line line;

    EXPECT(make("10.5", "", "0", "0", &line));
    EXPECT_TEXT(line.amount, "-10.50105");
    EXPECT_TEXT(line.net, "-10.50");
    EXPECT_TEXT(line.tax, "-0.95"); /* 0.945 */
    EXPECT_TEXT(line.quantity, "61");
    EXPECT_TEXT(line.unit_amount, "");
    line_end(&line);
    EXPECT(make("100", "", "0", "0", &line));
    EXPECT_TEXT(line.net, "-100.01");
    line_end(&line);
    EXPECT(!make("0", "", "0", "0", &line));
    EXPECT(line.steps == NULL);
}

TEST(service_credit_of_a_settled_month_is_the_difference)
{
    struct line line;

    EXPECT(make("50", "10.00", "1000", "1090", &line));
    EXPECT_TEXT(line.amount, "-40.005");
    EXPECT_TEXT(line.net, "-40.01");
    line_end(&line);
    EXPECT(!make("10", "10.00", "1000", "1090", &line)); /* a tenth of a cent */
    EXPECT(!make("5", "10.00", "1000", "1090", &line));
}

TEST(service_credit_is_no_more_than_the_bill)
{
    struct line line;

    EXPECT(make("50", "0", "9.68", "10.55", &line));
    EXPECT_TEXT(line.net, "-9.68");
    EXPECT_TEXT(line.tax, "-0.87");
    EXPECT_TEXT(json_string_value(json_object_get(json_array_get(line.steps, 5), "amount")),
                "40.325");
    line_end(&line);
    EXPECT(make("50", "0", "10", "10.60", &line)); /* what is charged is taxed less */
    EXPECT_TEXT(line.net, "-9.72");
    EXPECT_TEXT(line.tax, "-0.87"); /* 10.59 in all */
    line_end(&line);
    EXPECT(!make("50", "0", "0", "0", &line));
    EXPECT(!make("50", "0", "-5", "-5.45", &line));
}

/* Whatever the bill comes to, neither its net nor its total is below zero afterwards. */
TEST(service_credit_leaves_no_bill_below_zero)
{
    for (int i = 0; i < 500; i++) {
        char net_text[32], total_text[32];
        struct number net, total, part;
        struct line line;
        uint64_t cents = unit_random_below(6000), tax = unit_random_below(cents / 5 + 1);
        snprintf(net_text, sizeof net_text, "%llu.%02llu", (unsigned long long)cents / 100,
                 (unsigned long long)cents % 100);
        snprintf(total_text, sizeof total_text, "%llu.%02llu",
                 (unsigned long long)(cents + tax) / 100, (unsigned long long)(cents + tax) % 100);
        if (!make("50", "0", net_text, total_text, &line))
            continue;
        read(&net, net_text);
        read(&total, total_text);
        read(&part, line.net);
        number_add(&net, &net, &part);
        number_add(&total, &total, &part);
        number_parse_stored(&part, slice_of(line.tax));
        number_add(&total, &total, &part);
        EXPECT(number_sign(&net) >= 0 && number_sign(&total) >= 0);
        number_end(&part);
        number_end(&total);
        number_end(&net);
        line_end(&line);
    }
}
