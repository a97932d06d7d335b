#include "tests/unit/unit.h"

#include <string.h>

#include "daemon/metering/meter.h"
#include "proto/json.h"

#define METER                                                                                      \
    "{\"id\":\"mtr_1\",\"property\":\"used\",\"unique\":%s,"                                       \
    "\"filters\":[{\"property\":\"region\",\"values\":[\"cn\",\"5\"]}],"                           \
    "\"dimensions\":[\"size\",\"a\\\"b\"]}"

struct made {
    struct arena *arena;
    struct meter meter;
    struct cloudevent event;
};

static struct made make(bool unique)
{
    struct made made = {.arena = arena_new()};
    struct json_error wrong;
    json_t *document =
        json_read(slice_of(arena_format(made.arena, METER, unique ? "true" : "false")), &wrong);

    EXPECT(document != NULL);
    made.meter = meter_read(made.arena, document);
    json_decref(document);
    return made;
}

static bool counts(struct made *made, const char *data)
{
    made->event.data = slice_of(data);
    return meter_counts(&made->meter, &made->event);
}

/* "property: code", or "". */
static const char *judge(struct made *made, const char *data)
{
    const char *property = NULL;

    made->event.data = slice_of(data);
    const char *code = meter_judge(&made->meter, &made->event, &property);
    return code == NULL ? "" : arena_format(made->arena, "%s: %s", property, code);
}

TEST(meter_counts_what_passes_its_filters)
{
    struct made made = make(false);

    EXPECT(counts(&made, "{\"region\":\"cn\"}"));
    EXPECT(counts(&made, "{\"region\":5}"));
    EXPECT(counts(&made, "{\"region\":\"5\"}"));
    EXPECT(!counts(&made, "{\"region\":\"c\"}"));
    EXPECT(!counts(&made, "{\"region\":null}"));
    EXPECT(!counts(&made, "{\"region\":[5]}"));
    EXPECT(!counts(&made, "{}"));
    arena_free(&made.arena);
}

TEST(meter_tells_what_is_wrong)
{
    struct made made = make(false);

    EXPECT_TEXT(judge(&made, "{\"used\":\"1.5\"}"), "");
    EXPECT_TEXT(judge(&made, "{\"used\":0}"), "");
    EXPECT_TEXT(judge(&made, "{}"), "used: event_value_missing");
    EXPECT_TEXT(judge(&made, "{\"used\":null}"), "used: event_value_missing");
    static const char *const BAD[] = {"-1",
                                      "\"-1\"",
                                      "\"NaN\"",
                                      "\"1e3\"",
                                      "\"\"",
                                      "{\"a\":1}",
                                      "[1]",
                                      "true",
                                      "\"1234567890123456789\"",
                                      "\"0.1234567890123\""};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        EXPECT_TEXT(judge(&made, arena_format(made.arena, "{\"used\":%s}", BAD[i])),
                    "used: event_value_not_decimal");
    EXPECT_TEXT(judge(&made, "{\"size\":{},\"used\":1}"), "size: event_value_not_distinct");
    EXPECT_TEXT(judge(&made, "{\"a\\\"b\":[],\"used\":1}"), "a\"b: event_value_not_distinct");
    arena_free(&made.arena);
}

TEST(meter_of_different_values_takes_texts)
{
    struct made made = make(true);
    char longest[METER_TEXT_LENGTH + 2];

    EXPECT_TEXT(judge(&made, "{\"used\":\"li\"}"), "");
    EXPECT_TEXT(judge(&made, "{\"used\":-5}"), "");
    EXPECT_TEXT(judge(&made, "{\"used\":[]}"), "used: event_value_not_distinct");
    memset(longest, 'x', sizeof longest);
    longest[METER_TEXT_LENGTH] = '\0';
    EXPECT_TEXT(judge(&made, arena_format(made.arena, "{\"used\":\"%s\"}", longest)), "");
    longest[METER_TEXT_LENGTH] = 'x';
    longest[METER_TEXT_LENGTH + 1] = '\0';
    EXPECT_TEXT(judge(&made, arena_format(made.arena, "{\"used\":\"%s\"}", longest)),
                "used: event_value_not_distinct");
    made.event.data = slice_of("{\"used\":\"l\\\"i\"}");
    struct slice member = meter_member(&made.meter, &made.event);
    EXPECT(slice_is(member, "\"l\\\"i\""));
    arena_free(&made.arena);
}

TEST(meter_writes_what_is_under_its_dimensions)
{
    struct made made = make(false);
    struct buffer array = buffer_make(100);

    made.event.data = slice_of("{\"a\\\"b\":\"x\",\"size\":true}");
    meter_write_dimensions(&made.meter, &made.event, &array);
    EXPECT_TEXT(array.data, "[true,\"x\"]");
    buffer_consume(&array, array.length);
    made.event.data = slice_of("{\"size\":null}");
    meter_write_dimensions(&made.meter, &made.event, &array);
    EXPECT_TEXT(array.data, "[null,null]");
    buffer_free(&array);
    arena_free(&made.arena);
}
