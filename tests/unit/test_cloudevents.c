#include "tests/unit/unit.h"

#include <stdio.h>

#include "common/buffer.h"
#include "proto/cloudevents.h"

#define EVENT                                                                                      \
    "{\"specversion\":\"1.0\",\"id\":\"e1\",\"source\":\"/meter/7\",\"type\":\"app.call\","        \
    "\"subject\":\"line-1\",\"time\":\"2026-10-31T16:00:00Z\",\"data\":{\"b\":\"12.5\",\"a\":3}}"

/* What one read gave; freed with `end`. */
struct reading {
    struct arena *arena;
    struct cloudevents events;
    struct schema_errors *errors;
};

static struct reading begin(enum cloudevents_form form, struct slice text, enum language language)
{
    struct reading reading = {.arena = arena_new()};

    reading.errors = arena_allocate(reading.arena, 1, sizeof *reading.errors);
    cloudevents_read(form, text, language, reading.arena, &reading.events, reading.errors);
    return reading;
}

static struct reading begin_text(enum cloudevents_form form, const char *text)
{
    return begin(form, slice_of(text), LANGUAGE_ENGLISH);
}

static void end(struct reading *reading)
{
    arena_free(&reading->arena);
}

/* Of an event with `attribute` set to `value` (JSON; NULL: left out): the first error's code, ""
 * where there is none. */
static const char *code_with(const char *attribute, const char *value)
{
    static const char *const NAMES[] = {"specversion", "id",   "source", "type",
                                        "subject",     "time", "data"};
    static const char *const VALUES[] = {
        "\"1.0\"", "\"e1\"", "\"s\"", "\"t\"", "\"r\"", "\"2026-10-31T16:00:00Z\"", "{}"};
    static char code[SCHEMA_POINTER_SIZE + 64];
    struct buffer text = buffer_make(1024 * 1024);
    struct reading reading;

    buffer_append_text(&text, "{\"comexampleextension\":true");
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        const char *given = strcmp(NAMES[i], attribute) == 0 ? value : VALUES[i];
        if (given != NULL)
            buffer_append_format(&text, ",\"%s\":%s", NAMES[i], given);
    }
    buffer_append_text(&text, "}");
    reading = begin(CLOUDEVENTS_ONE, buffer_slice(&text), LANGUAGE_ENGLISH);
    buffer_free(&text);
    code[0] = '\0';
    if (reading.events.problem != NULL)
        snprintf(code, sizeof code, "%s", reading.events.problem);
    else if (reading.events.events[0].error != NULL)
        snprintf(code, sizeof code, "%s %s", reading.events.events[0].error->code,
                 reading.events.events[0].error->pointer);
    end(&reading);
    return code;
}

static const char *long_text(size_t length)
{
    static char text[CLOUDEVENT_DATA_LENGTH + 64];

    snprintf(text, sizeof text, "\"%0*d\"", (int)length, 0);
    return text;
}

TEST(cloudevents_reads_one_event)
{
    struct reading reading = begin_text(CLOUDEVENTS_ONE, EVENT);

    EXPECT(reading.events.problem == NULL);
    EXPECT_NUMBER(reading.events.count, 1);
    EXPECT_NUMBER(reading.errors->total, 0);
    EXPECT_TEXT(reading.events.events[0].id, "e1");
    EXPECT_TEXT(reading.events.events[0].source, "/meter/7");
    EXPECT_TEXT(reading.events.events[0].type, "app.call");
    EXPECT_TEXT(reading.events.events[0].subject, "line-1");
    EXPECT_NUMBER(reading.events.events[0].time, INT64_C(1793462400) * INSTANT_SECOND);
    EXPECT(slice_is(reading.events.events[0].data, "{\"a\":3,\"b\":\"12.5\"}"));
    end(&reading);
}

/* What the data of an event says under a name, "-" where it says nothing. */
static const char *value_of(const char *data, const char *name)
{
    static char text[64];
    const struct cloudevent event = {.data = slice_of(data)};
    struct slice value = {NULL, 0};

    if (!cloudevent_value(&event, slice_of(name), &value))
        return "-";
    snprintf(text, sizeof text, "%.*s", (int)value.length, value.data);
    return text;
}

