#include "daemon/metering/batch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/buffer.h"
#include "common/check.h"
#include "common/memory.h"
#include "common/number.h"
#include "proto/format.h"
#include "proto/json.h"

static const instant SLOT = INSTANT_SECOND * 15 * 60;

static instant slot_of(instant time)
{
    return time - (time % SLOT + SLOT) % SLOT;
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
        batch.slots[slots++] = slot_of(event->time);
    }
    qsort(batch.slots, slots, sizeof *batch.slots, by_instant);
    for (size_t i = 0; i < slots; i++)
        if (i == 0 || batch.slots[i] != batch.slots[i - 1])
            batch.slots[batch.slot_count++] = batch.slots[i];
    return batch;
}

static size_t slot_place(const struct batch *batch, instant time)
{
    instant slot = slot_of(time);
    const instant *found =
        bsearch(&slot, batch->slots, batch->slot_count, sizeof *batch->slots, by_instant);

    check(found != NULL);
    return (size_t)(found - batch->slots);
}

/* ---- What the database says ---- */

static struct batch_meters take_meters(struct batch *batch, const json_t *meters)
{
    struct batch_meters taken = {.count = json_array_size(meters)};

    taken.list = arena_allocate(batch->arena, taken.count + 1, sizeof *taken.list);
    for (size_t i = 0; i < taken.count; i++) {
        const json_t *meter = json_array_get(meters, i);
        const char *property = json_member_text(meter, "property");
        taken.list[i].id = arena_text(batch->arena, json_member_text(meter, "id"));
        if (property == NULL)
            continue;
        taken.list[i].property = arena_text(batch->arena, property);
        taken.list[i].canonical = json_canonical(batch->arena, json_object_get(meter, "property"));
    }
    return taken;
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

const char *batch_judge(const struct batch *batch, size_t place, const char **property)
{
    const struct cloudevent *event = &batch->events->events[place];
    const struct batch_meters *meters = &batch->meters[batch->type_at[place]];
    const char *malformed = NULL;
    struct slice value;

    *property = NULL;
    if (batch->resources[batch->subject_at[place]] == NULL)
        return "event_subject_unknown";
    if (meters->count == 0)
        return "event_type_unknown";
    for (size_t i = 0; i < meters->count; i++) {
        const struct batch_meter *meter = &meters->list[i];
        if (meter->property == NULL)
            continue;
        if (!cloudevent_value(event, meter->canonical, &value)) {
            *property = meter->property;
            return "event_value_missing";
        }
        if (malformed == NULL && !format_decimal(value))
            malformed = meter->property;
    }
    *property = malformed;
    return malformed == NULL ? NULL : "event_value_not_decimal";
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

/* ---- Arrays of PostgreSQL ---- */

static void append_element(struct buffer *array, const char *text)
{
    buffer_append_text(array, array->length > 1 ? ",\"" : "\"");
    for (const char *at = text; *at != '\0';) {
        size_t plain = strcspn(at, "\"\\");
        buffer_append(array, at, plain);
        at += plain;
        if (*at != '\0') {
            buffer_append_character(array, '\\');
            buffer_append_character(array, *at++);
        }
    }
    buffer_append_character(array, '"');
}

static void append_number(struct buffer *array, int64_t number)
{
    if (array->length > 1)
        buffer_append_character(array, ',');
    buffer_append_integer(array, number);
}

static struct buffer begin_array(void)
{
    struct buffer array = buffer_make(BATCH_TEXT_LIMIT);

    buffer_append_character(&array, '{');
    return array;
}

static const char *keep(struct arena *arena, struct buffer *text, char end)
{
    buffer_append_character(text, end);
    check(!buffer_overflowed(text));
    const char *kept = arena_copy(arena, buffer_slice(text));
    buffer_free(text);
    return kept;
}

const char *batch_names(struct arena *arena, const struct names *names)
{
    struct buffer array = begin_array();

    for (size_t i = 0; i < names->count; i++)
        append_element(&array, names->list[i]);
    return keep(arena, &array, '}');
}

const char *batch_slots(const struct batch *batch)
{
    struct buffer array = begin_array();

    for (size_t i = 0; i < batch->slot_count; i++)
        append_number(&array, batch->slots[i]);
    return keep(batch->arena, &array, '}');
}

void batch_keys(const struct batch *batch, const size_t *places, size_t count, const char **sources,
                const char **ids)
{
    struct buffer source_array = begin_array(), id_array = begin_array();

    for (size_t i = 0; i < count; i++) {
        append_number(&source_array, batch->source_numbers[batch->source_at[places[i]]]);
        append_element(&id_array, batch->events->events[places[i]].id);
    }
    *sources = keep(batch->arena, &source_array, '}');
    *ids = keep(batch->arena, &id_array, '}');
}

/* ---- What the events add to usage ---- */

/* One event, by what it adds to. */
struct sample {
    uint32_t type, resource, slot; /* places in lists of names */
    size_t place;
};

struct samples {
    size_t count;
    struct sample *list;
};

static int by_row(const void *a, const void *b)
{
    const struct sample *left = a, *right = b;

    if (left->type != right->type)
        return left->type < right->type ? -1 : 1;
    if (left->resource != right->resource)
        return left->resource < right->resource ? -1 : 1;
    return (left->slot > right->slot) - (left->slot < right->slot);
}

struct sum {
    struct number total, maximum, latest, value;
    instant latest_at;
};

static void read_value(const struct batch_meter *meter, const struct cloudevent *event,
                       struct number *value)
{
    struct slice text;

    if (meter->property == NULL)
        number_set_integer(value, 1);
    else
        check(cloudevent_value(event, meter->canonical, &text) && number_parse(value, text));
}

/* Of several at the latest instant, the greatest counts. */
static void add_value(struct sum *sum, instant time, bool first)
{
    number_add(&sum->total, &sum->total, &sum->value);
    if (first || number_compare(&sum->value, &sum->maximum) > 0)
        number_set(&sum->maximum, &sum->value);
    if (first || time > sum->latest_at ||
        (time == sum->latest_at && number_compare(&sum->value, &sum->latest) > 0)) {
        number_set(&sum->latest, &sum->value);
        sum->latest_at = time;
    }
}

static void add_up(const struct batch *batch, const struct batch_meter *meter,
                   const struct sample *samples, size_t count, struct sum *sum)
{
    number_set_integer(&sum->total, 0);
    for (size_t i = 0; i < count; i++) {
        const struct cloudevent *event = &batch->events->events[samples[i].place];
        read_value(meter, event, &sum->value);
        add_value(sum, event->time, i == 0);
    }
}

static void write_sum(const struct batch *batch, const struct names *resources,
                      const struct batch_meter *meter, const struct sample *of,
                      const struct sum *sum, size_t count, struct buffer *rows)
{
    char total[NUMBER_TEXT_SIZE], maximum[NUMBER_TEXT_SIZE], latest[NUMBER_TEXT_SIZE];

    number_write(&sum->total, total);
    number_write(&sum->maximum, maximum);
    number_write(&sum->latest, latest);
    buffer_append_format(rows,
                         "%s{\"meter\":\"%s\",\"resource\":\"%s\",\"slot\":%" PRId64
                         ",\"period\":\"%s\",\"total\":\"%s\",\"count\":%zu,\"maximum\":\"%s\","
                         "\"latest_at\":%" PRId64 ",\"latest\":\"%s\"}",
                         rows->length > 1 ? "," : "", meter->id, resources->list[of->resource],
                         batch->slots[of->slot], batch->periods[of->slot], total, count, maximum,
                         sum->latest_at, latest);
}

static const char *write_sums(const struct batch *batch, const struct names *resources,
                              struct samples *samples)
{
    struct buffer rows = buffer_make(BATCH_TEXT_LIMIT);
    struct sum sum;
    struct number *const numbers[] = {&sum.total, &sum.maximum, &sum.latest, &sum.value};
    size_t next = 0;

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        number_start(numbers[i]);
    buffer_append_character(&rows, '[');
    qsort(samples->list, samples->count, sizeof *samples->list, by_row);
    for (const struct sample *row = samples->list; next < samples->count;
         row = &samples->list[next]) {
        size_t first = next;
        while (next < samples->count && by_row(row, &samples->list[next]) == 0)
            next++;
        for (size_t i = 0; i < batch->meters[row->type].count; i++) {
            const struct batch_meter *meter = &batch->meters[row->type].list[i];
            add_up(batch, meter, row, next - first, &sum);
            write_sum(batch, resources, meter, row, &sum, next - first, &rows);
        }
    }
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        number_end(numbers[i]);
    return keep(batch->arena, &rows, ']');
}

/* ---- What is stored ---- */

/* The lists that a batch keeps of its own names, and the events' places in them, from 1. */
struct writer {
    const struct batch *batch;
    struct names types, subjects, periods, resources;
    struct buffer type_at, subject_at, period_at, times, data;
    struct samples samples;
};

static void write_event(struct writer *writer, size_t place)
{
    const struct batch *batch = writer->batch;
    const struct cloudevent *event = &batch->events->events[place];
    size_t slot = slot_place(batch, event->time);

    append_number(&writer->type_at, (int64_t)names_place(&writer->types, event->type) + 1);
    append_number(&writer->subject_at, (int64_t)names_place(&writer->subjects, event->subject) + 1);
    append_number(&writer->period_at,
                  (int64_t)names_place(&writer->periods, batch->periods[slot]) + 1);
    append_number(&writer->times, event->time);
    if (writer->data.length > 1)
        buffer_append_character(&writer->data, ',');
    buffer_append_slice(&writer->data, event->data);
    writer->samples.list[writer->samples.count++] =
        (struct sample){.type = batch->type_at[place],
                        .resource = (uint32_t)names_place(
                            &writer->resources, batch->resources[batch->subject_at[place]]),
                        .slot = (uint32_t)slot,
                        .place = place};
}

/* The resource of each of the subjects. */
static const char *write_resources(const struct writer *writer)
{
    struct names subjects = writer->batch->subjects;
    struct buffer array = begin_array();

    for (size_t i = 0; i < writer->subjects.count; i++)
        append_element(&array,
                       writer->batch->resources[names_place(&subjects, writer->subjects.list[i])]);
    return keep(writer->batch->arena, &array, '}');
}

struct batch_columns batch_store(const struct batch *batch, const size_t *places, size_t count)
{
    struct arena *arena = batch->arena;
    struct writer writer = {.batch = batch,
                            .types = names_make(arena, count),
                            .subjects = names_make(arena, count),
                            .periods = names_make(arena, count),
                            .resources = names_make(arena, count),
                            .type_at = begin_array(),
                            .subject_at = begin_array(),
                            .period_at = begin_array(),
                            .times = begin_array(),
                            .data = buffer_make(BATCH_TEXT_LIMIT)};
    struct batch_columns columns;

    buffer_append_character(&writer.data, '[');
    writer.samples.list = memory_allocate(count, sizeof *writer.samples.list);
    for (size_t i = 0; i < count; i++)
        write_event(&writer, places[i]);
    columns = (struct batch_columns){
        .types = batch_names(arena, &writer.types),
        .subjects = batch_names(arena, &writer.subjects),
        .resources = write_resources(&writer),
        .periods = batch_names(arena, &writer.periods),
        .type_at = keep(arena, &writer.type_at, '}'),
        .subject_at = keep(arena, &writer.subject_at, '}'),
        .period_at = keep(arena, &writer.period_at, '}'),
        .times = keep(arena, &writer.times, '}'),
        .data = keep(arena, &writer.data, ']'),
        .sums = write_sums(batch, &writer.resources, &writer.samples),
    };
    batch_keys(batch, places, count, &columns.source_at, &columns.ids);
    memory_free(writer.samples.list);
    return columns;
}
