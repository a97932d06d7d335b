#include "daemon/metering/directory.h"
#include "proto/json.h"
#include "tests/unit/unit.h"

#define EVENT                                                                                      \
    "{\"specversion\":\"1.0\",\"id\":\"a\",\"source\":\"/s\",\"type\":\"used\","                   \
    "\"subject\":\"one\",\"time\":\"2026-10-31T16:00:00Z\",\"data\":{\"calls\":\"1\"}}"

#define RESOLVED(meters)                                                                           \
    "{\"meters\":" meters ",\"resources\":[\"res_1\"],\"types\":[[{\"id\":\"mtr_1\",\"property\":" \
    "\"calls\",\"filters\":[{\"property\":\"region\",\"values\":[\"cn\"]}],\"dimensions\":["       \
    "\"zone\"]}]],"                                                                                \
    "\"sources\":[5],\"periods\":[\"2026-11\"]}"

static struct batch make(struct arena *arena, const char *resolved)
{
    static const bool wanted[] = {true};
    struct cloudevents *events = arena_allocate(arena, 1, sizeof *events);
    struct schema_errors *errors = arena_allocate(arena, 1, sizeof *errors);
    struct json_error wrong;

    cloudevents_read(CLOUDEVENTS_ONE, slice_of(EVENT), LANGUAGE_ENGLISH, arena, events, errors);
    EXPECT_NUMBER(errors->total, 0);
    struct batch batch = batch_make(arena, events, wanted);
    if (resolved != NULL) {
        json_t *names = json_read(slice_of(resolved), &wrong);
        EXPECT(names != NULL);
        batch_take_names(&batch, names);
        json_decref(names);
    }
    return batch;
}

TEST(directory_gives_what_it_was_told)
{
    struct arena *arena = arena_new();
    struct batch told = make(arena, RESOLVED("7")), asks = make(arena, NULL);

    directory_forget();
    EXPECT(!directory_look_up(&asks, "tnt_1"));
    directory_learn(&told, "tnt_1");
    EXPECT(directory_look_up(&asks, "tnt_1"));
    EXPECT_TEXT(asks.resources[0], "res_1");
    EXPECT_TEXT(asks.periods[0], "2026-11");
    EXPECT_NUMBER(asks.source_numbers[0], 5);
    EXPECT_NUMBER(asks.meter_count, 7);
    EXPECT_TEXT(asks.meters[0].list[0].dimensions[0].name, "zone");
    EXPECT(!directory_look_up(&asks, "tnt_2"));
    directory_forget();
    EXPECT(!directory_look_up(&asks, "tnt_1"));
    arena_free(&arena);
}

/* Names were kept again each time that they were told. */
TEST(bug_0102_directory_does_not_grow_by_what_it_knows)
{
    struct arena *arena = arena_new();
    struct batch told = make(arena, RESOLVED("7"));

    directory_forget();
    directory_learn(&told, "tnt_1");
    size_t used = directory_used();
    EXPECT(used > 0);
    for (int turn = 0; turn < 1000; turn++)
        directory_learn(&told, "tnt_1");
    EXPECT_NUMBER(directory_used(), used);
    directory_forget();
    arena_free(&arena);
}
