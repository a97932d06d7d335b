#include "daemon/metering/batch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/buffer.h"
#include "common/check.h"
#include "common/digest.h"
#include "daemon/db/array.h"
#include "daemon/metering/sums.h"
#include "proto/json.h"

static const instant SLOT = INSTANT_SECOND * 15 * 60;

static instant slot_of(instant time)
{
    instant behind = time % SLOT;

    return time - behind - (behind < 0 ? SLOT : 0);
}

static int by_instant(const void *a, const void *b)
{
    const instant *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

/* ---- Names ---- */

struct batch batch_make(struct arena *arena, const struct cloudevents *events, const bool *wanted)
{
    size_t limit = events->count + 1;
    struct batch batch = {.arena = arena, .events = events};
    uint32_t **const places[] = {&batch.subject_at, &batch.type_at, &batch.source_at};
    size_t slots = 0;

    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        *places[i] = arena_allocate(arena, limit, sizeof **places[i]);
    batch.subjects = names_make(arena, limit);
    batch.types = names_make(arena, limit);
    batch.sources = names_make(arena, limit);
    batch.slots = arena_allocate(arena, limit, sizeof *batch.slots);
    for (size_t i = 0; i < events->count; i++) {
        const struct cloudevent *event = &events->events[i];
        if (!wanted[i])
            continue;
        batch.subject_at[i] = (uint32_t)names_place(&batch.subjects, event->subject);
        batch.type_at[i] = (uint32_t)names_place(&batch.types, event->type);
        batch.source_at[i] = (uint32_t)names_place(&batch.sources, event->source);
        instant slot = slot_of(event->time);
        if (slots == 0 || batch.slots[slots - 1] != slot)
            batch.slots[slots++] = slot;
    }
    qsort(batch.slots, slots, sizeof *batch.slots, by_instant);
    for (size_t i = 0; i < slots; i++)
        if (i == 0 || batch.slots[i] != batch.slots[i - 1])
            batch.slots[batch.slot_count++] = batch.slots[i];
    return batch;
}

size_t batch_slot(const struct batch *batch, instant time)
{
    instant slot = slot_of(time);
    const instant *found =
        bsearch(&slot, batch->slots, batch->slot_count, sizeof *batch->slots, by_instant);

    check(found != NULL);
    return (size_t)(found - batch->slots);
}

/* ---- What the database says ---- */

static struct meters take_meters(struct batch *batch, const json_t *documents)
{
    struct meters meters = {.count = json_array_size(documents)};

    meters.list = arena_allocate(batch->arena, meters.count + 1, sizeof *meters.list);
    for (size_t i = 0; i < meters.count; i++)
        meters.list[i] = meter_read(batch->arena, json_array_get(documents, i));
    return meters;
}

static const char **take_texts(struct batch *batch, const json_t *array)
{
    const char **texts = arena_allocate(batch->arena, json_array_size(array) + 1, sizeof *texts);

    for (size_t i = 0; i < json_array_size(array); i++) {
        const char *text = json_string_value(json_array_get(array, i));
        texts[i] = text == NULL ? NULL : arena_text(batch->arena, text);
    }
    return texts;
}

void batch_take_names(struct batch *batch, const json_t *resolved)
{
    const json_t *types = json_object_get(resolved, "types");
    const json_t *sources = json_object_get(resolved, "sources");

    check(json_array_size(types) == batch->types.count);
    check(json_array_size(sources) == batch->sources.count);
    check(json_array_size(json_object_get(resolved, "resources")) == batch->subjects.count);
    check(json_array_size(json_object_get(resolved, "periods")) == batch->slot_count);
    batch->meter_count = json_integer_value(json_object_get(resolved, "meters"));
    batch->resources = take_texts(batch, json_object_get(resolved, "resources"));
    batch->periods = take_texts(batch, json_object_get(resolved, "periods"));
    batch->meters = arena_allocate(batch->arena, batch->types.count + 1, sizeof *batch->meters);
    for (size_t i = 0; i < batch->types.count; i++)
        batch->meters[i] = take_meters(batch, json_array_get(types, i));
    batch->source_numbers =
        arena_allocate(batch->arena, batch->sources.count + 1, sizeof *batch->source_numbers);
    for (size_t i = 0; i < batch->sources.count; i++)
        batch->source_numbers[i] = json_integer_value(json_array_get(sources, i));
}

bool batch_knows_sources(const struct batch *batch)
{
    for (size_t i = 0; i < batch->sources.count; i++)
        if (batch->source_numbers[i] == 0)
            return false;
    return true;
}

/* ---- Judging ---- */

bool batch_is_void(const struct batch *batch, size_t place)
{
    return strcmp(batch->events->events[place].type, BATCH_VOID_TYPE) == 0;
}

const char *batch_judge(const struct batch *batch, size_t place, const char **property)
{
    const struct cloudevent *event = &batch->events->events[place];
    const struct meters *meters = &batch->meters[batch->type_at[place]];
    const char *reason = NULL;

    *property = NULL;
    if (batch->resources[batch->subject_at[place]] == NULL)
        return "event_subject_unknown";
    if (meters->count == 0 && !batch_is_void(batch, place))
        return "event_type_unknown";
    for (size_t i = 0; i < meters->count && reason == NULL; i++)
        if (meter_counts(&meters->list[i], event))
            reason = meter_judge(&meters->list[i], event, property);
    if (reason == NULL)
        *property = NULL;
    return reason;
}

/* ---- Keys ---- */

static int compare_keys(const void *a, const void *b, void *context)
{
    const struct batch *batch = context;
    size_t left = *(const size_t *)a, right = *(const size_t *)b;
    int64_t left_source = batch->source_numbers[batch->source_at[left]];
    int64_t right_source = batch->source_numbers[batch->source_at[right]];

    if (left_source != right_source)
        return left_source < right_source ? -1 : 1;
    int ids = strcmp(batch->events->events[left].id, batch->events->events[right].id);
    return ids != 0 ? ids : (left > right) - (left < right);
}

void batch_sort(const struct batch *batch, size_t *places, size_t count)
{
    struct batch context = *batch;

    qsort_r(places, count, sizeof *places, compare_keys, &context);
}

bool batch_same_key(const struct batch *batch, size_t a, size_t b)
{
    return batch->source_at[a] == batch->source_at[b] &&
           strcmp(batch->events->events[a].id, batch->events->events[b].id) == 0;
}

/* ---- Parameters ---- */

const char *batch_names(struct arena *arena, const struct names *names)
{
    struct buffer array = array_begin();

    for (size_t i = 0; i < names->count; i++)
        array_add_text(&array, names->list[i]);
    return array_end(&array, arena);
}

const char *batch_slots(const struct batch *batch)
{
    struct buffer array = array_begin();

    for (size_t i = 0; i < batch->slot_count; i++)
        array_add_number(&array, batch->slots[i]);
    return array_end(&array, batch->arena);
}

void batch_keys(const struct batch *batch, const size_t *places, size_t count, const char **sources,
                const char **ids)
{
    struct buffer source_array = array_begin(), id_array = array_begin();

    for (size_t i = 0; i < count; i++) {
        array_add_number(&source_array, batch->source_numbers[batch->source_at[places[i]]]);
        array_add_text(&id_array, batch->events->events[places[i]].id);
    }
    *sources = array_end(&source_array, batch->arena);
    *ids = array_end(&id_array, batch->arena);
}

/* ---- What is stored ---- */

/* The lists that a batch keeps of its own names, and the events' places in them, from 1. */
struct writer {
    const struct batch *batch;
    struct names types, subjects, periods;
    struct buffer type_at, subject_at, period_at, times, data;
};

static void write_event(struct writer *writer, size_t place)
{
    const struct batch *batch = writer->batch;
    const struct cloudevent *event = &batch->events->events[place];
    size_t slot = batch_slot(batch, event->time);

    array_add_number(&writer->type_at, (int64_t)names_place(&writer->types, event->type) + 1);
    array_add_number(&writer->subject_at,
                     (int64_t)names_place(&writer->subjects, event->subject) + 1);
    array_add_number(&writer->period_at,
                     (int64_t)names_place(&writer->periods, batch->periods[slot]) + 1);
    array_add_number(&writer->times, event->time);
    if (writer->data.length > 1)
        buffer_append_character(&writer->data, ',');
    buffer_append_slice(&writer->data, event->data);
}

static const char *resource_of(const struct writer *writer, size_t subject)
{
    struct names subjects = writer->batch->subjects;

    return writer->batch->resources[names_place(&subjects, writer->subjects.list[subject])];
}

/* The resource of each of the subjects, and apart those whose external ids were sent. */
static void write_resources(const struct writer *writer, struct batch_columns *columns)
{
    struct buffer resources = array_begin(), named_subjects = array_begin(),
                  named_resources = array_begin();

    for (size_t i = 0; i < writer->subjects.count; i++) {
        const char *subject = writer->subjects.list[i], *resource = resource_of(writer, i);
        array_add_text(&resources, resource);
        if (strcmp(subject, resource) == 0)
            continue;
        columns->named_count++;
        array_add_text(&named_subjects, subject);
        array_add_text(&named_resources, resource);
    }
    columns->resources = array_end(&resources, writer->batch->arena);
    columns->named_subjects = array_end(&named_subjects, writer->batch->arena);
    columns->named_resources = array_end(&named_resources, writer->batch->arena);
}

/* A batch of the same events in the same order has the same, and no other one. */
static const char *digest_of(const struct batch *batch, const size_t *places, size_t count,
                             const struct batch_columns *columns)
{
    unsigned char(*contents)[SHA256_SIZE] = arena_allocate(batch->arena, count, SHA256_SIZE);
    struct sha256 *digest = sha256_new();
    unsigned char result[SHA256_SIZE];
    char text[SHA256_HEX_SIZE];

    for (size_t i = 0; i < count; i++)
        memcpy(contents[i], batch->events->events[places[i]].digest, SHA256_SIZE);
    sha256_add(digest, columns->source_at, strlen(columns->source_at) + 1);
    sha256_add(digest, columns->ids, strlen(columns->ids) + 1);
    sha256_add(digest, contents, count * SHA256_SIZE);
    sha256_finish(&digest, result);
    hex_write(result, sizeof result, text);
    return arena_format(batch->arena, "\\x%s", text);
}

static const char *keep_data(struct arena *arena, struct buffer *data)
{
    buffer_append_character(data, ']');
    check(!buffer_overflowed(data));
    const char *kept = arena_copy(arena, buffer_slice(data));
    buffer_free(data);
    return kept;
}

static void note_times(const struct batch *batch, const size_t *places, size_t count,
                       struct batch_columns *columns)
{
    columns->first_time = INT64_MAX;
    columns->last_time = INT64_MIN;
    for (size_t i = 0; i < count; i++) {
        instant time = batch->events->events[places[i]].time;
        columns->first_time = time < columns->first_time ? time : columns->first_time;
        columns->last_time = time > columns->last_time ? time : columns->last_time;
    }
}

struct batch_columns batch_store(const struct batch *batch, const size_t *places, size_t count)
{
    struct arena *arena = batch->arena;
    struct writer writer = {.batch = batch,
                            .types = names_make(arena, count),
                            .subjects = names_make(arena, count),
                            .periods = names_make(arena, count),
                            .type_at = array_begin(),
                            .subject_at = array_begin(),
                            .period_at = array_begin(),
                            .times = array_begin(),
                            .data = buffer_make(BATCH_TEXT_LIMIT)};
    struct batch_columns columns;

    buffer_append_character(&writer.data, '[');
    for (size_t i = 0; i < count; i++)
        write_event(&writer, places[i]);
    columns = (struct batch_columns){
        .event_count = count,
        .type_count = writer.types.count,
        .subject_count = writer.subjects.count,
        .period_count = writer.periods.count,
        .meter_count = batch->meter_count,
        .types = batch_names(arena, &writer.types),
        .subjects = batch_names(arena, &writer.subjects),
        .periods = batch_names(arena, &writer.periods),
        .type_at = array_end(&writer.type_at, arena),
        .subject_at = array_end(&writer.subject_at, arena),
        .period_at = array_end(&writer.period_at, arena),
        .times = array_end(&writer.times, arena),
        .data = keep_data(arena, &writer.data),
    };
    columns.sums = sums_write(batch, places, count, &columns.levels);
    note_times(batch, places, count, &columns);
    write_resources(&writer, &columns);
    batch_keys(batch, places, count, &columns.source_at, &columns.ids);
    columns.digest = digest_of(batch, places, count, &columns);
    return columns;
}
