#include "daemon/metering/sums.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/memory.h"
#include "common/number.h"

/* One event, by what it adds to. */
struct sample {
    uint32_t type, resource, slot; /* places in lists of names */
    uint32_t place;                /* among those that are stored, from 1 */
    const struct cloudevent *event;
};

/* One that a meter counts. */
struct pick {
    const struct cloudevent *event;
    uint32_t place;
    instant slot;            /* the meter's */
    struct slice dimensions; /* what it says under them, a JSON array; empty without any */
};

struct sum {
    struct number total, minimum, maximum, latest, value;
    instant latest_at;
};

struct writer {
    const struct batch *batch;
    struct names resources;
    struct pick *picks; /* of the meter and row at hand */
    struct slice *members;
    struct buffer spelled; /* scratch */
    struct sum sum;
    struct buffer rows, levels;
};

/* ---- In the order of rows ---- */

static int by_row(const void *a, const void *b)
{
    const struct sample *left = a, *right = b;

    if (left->type != right->type)
        return left->type < right->type ? -1 : 1;
    if (left->resource != right->resource)
        return left->resource < right->resource ? -1 : 1;
    return (left->slot > right->slot) - (left->slot < right->slot);
}

static int compare_bytes(struct slice left, struct slice right)
{
    size_t shorter = left.length < right.length ? left.length : right.length;
    int difference = shorter == 0 ? 0 : memcmp(left.data, right.data, shorter);

    return difference != 0 ? difference
                           : (left.length > right.length) - (left.length < right.length);
}

static int by_slot_and_dimensions(const void *a, const void *b)
{
    const struct pick *left = a, *right = b;

    if (left->slot != right->slot)
        return left->slot < right->slot ? -1 : 1;
    return compare_bytes(left->dimensions, right->dimensions);
}

static int by_bytes(const void *a, const void *b)
{
    const struct slice *left = a, *right = b;

    return compare_bytes(*left, *right);
}

/* ---- One row ---- */

/* Of several at the latest instant, the greatest counts. */
static void add_value(struct sum *sum, instant time, bool first)
{
    number_add(&sum->total, &sum->total, &sum->value);
    if (first || number_compare(&sum->value, &sum->minimum) < 0)
        number_set(&sum->minimum, &sum->value);
    if (first || number_compare(&sum->value, &sum->maximum) > 0)
        number_set(&sum->maximum, &sum->value);
    if (first || time > sum->latest_at ||
        (time == sum->latest_at && number_compare(&sum->value, &sum->latest) > 0)) {
        number_set(&sum->latest, &sum->value);
        sum->latest_at = time;
    }
}

static void add_up(struct writer *writer, const struct meter *meter, const struct pick *picks,
                   size_t count)
{
    struct sum *sum = &writer->sum;

    number_set_integer(&sum->total, 0);
    for (size_t i = 0; i < count; i++) {
        meter_value(meter, picks[i].event, &sum->value);
        add_value(sum, picks[i].event->time, i == 0);
    }
}

static void write_number(struct buffer *row, const char *name, const struct number *number)
{
    char text[NUMBER_TEXT_SIZE];

    number_write(number, text);
    buffer_append_format(row, ",\"%s\":\"%s\"", name, text);
}

static void write_members(struct writer *writer, const struct meter *meter,
                          const struct pick *picks, size_t count)
{
    const char *before = ",\"members\":[";

    for (size_t i = 0; i < count; i++)
        writer->members[i] = meter_member(meter, picks[i].event);
    qsort(writer->members, count, sizeof *writer->members, by_bytes);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && slice_equal(writer->members[i - 1], writer->members[i]))
            continue;
        buffer_append_text(&writer->rows, before);
        buffer_append_slice(&writer->rows, writer->members[i]);
        before = ",";
    }
    buffer_append_character(&writer->rows, ']');
}

static void write_dimensions(struct buffer *row, const struct pick *pick)
{
    if (pick->dimensions.length == 0)
        return;
    buffer_append_text(row, ",\"dimensions\":");
    buffer_append_slice(row, pick->dimensions);
}

static void write_row(struct writer *writer, const struct meter *meter, const struct sample *of,
                      const struct pick *picks, size_t count)
{
    const struct batch *batch = writer->batch;
    struct buffer *rows = &writer->rows;

    add_up(writer, meter, picks, count);
    buffer_append_format(
        rows, "%s{\"meter\":\"%s\",\"resource\":\"%s\",\"slot\":%" PRId64 ",\"period\":\"%s\"",
        rows->length > 1 ? "," : "", meter->id, writer->resources.list[of->resource], picks[0].slot,
        batch->periods[of->slot]);
    write_dimensions(rows, &picks[0]);
    if (meter->unique)
        write_members(writer, meter, picks, count);
    write_number(rows, "total", &writer->sum.total);
    buffer_append_format(rows, ",\"count\":%zu", count);
    write_number(rows, "minimum", &writer->sum.minimum);
    write_number(rows, "maximum", &writer->sum.maximum);
    buffer_append_format(rows, ",\"latest_at\":%" PRId64, writer->sum.latest_at);
    write_number(rows, "latest", &writer->sum.latest);
    buffer_append_character(rows, '}');
}

