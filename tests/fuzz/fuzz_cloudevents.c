/* Any bytes as events, in the form that the first one says: each is either read, with a digest, or
 * has an error with a pointer; never both, never neither. One event is the same in every form, and
 * as jansson has it. */
#include <stdint.h>
#include <stdio.h>

#include "common/buffer.h"
#include "common/check.h"
#include "proto/cloudevents.h"
#include "proto/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void examine(const struct cloudevent *event)
{
    if (event->error != NULL) {
        check(event->error->code != NULL && event->error->detail != NULL);
        return;
    }
    check(event->id != NULL && event->source != NULL && event->type != NULL);
    check(event->subject != NULL && event->data.length >= sizeof "{}" - 1);
    check(event->data.length <= CLOUDEVENT_DATA_LENGTH);
}

static void examine_all(const struct cloudevents *events)
{
    check(events->problem == NULL || events->count == 0);
    for (size_t i = 0; i < events->count; i++) {
        check(i == 0 || events->events[i].index > events->events[i - 1].index);
        examine(&events->events[i]);
    }
}

static void read_all(enum cloudevents_form form, struct slice text, struct arena *arena,
                     struct cloudevents *events)
{
    struct schema_errors *errors = arena_allocate(arena, 1, sizeof *errors);

    cloudevents_read(form, text, LANGUAGE_CHINESE, arena, events, errors);
    examine_all(events);
}

static void read_binary(const struct http1_field *fields, size_t count, struct slice text,
                        struct arena *arena, struct cloudevents *events)
{
    struct schema_errors *errors = arena_allocate(arena, 1, sizeof *errors);

    cloudevents_read_binary(fields, count, text, LANGUAGE_CHINESE, arena, events, errors);
    examine_all(events);
    check(events->problem != NULL || events->count == 1);
}

/* Lines "name: value", an empty one, and the data. */
static void read_message(struct slice text, struct arena *arena, struct cloudevents *events)
{
    struct http1_field fields[HTTP1_FIELDS_LIMIT];
    struct slice line, name;
    size_t count = 0;

    while (count < HTTP1_FIELDS_LIMIT && slice_split(&text, '\n', &line) && line.length > 0)
        if (slice_split(&line, ':', &name))
            fields[count++] = (struct http1_field){name, slice_trim(line)};
    read_binary(fields, count, text, arena, events);
}

static void expect_same(const struct cloudevents *these, const struct cloudevents *others)
{
    const struct cloudevent *one = these->events, *other = others->events;

    check(these->count == 1 && others->count == 1);
    check((one->error == NULL) == (other->error == NULL));
    if (one->error != NULL)
        check(strcmp(one->error->code, other->error->code) == 0);
    else
        check(memcmp(one->digest, other->digest, sizeof one->digest) == 0);
}

static struct slice percent_encoded(const char *value, struct arena *arena)
{
    char *text = arena_allocate(arena, 3 * strlen(value) + 1, 1);

    for (size_t i = 0; value[i] != '\0'; i++)
        snprintf(text + 3 * i, 4, "%%%02X", (unsigned)(unsigned char)value[i]);
    return slice_of(text);
}

/* A good event, in binary mode. */
static void try_binary(const struct cloudevent *event, struct arena *arena)
{
    struct cloudevents others;
    char time[INSTANT_TEXT_SIZE];

    instant_write(event->time, time);
    const struct http1_field fields[] = {
        {slice_of("ce-specversion"), slice_of("1.0")},
        {slice_of("ce-id"), percent_encoded(event->id, arena)},
        {slice_of("ce-source"), percent_encoded(event->source, arena)},
        {slice_of("ce-type"), percent_encoded(event->type, arena)},
        {slice_of("ce-subject"), percent_encoded(event->subject, arena)},
        {slice_of("ce-time"), slice_of(time)},
    };
    read_binary(fields, sizeof fields / sizeof fields[0], event->data, arena, &others);
    check(others.count == 1 && others.events[0].error == NULL);
    check(strcmp(others.events[0].id, event->id) == 0);
    check(strcmp(others.events[0].source, event->source) == 0);
    check(memcmp(others.events[0].digest, event->digest, sizeof event->digest) == 0);
}

static void append_member(struct buffer *text, const char *name, const char *value)
{
    buffer_append_format(text, "\"%s\":", name);
    json_write_text(text, slice_of(value));
    buffer_append_character(text, ',');
}