TEST(cloudevents_find_a_value)
{
    static const char DATA[] =
        "{\"\\\"}\":\"q\",\"a\":{\"b\":\"in\",\"c\":[1,{\"d\":\"}\"}]},\"b\":-12,"
        "\"c\":\"1.5\",\"d\":null,\"e\":true,\"f\":[],\"g\":\"\"}";

    EXPECT_TEXT(value_of(DATA, "\"b\""), "-12");
    EXPECT_TEXT(value_of(DATA, "\"c\""), "\"1.5\"");
    EXPECT_TEXT(value_of(DATA, "\"d\""), "-");
    EXPECT_TEXT(value_of(DATA, "\"e\""), "true");
    EXPECT_TEXT(value_of(DATA, "\"f\""), "[]");
    EXPECT_TEXT(value_of(DATA, "\"g\""), "\"\"");
    EXPECT_TEXT(value_of(DATA, "\"h\""), "-");
    EXPECT_TEXT(value_of(DATA, "\"\\\"}\""), "\"q\"");
    EXPECT_TEXT(value_of(DATA, "\"a\""), "{\"b\":\"in\",\"c\":[1,{\"d\":\"}\"}]}");
    EXPECT_TEXT(value_of("{}", "\"a\""), "-");
}

TEST(cloudevents_wants_each_attribute)
{
    EXPECT_TEXT(code_with("", NULL), "");
    EXPECT_TEXT(code_with("specversion", NULL), "missing_field /specversion");
    EXPECT_TEXT(code_with("specversion", "\"0.3\""), "not_one_of /specversion");
    EXPECT_TEXT(code_with("id", NULL), "missing_field /id");
    EXPECT_TEXT(code_with("id", "null"), "missing_field /id");
    EXPECT_TEXT(code_with("id", "7"), "wrong_type /id");
    EXPECT_TEXT(code_with("id", "\"\""), "wrong_format /id");
    EXPECT_TEXT(code_with("id", "\"a\\nb\""), "wrong_format /id");
    EXPECT_TEXT(code_with("source", "\"with blank\""), "wrong_format /source");
    EXPECT_TEXT(code_with("type", "[]"), "wrong_type /type");
    EXPECT_TEXT(code_with("subject", NULL), "missing_field /subject");
    EXPECT_TEXT(code_with("time", "\"2026-10-31T16:00:00\""), "wrong_format /time");
    EXPECT_TEXT(code_with("time", "\"2026-02-30T16:00:00Z\""), "wrong_format /time");
    EXPECT_TEXT(code_with("data", NULL), "missing_field /data");
    EXPECT_TEXT(code_with("data", "\"12.5\""), "wrong_type /data");
    EXPECT_TEXT(code_with("data", "[1]"), "wrong_type /data");
}

TEST(cloudevents_bounds_each_attribute)
{
    EXPECT_TEXT(code_with("id", long_text(CLOUDEVENT_ID_LENGTH)), "");
    EXPECT_TEXT(code_with("id", long_text(CLOUDEVENT_ID_LENGTH + 1)), "too_long /id");
    EXPECT_TEXT(code_with("source", long_text(CLOUDEVENT_SOURCE_LENGTH + 1)), "too_long /source");
    EXPECT_TEXT(code_with("type", long_text(CLOUDEVENT_TYPE_LENGTH + 1)), "too_long /type");
    EXPECT_TEXT(code_with("subject", long_text(CLOUDEVENT_SUBJECT_LENGTH + 1)),
                "too_long /subject");
    struct buffer data = buffer_make(1024 * 1024);
    buffer_append_format(&data, "{\"a\":%s}", long_text(CLOUDEVENT_DATA_LENGTH));
    EXPECT_TEXT(code_with("data", data.data), "too_long /data");
    buffer_free(&data);
}

TEST(cloudevents_refuses_reals_and_nul)
{
    EXPECT_TEXT(code_with("data", "{\"a\":12.5}"), "number_must_be_string");
    EXPECT_TEXT(code_with("data", "{\"a\":[{\"b\":1e3}]}"), "number_must_be_string");
    EXPECT_TEXT(code_with("data", "{\"a\":99999999999999999999}"), "number_must_be_string");
    EXPECT_TEXT(code_with("data", "{\"a\":\"\\u0000\"}"), "json_nul");
    EXPECT_TEXT(code_with("data", "{\"a\":1,\"a\":2}"), "json_duplicate_name");
    EXPECT_TEXT(code_with("data", "{\"a\":-12,\"b\":\"12.5\"}"), "");
}

