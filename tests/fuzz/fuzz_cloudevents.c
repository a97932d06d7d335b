/* Any bytes as events, in the form that the first one says: each is either read, with a digest, or
 * has an error with a pointer; never both, never neither. One event is the same in every form, and
 * as jansson has it. */
#include <stdint.h>

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

static void read_all(enum cloudevents_form form, struct slice text, struct arena *arena,
                     struct cloudevents *events)
{
    struct schema_errors *errors = arena_allocate(arena, 1, sizeof *errors);

    cloudevents_read(form, text, LANGUAGE_CHINESE, arena, events, errors);
    check(events->problem == NULL || events->count == 0);
    for (size_t i = 0; i < events->count; i++) {
        check(i == 0 || events->events[i].index > events->events[i - 1].index);
        examine(&events->events[i]);
    }
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

/* What was read as one event, as a batch of one and as a line. */
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
            spelled = json_canonical(arena, value);
            if (json_is_string(value))
                spelled = (struct slice){spelled.data + 1, spelled.length - 2};
            check(json_is_null(value) || slice_equal(found, spelled));
        }
    }
    json_decref(document);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new();
    struct cloudevents events;

    if (size > 0) {
        enum cloudevents_form form = (enum cloudevents_form)(data[0] % (CLOUDEVENTS_LINES + 1));
        struct slice text = {(const char *)data + 1, size - 1};
        read_all(form, text, arena, &events);
        if (form == CLOUDEVENTS_ONE && text.length <= CLOUDEVENTS_BATCH_SIZE)
            expect_as_jansson(text, &events, arena);
        if (form == CLOUDEVENTS_ONE && events.problem == NULL)
            try_other_forms(text, &events, arena);
    }
    arena_free(&arena);
    return 0;
}