static void write_levels(struct writer *writer, const struct meter *meter, const struct sample *of,
                         const struct pick *picks, size_t count)
{
    struct buffer *levels = &writer->levels;

    for (size_t i = 0; i < count; i++) {
        buffer_append_format(
            levels, "%s{\"meter\":\"%s\",\"resource\":\"%s\",\"at\":%" PRId64 ",\"place\":%" PRIu32,
            levels->length == 0 ? "[" : ",", meter->id, writer->resources.list[of->resource],
            picks[i].event->time, picks[i].place);
        write_dimensions(levels, &picks[i]);
        meter_value(meter, picks[i].event, &writer->sum.value);
        write_number(levels, "level", &writer->sum.value);
        buffer_append_character(levels, '}');
    }
}

/* ---- The rows of a meter ---- */

/* What each of the picks says under the meter's dimensions: all of it one behind the other. */
static void spell_dimensions(struct writer *writer, const struct meter *meter, struct pick *picks,
                             size_t count)
{
    struct buffer *spelled = &writer->spelled;
    size_t at = 0;

    buffer_consume(spelled, spelled->length);
    for (size_t i = 0; i < count; i++) {
        size_t before = spelled->length;
        meter_write_dimensions(meter, picks[i].event, spelled);
        picks[i].dimensions.length = spelled->length - before;
    }
    check(!buffer_overflowed(spelled)); /* it is part of what the events say */
    for (size_t i = 0; i < count; i++) {
        picks[i].dimensions.data = spelled->data + at;
        at += picks[i].dimensions.length;
    }
}

/* Of the samples of one type, resource and quarter hour. */
static void write_meter(struct writer *writer, const struct meter *meter,
                        const struct sample *samples, size_t count)
{
    struct pick *picks = writer->picks;
    size_t picked = 0, end;

    for (size_t i = 0; i < count; i++)
        if (meter_counts(meter, samples[i].event))
            picks[picked++] = (struct pick){.event = samples[i].event,
                                            .place = samples[i].place,
                                            .slot = meter_slot(meter, samples[i].event->time)};
    if (meter->dimension_count > 0)
        spell_dimensions(writer, meter, picks, picked);
    if (meter->held) {
        write_levels(writer, meter, &samples[0], picks, picked);
        return;
    }
    if (meter->dimension_count > 0 || meter->five_minutes)
        qsort(picks, picked, sizeof *picks, by_slot_and_dimensions);
    for (size_t i = 0; i < picked; i = end) {
        end = i + 1;
        while (end < picked && by_slot_and_dimensions(&picks[i], &picks[end]) == 0)
            end++;
        write_row(writer, meter, &samples[0], &picks[i], end - i);
    }
}

static struct sample *make_samples(struct writer *writer, const size_t *places, size_t count)
{
    const struct batch *batch = writer->batch;
    struct sample *samples = memory_allocate(count, sizeof *samples);

    for (size_t i = 0; i < count; i++) {
        size_t place = places[i];
        const struct cloudevent *event = &batch->events->events[place];
        samples[i] =
            (struct sample){.type = batch->type_at[place],
                            .resource = (uint32_t)names_place(
                                &writer->resources, batch->resources[batch->subject_at[place]]),
                            .slot = (uint32_t)batch_slot(batch, event->time),
                            .place = (uint32_t)i + 1,
                            .event = event};
    }
    qsort(samples, count, sizeof *samples, by_row);
    return samples;
}

static void write_rows(struct writer *writer, const struct sample *samples, size_t count)
{
    size_t end;

    buffer_append_character(&writer->rows, '[');
    for (size_t i = 0; i < count; i = end) {
        const struct meters *meters = &writer->batch->meters[samples[i].type];
        end = i + 1;
        while (end < count && by_row(&samples[i], &samples[end]) == 0)
            end++;
        for (size_t meter = 0; meter < meters->count; meter++)
            write_meter(writer, &meters->list[meter], &samples[i], end - i);
    }
    buffer_append_character(&writer->rows, ']');
}

/* NULL where there is too much of it. */
static const char *keep(struct arena *arena, const struct buffer *text)
{
    return buffer_overflowed(text) ? NULL : arena_copy(arena, buffer_slice(text));
}

const char *sums_write(const struct batch *batch, const size_t *places, size_t count,
                       const char **levels)
{
    struct writer writer = {.batch = batch,
                            .resources = names_make(batch->arena, count),
                            .picks = memory_allocate(count, sizeof *writer.picks),
                            .members = memory_allocate(count, sizeof *writer.members),
                            .spelled = buffer_make(BATCH_TEXT_LIMIT),
                            .rows = buffer_make(BATCH_TEXT_LIMIT),
                            .levels = buffer_make(BATCH_TEXT_LIMIT)};
    struct number *const numbers[] = {&writer.sum.total, &writer.sum.minimum, &writer.sum.maximum,
                                      &writer.sum.latest, &writer.sum.value};
    struct sample *samples = make_samples(&writer, places, count);

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        number_start(numbers[i]);
    write_rows(&writer, samples, count);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        number_end(numbers[i]);
    *levels = NULL;
    if (writer.levels.length > 0) {
        buffer_append_character(&writer.levels, ']');
        *levels = keep(batch->arena, &writer.levels);
    }
    const char *rows = buffer_overflowed(&writer.levels) ? NULL : keep(batch->arena, &writer.rows);
    buffer_free(&writer.levels);
    buffer_free(&writer.rows);
    buffer_free(&writer.spelled);
    memory_free(samples);
    memory_free(writer.members);
    memory_free(writer.picks);
    return rows;
}