TEST(cloudevents_points_into_a_batch)
{
    struct reading reading =
        begin_text(CLOUDEVENTS_BATCH, "[" EVENT ",{\"specversion\":\"1.0\"},7," EVENT "]");

    EXPECT(reading.events.problem == NULL);
    EXPECT_NUMBER(reading.events.count, 4);
    EXPECT(reading.events.events[0].error == NULL && reading.events.events[3].error == NULL);
    EXPECT_TEXT(reading.events.events[1].error->pointer, "/1/id");
    EXPECT_TEXT(reading.events.events[2].error->pointer, "/2");
    EXPECT_TEXT(reading.events.events[2].error->code, "wrong_type");
    EXPECT_NUMBER(reading.errors->total, 7);
    EXPECT_TEXT(reading.errors->list[4].pointer, "/1/time");
    end(&reading);
}

TEST(cloudevents_refuses_what_is_no_batch)
{
    static const struct {
        enum cloudevents_form form;
        const char *text, *problem;
    } CASES[] = {
        {CLOUDEVENTS_BATCH, EVENT, "not_a_batch"},
        {CLOUDEVENTS_ONE, "[]", "not_an_event"},
        {CLOUDEVENTS_BATCH, "[", "json_malformed"},
        {CLOUDEVENTS_ONE, "", "json_malformed"},
        {CLOUDEVENTS_BATCH, "[1.5]", "number_must_be_string"},
    };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct reading reading = begin_text(CASES[i].form, CASES[i].text);
        EXPECT_TEXT(reading.events.problem, CASES[i].problem);
        EXPECT_NUMBER(reading.events.count, 0);
        end(&reading);
    }
}

TEST(cloudevents_reads_lines)
{
    struct reading reading =
        begin_text(CLOUDEVENTS_LINES, EVENT "\r\n\n  \r\n{\"a\":1.5}\nnot json\n" EVENT);

    EXPECT(reading.events.problem == NULL);
    EXPECT_NUMBER(reading.events.count, 4);
    EXPECT(reading.events.events[0].error == NULL);
    EXPECT_NUMBER(reading.events.events[1].index, 3);
    EXPECT_TEXT(reading.events.events[1].error->code, "number_must_be_string");
    EXPECT_TEXT(reading.events.events[1].error->pointer, "/3");
    EXPECT_TEXT(reading.events.events[2].error->code, "json_malformed");
    EXPECT_NUMBER(reading.events.events[3].index, 5);
    EXPECT(reading.events.events[3].error == NULL);
    EXPECT(memcmp(reading.events.events[0].digest, reading.events.events[3].digest, SHA256_SIZE) ==
           0);
    end(&reading);
}

static struct reading read_many(enum cloudevents_form form, size_t count)
{
    struct buffer text = buffer_make(CLOUDEVENTS_LINES_SIZE);

    if (form == CLOUDEVENTS_BATCH)
        buffer_append_text(&text, "[{}");
    for (size_t i = 0; i < count; i++)
        buffer_append_text(&text, form == CLOUDEVENTS_LINES ? "{}\n" : i > 0 ? ",{}" : "");
    if (form == CLOUDEVENTS_BATCH)
        buffer_append_text(&text, "]");
    struct reading reading = begin(form, buffer_slice(&text), LANGUAGE_CHINESE);
    buffer_free(&text);
    return reading;
}

TEST(cloudevents_bounds_the_number_of_events)
{
    static const struct {
        enum cloudevents_form form;
        size_t limit;
    } CASES[] = {{CLOUDEVENTS_BATCH, CLOUDEVENTS_BATCH_LIMIT},
                 {CLOUDEVENTS_LINES, CLOUDEVENTS_LINES_LIMIT}};

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct reading most = read_many(CASES[i].form, CASES[i].limit);
        struct reading over = read_many(CASES[i].form, CASES[i].limit + 1);
        EXPECT_NUMBER(most.events.count, CASES[i].limit);
        EXPECT_NUMBER(most.errors->count, SCHEMA_ERRORS_LIMIT);
        EXPECT_NUMBER(most.errors->total, 7 * CASES[i].limit);
        EXPECT(most.events.events[CASES[i].limit - 1].error != NULL);
        EXPECT_TEXT(over.events.problem, "too_many_events");
        end(&most);
        end(&over);
    }
}