/* A good event that came in binary mode, as one in structured mode. */
static void try_structured(const struct cloudevent *event, struct arena *arena)
{
    struct buffer text = buffer_make(CLOUDEVENTS_BATCH_SIZE);
    struct cloudevents others;
    char time[INSTANT_TEXT_SIZE];

    instant_write(event->time, time);
    buffer_append_text(&text, "{\"specversion\":\"1.0\",");
    append_member(&text, "id", event->id);
    append_member(&text, "source", event->source);
    append_member(&text, "type", event->type);
    append_member(&text, "subject", event->subject);
    append_member(&text, "time", time);
    buffer_append_text(&text, "\"data\":");
    buffer_append_slice(&text, event->data);
    buffer_append_character(&text, '}');
    read_all(CLOUDEVENTS_ONE, buffer_slice(&text), arena, &others);
    /* It nests deeper by one. */
    if (others.problem == NULL || strcmp(others.problem, "json_too_deep") != 0) {
        check(others.count == 1 && others.events[0].error == NULL);
        check(memcmp(others.events[0].digest, event->digest, sizeof event->digest) == 0);
    }
    buffer_free(&text);
}

/* What was read as one event, as a batch of one, as a line, and in binary mode. */
static void try_other_forms(struct slice text, const struct cloudevents *one, struct arena *arena)
{
    struct buffer buffer = buffer_make(CLOUDEVENTS_BATCH_SIZE);
    struct cloudevents others;

    buffer_append_character(&buffer, '[');
    buffer_append_slice(&buffer, text);
    buffer_append_character(&buffer, ']');
    read_all(CLOUDEVENTS_BATCH, buffer_slice(&buffer), arena, &others);
    /* It nests deeper by one. */
    if (others.problem == NULL || strcmp(others.problem, "json_too_deep") != 0)
        expect_same(one, &others);
    if (memchr(text.data, '\n', text.length) == NULL) {
        read_all(CLOUDEVENTS_LINES, text, arena, &others);
        expect_same(one, &others);
    }
    if (one->events[0].error == NULL)
        try_binary(&one->events[0], arena);
    buffer_free(&buffer);
}

/* What jansson takes is taken, and data is spelled as it spells it; each of its members is found.
 */
static void expect_as_jansson(struct slice text, const struct cloudevents *events,
                              struct arena *arena)
{
    struct json_error wrong;
    json_t *document = json_read(text, &wrong);
    const struct cloudevent *event = events->events;
    const char *name;
    json_t *value;
    struct slice found;

    check(document != NULL || events->problem != NULL);
    check(document == NULL || events->problem == NULL ||
          strcmp(events->problem, "not_an_event") == 0);
    if (document != NULL && events->problem == NULL && event->error == NULL) {
        json_t *content = json_object_get(document, "data");
        check(slice_equal(json_canonical(arena, content), event->data));
        json_object_foreach(content, name, value)
        {
            json_t *key = json_string(name);
            struct slice spelled = json_canonical(arena, key);
            check(cloudevent_value(event, spelled, &found) == !json_is_null(value));
            json_decref(key);
            check(json_is_null(value) || slice_equal(found, json_canonical(arena, value)));
        }
    }
    json_decref(document);
}

static void try_form(enum cloudevents_form form, struct slice text, struct arena *arena)
{
    struct cloudevents events;

    read_all(form, text, arena, &events);
    if (form == CLOUDEVENTS_ONE && text.length <= CLOUDEVENTS_BATCH_SIZE)
        expect_as_jansson(text, &events, arena);
    if (form == CLOUDEVENTS_ONE && events.problem == NULL)
        try_other_forms(text, &events, arena);
}

static void try_message(struct slice text, struct arena *arena)
{
    struct cloudevents events;

    read_message(text, arena, &events);
    if (events.count == 1 && events.events[0].error == NULL)
        try_structured(&events.events[0], arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new();

    if (size > 0) {
        enum cloudevents_form form = (enum cloudevents_form)(data[0] % (CLOUDEVENTS_BINARY + 1));
        struct slice text = {(const char *)data + 1, size - 1};
        if (form == CLOUDEVENTS_BINARY)
            try_message(text, arena);
        else
            try_form(form, text, arena);
    }
    arena_free(&arena);
    return 0;
}
