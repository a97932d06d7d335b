#include "tests/unit/unit.h"

#include <stdio.h>

#include "daemon/billing/line.h"

static bool make(const char *charge_text, struct line_request request, struct line *line)
{
    char problem[LINE_PROBLEM_SIZE] = "";
    json_t *charge = json_loads(charge_text, 0, NULL);
    bool made;

    EXPECT(charge != NULL);
    request.charge = charge;
    if (request.tax_rate == NULL)
        request.tax_rate = "0.06";
    made = line_make(&request, line, problem);
    EXPECT_TEXT(problem, "");
    json_decref(charge);
    return made;
}

#define FLAT(proration)                                                                            \
    "{\"code\":\"c\",\"kind\":\"recurring\"," proration                                            \
    "\"price\":{\"model\":\"flat\",\"amount\":\"399\"}}"

TEST(line_prorates_by_calendar_day)
{
    struct line line;

    EXPECT(make(FLAT(""), (struct line_request){.active_days = 17, .period_days = 31}, &line));
    EXPECT_TEXT(line.amount, "218.806451612903"); /* 399 * 17 / 31 */
    EXPECT_TEXT(line.net, "218.81");
    EXPECT_TEXT(line.tax, "13.13");
    EXPECT_TEXT(line.quantity, "0.548387096774");
    line_end(&line);
}

TEST(line_of_a_whole_period_costs_the_whole)
{
    struct line line;

    EXPECT(make(FLAT(""), (struct line_request){.active_days = 30, .period_days = 30}, &line));
    EXPECT_TEXT(line.quantity, "1");
    EXPECT_TEXT(line.net, "399.00");
    line_end(&line);
}

#define USAGE(price) "{\"code\":\"u\",\"kind\":\"usage\",\"price\":" price "}"
#define TIERS                                                                                      \
    USAGE("{\"model\":\"graduated\",\"tiers\":[{\"up_to\":\"10\",\"unit_amount\":\"2\"},"          \
          "{\"up_to\":null,\"unit_amount\":\"1\"}]}")

TEST(line_of_a_fee_says_first_what_it_came_from)
{
    struct line line;
    char text[256];

    EXPECT(make("{\"code\":\"overdue\",\"kind\":\"fee\",\"working\":{\"step\":\"overdue\"},"
                "\"price\":{\"model\":\"unit\",\"unit_amount\":\"5.5\"}}",
                (struct line_request){.quantity = "3"}, &line));
    EXPECT_TEXT(line.net, "16.50");
    EXPECT_TEXT(line.unit_amount, "5.5");
    for (size_t i = 0; i < 2; i++) {
        snprintf(text, sizeof text, "%s",
                 json_string_value(json_object_get(json_array_get(line.steps, i), "step")));
        EXPECT_TEXT(text, i == 0 ? "overdue" : "unit");
    }
    line_end(&line);
}

TEST(line_rounds_once_half_away_from_zero)
{
    struct line line;

    EXPECT(make(USAGE("{\"model\":\"unit\",\"unit_amount\":\"0.005\"}"),
                (struct line_request){.quantity = "1"}, &line));
    EXPECT_TEXT(line.amount, "0.005");
    EXPECT_TEXT(line.net, "0.01");
    EXPECT_TEXT(line.unit_amount, "0.005");
    line_end(&line);
}

/* Late usage costs what the whole costs now, less what was billed: 8 were billed at 2, and 4 more
 * make 12, of which two are in the second tier. */
TEST(line_of_late_usage_continues_the_tiers)
{
    struct line line;

    EXPECT(make(TIERS, (struct line_request){.quantity = "4", .already = "8"}, &line));
    EXPECT_TEXT(line.amount, "6"); /* 10 * 2 + 2 * 1 - 8 * 2 */
    EXPECT_TEXT(line.quantity, "4");
    line_end(&line);
}

TEST(line_of_events_charges_late_ones_alone)
{
    struct line line;
    json_t *events =
        json_loads("[[\"100\",true,true],[\"200\",false,true],[\"50\",true,true]]", 0, NULL);

    EXPECT(make(USAGE("{\"model\":\"percentage\",\"rate\":\"1\",\"fixed_amount\":\"2\"}"),
                (struct line_request){.quantity = "200", .already = "150", .events = events},
                &line));
    EXPECT_TEXT(line.amount, "4"); /* 1 % of 200, and 2 */
    line_end(&line);
    json_decref(events);
}

TEST(line_of_events_takes_back_those_that_were_voided)
{
    struct line line;
    json_t *events =
        json_loads("[[\"100\",true,true],[\"200\",false,true],[\"500\",true,false]]", 0, NULL);

    EXPECT(make(USAGE("{\"model\":\"percentage\",\"rate\":\"1\",\"fixed_amount\":\"2\"}"),
                (struct line_request){.quantity = "-300", .already = "600", .events = events},
                &line));
    EXPECT_TEXT(line.amount, "-3"); /* 1 % of 200, and 2, less 1 % of 500, and 2 */
    line_end(&line);
    json_decref(events);
}

TEST(line_of_a_matrix_charges_the_difference_of_its_cells)
{
    struct line line;
    json_t *groups = json_loads(
        "[[[\"hk\"],\"10\",\"15\"],[[null],\"4\",\"0\"],[[\"cn\"],\"0\",\"1\"]]", 0, NULL);
    const char *charge = USAGE("{\"model\":\"matrix\",\"dimensions\":[\"region\"],\"cells\":["
                               "{\"values\":{\"region\":\"hk\"},\"unit_amount\":\"3\"},"
                               "{\"values\":{},\"unit_amount\":\"1\"}]}");

    EXPECT(make(charge, (struct line_request){.quantity = "16", .groups = groups}, &line));
    EXPECT_TEXT(line.amount, "46"); /* 15 at 3, and 1 at 1 */
    EXPECT_TEXT(line.billed_quantity, "16");
    EXPECT_TEXT(line.unit_amount, "");
    line_end(&line);
    EXPECT(make(charge, (struct line_request){.quantity = "2", .already = "14", .groups = groups},
                &line));
    EXPECT_TEXT(line.amount, "12"); /* of 46, 34 were billed */
    EXPECT_TEXT(line.billed_quantity, "2");
    line_end(&line);
    json_decref(groups);
}

/* Whatever is late, in however many parts: the parts' exact amounts add up to the price of the
 * whole. */
TEST(line_corrections_add_up)
{
    for (int i = 0; i < 200; i++) {
        struct number sum, part;
        struct line line;
        char quantity[32], already[32], whole[NUMBER_TEXT_SIZE], text[NUMBER_TEXT_SIZE];
        uint64_t billed = 0;
        number_start(&sum);
        number_start(&part);
        for (int turn = 0; turn < 5; turn++) {
            uint64_t more = unit_random_below(9);
            snprintf(quantity, sizeof quantity, "%llu", (unsigned long long)more);
            snprintf(already, sizeof already, "%llu", (unsigned long long)billed);
            make(TIERS, (struct line_request){.quantity = quantity, .already = already}, &line);
            number_parse_stored(&part, slice_of(line.amount));
            number_add(&sum, &sum, &part);
            line_end(&line);
            billed += more;
        }
        snprintf(quantity, sizeof quantity, "%llu", (unsigned long long)billed);
        make(TIERS, (struct line_request){.quantity = quantity}, &line);
        snprintf(whole, sizeof whole, "%s", line.amount);
        line_end(&line);
        number_write(&sum, text);
        EXPECT_TEXT(text, whole);
        number_end(&sum);
        number_end(&part);
    }
}