TEST(cloudevents_bounds_bytes)
{
    static const struct {
        enum cloudevents_form form;
        size_t limit;
    } CASES[] = {{CLOUDEVENTS_ONE, CLOUDEVENTS_BATCH_SIZE},
                 {CLOUDEVENTS_BATCH, CLOUDEVENTS_BATCH_SIZE},
                 {CLOUDEVENTS_LINES, CLOUDEVENTS_LINES_SIZE}};

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct buffer text = buffer_make(CASES[i].limit + 1);
        for (size_t length = 0; length <= CASES[i].limit; length++)
            buffer_append_character(&text, ' ');
        struct reading reading = begin(CASES[i].form, buffer_slice(&text), LANGUAGE_ENGLISH);
        EXPECT_TEXT(reading.events.problem, "body_too_large");
        end(&reading);
        buffer_free(&text);
    }
}

/* Computed with Python's hashlib over the parts as the header describes them. */
TEST(cloudevents_digest_is_as_documented)
{
    struct reading reading = begin_text(CLOUDEVENTS_ONE, EVENT);
    char hex[SHA256_HEX_SIZE];

    hex_write(reading.events.events[0].digest, SHA256_SIZE, hex);
    EXPECT_TEXT(hex, "77e61ac01d30be1559caafdb87109a64fdcf39ba0d78dd7e8b1d196165e87ac8");
    end(&reading);
}

static bool same_digest(const char *a, const char *b)
{
    struct reading first = begin_text(CLOUDEVENTS_ONE, a);
    struct reading second = begin_text(CLOUDEVENTS_ONE, b);
    bool same =
        first.errors->total == 0 && second.errors->total == 0 &&
        memcmp(first.events.events[0].digest, second.events.events[0].digest, SHA256_SIZE) == 0;

    end(&first);
    end(&second);
    return same;
}

#define WITH(id, type, subject, time, data)                                                        \
    "{\"specversion\":\"1.0\",\"id\":\"" id "\",\"source\":\"s\",\"type\":\"" type                 \
    "\",\"subject\":\"" subject "\",\"time\":\"" time "\",\"data\":" data "}"

TEST(cloudevents_digest_is_of_the_content_alone)
{
    const char *base = WITH("1", "ab", "c", "2026-10-31T16:00:00Z", "{\"a\":1,\"b\":2}");

    EXPECT(same_digest(
        base, WITH("1", "ab", "c", "2026-11-01T00:00:00+08:00", "{ \"b\" : 2, \"a\" : 1 }")));
    EXPECT(same_digest(base, WITH("2", "ab", "c", "2026-10-31T16:00:00Z", "{\"a\":1,\"b\":2}")));
    EXPECT(!same_digest(base, WITH("1", "a", "bc", "2026-10-31T16:00:00Z", "{\"a\":1,\"b\":2}")));
    EXPECT(!same_digest(base, WITH("1", "ab", "c", "2026-10-31T16:00:01Z", "{\"a\":1,\"b\":2}")));
    EXPECT(
        !same_digest(base, WITH("1", "ab", "c", "2026-10-31T16:00:00Z", "{\"a\":\"1\",\"b\":2}")));
}

TEST(cloudevents_form_follows_the_media_type)
{
    static const char JSON[] = "application/json", BATCH[] = "application/cloudevents-batch+json";

    EXPECT_NUMBER(cloudevents_form(slice_of("application/cloudevents+json"), false),
                  CLOUDEVENTS_ONE);
    EXPECT_NUMBER(cloudevents_form(slice_of("Application/X-NDJSON"), false), CLOUDEVENTS_LINES);
    EXPECT_NUMBER(cloudevents_form(slice_of(JSON), false), CLOUDEVENTS_BATCH);
    EXPECT_NUMBER(cloudevents_form(slice_of(BATCH), false), CLOUDEVENTS_BATCH);
    EXPECT_NUMBER(cloudevents_form(slice_of("Application/Json"), true), CLOUDEVENTS_BINARY);
    EXPECT_NUMBER(cloudevents_form(slice_of("application/cloudevents+json"), true),
                  CLOUDEVENTS_ONE);
    EXPECT_NUMBER(cloudevents_form(slice_of(BATCH), true), CLOUDEVENTS_BATCH);
    EXPECT_NUMBER(cloudevents_form(slice_of("application/x-ndjson"), true), CLOUDEVENTS_LINES);
}

/* ---- Binary mode ---- */

#define DATA "{\"b\":\"12.5\",\"a\":3}"

