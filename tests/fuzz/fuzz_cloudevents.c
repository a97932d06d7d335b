/* Any bytes as events, in the form that the first one says: each is either read, with a digest, or
 * has an error with a pointer; never both, never neither. One event is the same in every form. */
#include <stdint.h>

#include "common/buffer.h"
#include "common/check.h"
#include "proto/cloudevents.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new();
    struct cloudevents events;

    if (size > 0) {
        enum cloudevents_form form = (enum cloudevents_form)(data[0] % (CLOUDEVENTS_LINES + 1));
        struct slice text = {(const char *)data + 1, size - 1};
        read_all(form, text, arena, &events);
        if (form == CLOUDEVENTS_ONE && events.problem == NULL)
            try_other_forms(text, &events, arena);
    }
    arena_free(&arena);
    return 0;
}
