#include "tests/unit/unit.h"

#include <stdio.h>

#include "common/buffer.h"
#include "daemon/metering/batch.h"
#include "proto/json.h"

#define EVENT(id, subject, type, time, data)                                                       \
    "{\"specversion\":\"1.0\",\"id\":\"" id "\",\"source\":\"/s\",\"type\":\"" type                \
    "\",\"subject\":\"" subject "\",\"time\":\"2026-10-31T" time "Z\",\"data\":" data "}"

#define RESOLVED                                                                                   \
    "{\"meters\":7,\"resources\":[\"res_1\",\"res_1\",null],"                                      \
    "\"types\":[[{\"id\":\"mtr_1\",\"property\":\"calls\"},{\"id\":\"mtr_2\",\"property\":null}]," \
    "[]],\"sources\":[5],\"periods\":[\"2026-10\",\"2026-11\"]}"

/* Five of a batch: two subjects of one resource, one that is unknown, a type without a meter. */
static const char EVENTS[] = "[" EVENT("b", "one", "used", "15:59:59", "{\"calls\":\"2.5\"}") "," EVENT(
    "a\\\"\\\\", "two", "used", "16:00:00",
    "{\"calls\":4}") "," EVENT("c", "one", "used", "15:50:00",
                               "{\"calls\":\"1\"}") "," EVENT("d", "none", "used", "16:00:00",
                                                              "{\"calls\":\"1\"}") "," EVENT("e",
                                                                                             "one",
                                                                                             "othe"
                                                                                             "r",
                                                                                             "16:"
                                                                                             "00:"
                                                                                             "00",
                                                                                             "{}") "]";

struct made {
    struct arena *arena;
    struct cloudevents events;
    struct batch batch;
};

static struct made *make(void)
{
    static const bool wanted[] = {true, true, true, true, true};
    struct arena *arena = arena_new();
    struct made *made = arena_allocate(arena, 1, sizeof *made);
    struct schema_errors *errors = arena_allocate(arena, 1, sizeof *errors);
    struct json_error wrong;

    made->arena = arena;
    cloudevents_read(CLOUDEVENTS_BATCH, slice_of(EVENTS), LANGUAGE_ENGLISH, arena, &made->events,
                     errors);
    EXPECT_NUMBER(errors->total, 0);
    made->batch = batch_make(arena, &made->events, wanted);
    json_t *resolved = json_read(slice_of(RESOLVED), &wrong);
    EXPECT(resolved != NULL);
    batch_take_names(&made->batch, resolved);
    json_decref(resolved);
    return made;
}

static void end(struct made *made)
{
    struct arena *arena = made->arena;

    arena_free(&arena);
}

TEST(batch_asks_for_each_name_once)
{
    struct made *made = make();

    EXPECT_TEXT(batch_names(made->arena, &made->batch.subjects), "{\"one\",\"two\",\"none\"}");
    EXPECT_TEXT(batch_names(made->arena, &made->batch.types), "{\"used\",\"other\"}");
    EXPECT_TEXT(batch_names(made->arena, &made->batch.sources), "{\"/s\"}");
    EXPECT_TEXT(batch_slots(&made->batch), "{1793461500000000,1793462400000000}");
    EXPECT(batch_knows_sources(&made->batch));
    end(made);
}

TEST(batch_judges_by_what_is_known)
{
    static const char *const REASONS[] = {NULL, NULL, NULL, "event_subject_unknown",
                                          "event_type_unknown"};
    struct made *made = make();
    const char *property;

    for (size_t i = 0; i < sizeof REASONS / sizeof REASONS[0]; i++) {
        const char *reason = batch_judge(&made->batch, i, &property);
        EXPECT_TEXT(reason == NULL ? "" : reason, REASONS[i] == NULL ? "" : REASONS[i]);
        EXPECT(property == NULL);
    }
    made->events.events[0].data = slice_of("{\"calls\":\"1e3\"}");
    EXPECT_TEXT(batch_judge(&made->batch, 0, &property), "event_value_not_decimal");
    EXPECT_TEXT(property, "calls");
    made->events.events[0].data = slice_of("{\"calls\":\"-1\"}");
    EXPECT_TEXT(batch_judge(&made->batch, 0, &property), "event_value_not_decimal");
    made->events.events[0].data = slice_of("{\"call\":\"1\"}");
    EXPECT_TEXT(batch_judge(&made->batch, 0, &property), "event_value_missing");
    end(made);
}

TEST(batch_stores_in_the_order_of_the_keys)
{
    struct made *made = make();
    size_t places[] = {0, 1, 2};

    batch_sort(&made->batch, places, 3);
    EXPECT_NUMBER(places[0], 1);
    struct batch_columns columns = batch_store(&made->batch, places, 3);
    EXPECT_TEXT(columns.ids, "{\"a\\\"\\\\\",\"b\",\"c\"}");
    EXPECT_TEXT(columns.source_at, "{5,5,5}");
    EXPECT_TEXT(columns.types, "{\"used\"}");
    EXPECT_TEXT(columns.subjects, "{\"two\",\"one\"}");
    EXPECT_TEXT(columns.resources, "{\"res_1\",\"res_1\"}");
    EXPECT_TEXT(columns.periods, "{\"2026-11\",\"2026-10\"}");
    EXPECT_TEXT(columns.type_at, "{1,1,1}");
    EXPECT_TEXT(columns.subject_at, "{1,2,2}");
    EXPECT_TEXT(columns.period_at, "{1,2,2}");
    EXPECT_TEXT(columns.times, "{1793462400000000,1793462399000000,1793461800000000}");
    EXPECT_TEXT(columns.data, "[{\"calls\":4},{\"calls\":\"2.5\"},{\"calls\":\"1\"}]");
    end(made);
}

TEST(batch_adds_up_by_meter_resource_and_quarter_hour)
{
    struct made *made = make();
    size_t places[] = {0, 1, 2};
    struct json_error wrong;

    struct batch_columns columns = batch_store(&made->batch, places, 3);
    json_t *rows = json_read(slice_of(columns.sums), &wrong);
    EXPECT_NUMBER(json_array_size(rows), 4);
    EXPECT_TEXT(
        columns.sums,
        "[{\"meter\":\"mtr_1\",\"resource\":\"res_1\",\"slot\":1793461500000000,"
        "\"period\":\"2026-10\",\"total\":\"3.5\",\"count\":2,\"minimum\":\"1\",\"maximum\":\"2."
        "5\","
        "\"latest_at\":1793462399000000,\"latest\":\"2.5\"},"
        "{\"meter\":\"mtr_2\",\"resource\":\"res_1\",\"slot\":1793461500000000,"
        "\"period\":\"2026-10\",\"total\":\"2\",\"count\":2,\"minimum\":\"1\",\"maximum\":\"1\","
        "\"latest_at\":1793462399000000,\"latest\":\"1\"},"
        "{\"meter\":\"mtr_1\",\"resource\":\"res_1\",\"slot\":1793462400000000,"
        "\"period\":\"2026-11\",\"total\":\"4\",\"count\":1,\"minimum\":\"4\",\"maximum\":\"4\","
        "\"latest_at\":1793462400000000,\"latest\":\"4\"},"
        "{\"meter\":\"mtr_2\",\"resource\":\"res_1\",\"slot\":1793462400000000,"
        "\"period\":\"2026-11\",\"total\":\"1\",\"count\":1,\"minimum\":\"1\",\"maximum\":\"1\","
        "\"latest_at\":1793462400000000,\"latest\":\"1\"}]");
    json_decref(rows);
    end(made);
}