enum { FIELDS = 9 };

/* Those of EVENT, and two others. */
static const struct http1_field fields_of_event[FIELDS] = {
    {{"Content-Type", 12}, {"application/json", 16}},
    {{"ce-specversion", 14}, {"1.0", 3}},
    {{"CE-Id", 5}, {"e1", 2}},
    {{"Ce-Source", 9}, {"/meter/7", 8}},
    {{"ce-type", 7}, {"app.call", 8}},
    {{"ce-subject", 10}, {"line-1", 6}},
    {{"ce-time", 7}, {"2026-10-31T16:00:00Z", 20}},
    {{"ce-comexample", 13}, {"%E8%AE%A1", 9}},
    {{"Host", 4}, {"localhost", 9}},
};

static struct reading begin_binary(const struct http1_field *fields, size_t count, const char *text)
{
    struct reading reading = {.arena = arena_new()};

    reading.errors = arena_allocate(reading.arena, 1, sizeof *reading.errors);
    cloudevents_read_binary(fields, count, slice_of(text), LANGUAGE_ENGLISH, reading.arena,
                            &reading.events, reading.errors);
    return reading;
}

/* The codes and pointers of all that is wrong, or the problem. */
static const char *complaints(const struct reading *reading)
{
    static char text[1024];
    size_t length = 0;

    if (reading->events.problem != NULL)
        return reading->events.problem;
    text[0] = '\0';
    for (size_t i = 0; i < reading->errors->count; i++)
        length +=
            (size_t)snprintf(text + length, sizeof text - length, "%s%s %s", i > 0 ? ", " : "",
                             reading->errors->list[i].code, reading->errors->list[i].pointer);
    return text;
}

/* What is wrong with EVENT in binary mode when the field of that place has another value (NULL: the
 * field is left out). */
static const char *wrong_with_field(size_t place, const char *value)
{
    struct http1_field fields[FIELDS];

    memcpy(fields, fields_of_event, sizeof fields);
    fields[place].value = slice_of(value);
    if (value == NULL)
        fields[place].name = slice_of("X-Left-Out");
    struct reading reading = begin_binary(fields, FIELDS, DATA);
    const char *wrong = complaints(&reading);
    end(&reading);
    return wrong;
}

static const char *wrong_with_data(const char *data)
{
    struct reading reading = begin_binary(fields_of_event, FIELDS, data);
    const char *wrong = complaints(&reading);

    end(&reading);
    return wrong;
}

/* What is wrong when one more field is there. */
static const char *wrong_with_another(const char *name, const char *value)
{
    struct http1_field fields[FIELDS + 1];

    memcpy(fields, fields_of_event, sizeof fields_of_event);
    fields[FIELDS] = (struct http1_field){slice_of(name), slice_of(value)};
    struct reading reading = begin_binary(fields, FIELDS + 1, DATA);
    const char *wrong = complaints(&reading);
    end(&reading);
    return wrong;
}

/* The id that a field's value gives, or what is wrong. */
static const char *id_of(const char *value)
{
    static char text[256];
    struct http1_field fields[FIELDS];

    memcpy(fields, fields_of_event, sizeof fields);
    fields[2].value = slice_of(value);
    struct reading reading = begin_binary(fields, FIELDS, DATA);
    snprintf(text, sizeof text, "%s",
             reading.errors->total > 0 ? complaints(&reading) : reading.events.events[0].id);
    end(&reading);
    return text;
}

TEST(cloudevents_binary_is_the_same_event)
{
    struct reading one = begin_text(CLOUDEVENTS_ONE, EVENT);
    struct reading binary = begin_binary(fields_of_event, FIELDS, DATA);

    EXPECT_TEXT(complaints(&binary), "");
    EXPECT_NUMBER(binary.events.count, 1);
    EXPECT_TEXT(binary.events.events[0].id, "e1");
    EXPECT_TEXT(binary.events.events[0].source, "/meter/7");
    EXPECT(memcmp(one.events.events[0].digest, binary.events.events[0].digest, SHA256_SIZE) == 0);
    end(&one);
    end(&binary);
}

TEST(cloudevents_binary_decodes_fields)
{
    EXPECT_TEXT(id_of("a%20b%25%22"), "a b%\"");
    EXPECT_TEXT(id_of("%E8%ae%a1\xe9\x87\x8f"), "计量");
    EXPECT_TEXT(id_of("a%2541"), "a%41"); /* once */
    EXPECT_TEXT(id_of("a+b"), "a+b");
    EXPECT_TEXT(id_of("\"a b\""), "a b");
    EXPECT_TEXT(id_of("\"a\\\"\\\\%41\""), "a\"\\A");
    EXPECT_TEXT(id_of("a\"b"), "a\"b");
    EXPECT_TEXT(id_of("%"), "malformed /id");
    EXPECT_TEXT(id_of("a%4"), "malformed /id");
    EXPECT_TEXT(id_of("%zz"), "malformed /id");
    EXPECT_TEXT(id_of("a%00"), "malformed /id");
    EXPECT_TEXT(id_of("%ff"), "malformed /id");
    EXPECT_TEXT(id_of("%C0%AF"), "malformed /id");
    EXPECT_TEXT(id_of("\xff"), "malformed /id");
    EXPECT_TEXT(id_of("\"a"), "malformed /id");
    EXPECT_TEXT(id_of("\"a\\"), "malformed /id");
    EXPECT_TEXT(id_of("\"a\"b"), "malformed /id");
    EXPECT_TEXT(id_of("\""), "malformed /id");
    EXPECT_TEXT(id_of(""), "wrong_format /id");
    EXPECT_TEXT(id_of("\"\""), "wrong_format /id");
    EXPECT_TEXT(id_of("a%0Ab"), "wrong_format /id");
}

TEST(cloudevents_binary_judges_as_structured_mode_does)
{
    EXPECT_TEXT(wrong_with_field(1, "0.3"), "not_one_of /specversion");
    EXPECT_TEXT(wrong_with_field(1, NULL), "missing_field /specversion");
    EXPECT_TEXT(wrong_with_field(2, NULL), "missing_field /id");
    EXPECT_TEXT(wrong_with_field(3, "with%20blank"), "wrong_format /source");
    EXPECT_TEXT(wrong_with_field(4, ""), "wrong_format /type");
    EXPECT_TEXT(wrong_with_field(5, NULL), "missing_field /subject");
    EXPECT_TEXT(wrong_with_field(6, "yesterday"), "wrong_format /time");
    EXPECT_TEXT(wrong_with_field(7, NULL), "");
    EXPECT_TEXT(wrong_with_field(7, "%"), "malformed /comexample");
    EXPECT_TEXT(wrong_with_data("null"), "missing_field /data");
    EXPECT_TEXT(wrong_with_data("\"text\""), "wrong_type /data");
    EXPECT_TEXT(wrong_with_data("[" DATA "]"), "wrong_type /data");
    EXPECT_TEXT(wrong_with_data("{"), "json_malformed");
    EXPECT_TEXT(wrong_with_data(""), "json_malformed");
    EXPECT_TEXT(wrong_with_data("{} {}"), "json_malformed");
    EXPECT_TEXT(wrong_with_data("{\"a\":1,\"a\":1}"), "json_duplicate_name");
    EXPECT_TEXT(wrong_with_data("{\"a\":1.5}"), "number_must_be_string");
    EXPECT_TEXT(wrong_with_data(EVENT), "");
}

TEST(cloudevents_binary_takes_each_name_once)
{
    EXPECT_TEXT(wrong_with_another("CE-ID", "e1"), "given_twice /id");
    EXPECT_TEXT(wrong_with_another("ce-specversion", "1.0"), "given_twice /specversion");
    EXPECT_TEXT(wrong_with_another("ce-ComExample", ""), "given_twice /comexample");
    EXPECT_TEXT(wrong_with_another("ce-data", "{}"), "given_twice /data");
    EXPECT_TEXT(wrong_with_another("ce-a~b", "%"), "malformed /a~0b");
    EXPECT_TEXT(wrong_with_another("ce-", ""), "");
    EXPECT_TEXT(wrong_with_another("c", "x"), "");
    EXPECT_TEXT(wrong_with_another("cee-id", "x"), "");
    EXPECT_TEXT(wrong_with_another("host", "localhost"), "");
}

TEST(cloudevents_binary_bounds_bytes)
{
    struct buffer text = buffer_make(CLOUDEVENTS_BATCH_SIZE + 1);

    while (text.length <= CLOUDEVENTS_BATCH_SIZE)
        buffer_append_character(&text, ' ');
    EXPECT_TEXT(wrong_with_data(text.data), "body_too_large");
    buffer_free(&text);
}
