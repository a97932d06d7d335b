#include "daemon/metering/meter.h"

#include <string.h>

#include "common/check.h"
#include "proto/format.h"
#include "proto/json.h"

/* ---- Reading ---- */

static struct meter_property read_property(struct arena *arena, const json_t *name)
{
    if (!json_is_string(name))
        return (struct meter_property){0};
    return (struct meter_property){arena_text(arena, json_string_value(name)),
                                   json_canonical(arena, name)};
}

static struct meter_filter read_filter(struct arena *arena, const json_t *document)
{
    const json_t *values = json_object_get(document, "values");
    struct meter_filter filter = {.property =
                                      read_property(arena, json_object_get(document, "property")),
                                  .count = json_array_size(values)};

    filter.values = arena_allocate(arena, filter.count + 1, sizeof *filter.values);
    for (size_t i = 0; i < filter.count; i++)
        filter.values[i] = json_canonical(arena, json_array_get(values, i));
    return filter;
}

struct meter meter_read(struct arena *arena, const json_t *document)
{
    const json_t *filters = json_object_get(document, "filters");
    const json_t *dimensions = json_object_get(document, "dimensions");
    struct meter meter = {.id = arena_text(arena, json_member_text(document, "id")),
                          .unique = json_is_true(json_object_get(document, "unique")),
                          .five_minutes = json_is_true(json_object_get(document, "five_minutes")),
                          .held = json_is_true(json_object_get(document, "held")),
                          .property = read_property(arena, json_object_get(document, "property")),
                          .filter_count = json_array_size(filters),
                          .dimension_count = json_array_size(dimensions)};

    meter.filters = arena_allocate(arena, meter.filter_count + 1, sizeof *meter.filters);
    for (size_t i = 0; i < meter.filter_count; i++)
        meter.filters[i] = read_filter(arena, json_array_get(filters, i));
    meter.dimensions = arena_allocate(arena, meter.dimension_count + 1, sizeof *meter.dimensions);
    for (size_t i = 0; i < meter.dimension_count; i++)
        meter.dimensions[i] = read_property(arena, json_array_get(dimensions, i));
    return meter;
}

/* ---- Copying ---- */

static struct slice copy_slice(struct arena *arena, struct slice slice)
{
    return (struct slice){arena_copy(arena, slice), slice.length};
}

static struct meter_property copy_property(struct arena *arena, struct meter_property property)
{
    if (property.name == NULL)
        return property;
    return (struct meter_property){arena_text(arena, property.name),
                                   copy_slice(arena, property.spelled)};
}

static struct meter_filter copy_filter(struct arena *arena, const struct meter_filter *filter)
{
    struct meter_filter copy = {.property = copy_property(arena, filter->property),
                                .count = filter->count};

    copy.values = arena_allocate(arena, copy.count + 1, sizeof *copy.values);
    for (size_t i = 0; i < copy.count; i++)
        copy.values[i] = copy_slice(arena, filter->values[i]);
    return copy;
}

static struct meter copy_meter(struct arena *arena, const struct meter *meter)
{
    struct meter copy = *meter;

    copy.id = arena_text(arena, meter->id);
    copy.property = copy_property(arena, meter->property);
    copy.filters = arena_allocate(arena, copy.filter_count + 1, sizeof *copy.filters);
    for (size_t i = 0; i < copy.filter_count; i++)
        copy.filters[i] = copy_filter(arena, &meter->filters[i]);
    copy.dimensions = arena_allocate(arena, copy.dimension_count + 1, sizeof *copy.dimensions);
    for (size_t i = 0; i < copy.dimension_count; i++)
        copy.dimensions[i] = copy_property(arena, meter->dimensions[i]);
    return copy;
}

struct meters meters_copy(struct arena *arena, const struct meters *meters)
{
    struct meters copy = {.count = meters->count};

    copy.list = arena_allocate(arena, copy.count + 1, sizeof *copy.list);
    for (size_t i = 0; i < copy.count; i++)
        copy.list[i] = copy_meter(arena, &meters->list[i]);
    return copy;
}

/* ---- Slots ---- */

instant meter_slot(const struct meter *meter, instant time)
{
    instant length = INSTANT_SECOND * 60 * (meter->five_minutes ? 5 : 15);

    return time - (time % length + length) % length;
}

/* ---- What events say ---- */

static bool is_text(struct slice spelled)
{
    return spelled.data[0] == '"';
}

/* A text without its quotes, escapes as they are spelled, or any other value. */
static struct slice bare(struct slice spelled)
{
    return is_text(spelled) ? (struct slice){spelled.data + 1, spelled.length - 2} : spelled;
}

static bool nested(struct slice spelled)
{
    return spelled.data[0] == '{' || spelled.data[0] == '[';
}

/* Whether a value is the same as that text; 5 is the same as "5". */
static bool same(struct slice spelled, struct slice text)
{
    return slice_equal(bare(spelled), bare(text)) && !nested(spelled);
}

static bool passes(const struct meter_filter *filter, const struct cloudevent *event)
{
    struct slice spelled;

    if (!cloudevent_value(event, filter->property.spelled, &spelled))
        return false;
    for (size_t i = 0; i < filter->count; i++)
        if (same(spelled, filter->values[i]))
            return true;
    return false;
}

bool meter_counts(const struct meter *meter, const struct cloudevent *event)
{
    for (size_t i = 0; i < meter->filter_count; i++)
        if (!passes(&meter->filters[i], event))
            return false;
    return true;
}

/* What can be told apart. */
static bool distinct(struct slice spelled)
{
    return !nested(spelled) && bare(spelled).length <= METER_TEXT_LENGTH;
}

static const char *judge_value(const struct meter *meter, const struct cloudevent *event)
{
    struct slice spelled;

    if (meter->property.name == NULL)
        return NULL;
    if (!cloudevent_value(event, meter->property.spelled, &spelled))
        return "event_value_missing";
    if (meter->unique)
        return distinct(spelled) ? NULL : "event_value_not_distinct";
    return format_amount(bare(spelled)) ? NULL : "event_value_not_decimal";
}

const char *meter_judge(const struct meter *meter, const struct cloudevent *event,
                        const char **property)
{
    const char *reason = judge_value(meter, event);
    struct slice spelled;

    *property = meter->property.name;
    for (size_t i = 0; reason == NULL && i < meter->dimension_count; i++)
        if (cloudevent_value(event, meter->dimensions[i].spelled, &spelled) && !distinct(spelled)) {
            *property = meter->dimensions[i].name;
            reason = "event_value_not_distinct";
        }
    return reason;
}

void meter_value(const struct meter *meter, const struct cloudevent *event, struct number *value)
{
    struct slice spelled;

    if (meter->unique)
        number_set_integer(value, 0);
    else if (meter->property.name == NULL)
        number_set_integer(value, 1);
    else
        check(cloudevent_value(event, meter->property.spelled, &spelled) &&
              number_parse(value, bare(spelled)));
}

struct slice meter_member(const struct meter *meter, const struct cloudevent *event)
{
    struct slice spelled;

    check(cloudevent_value(event, meter->property.spelled, &spelled));
    return spelled;
}

void meter_write_dimensions(const struct meter *meter, const struct cloudevent *event,
                            struct buffer *array)
{
    struct slice spelled;

    buffer_append_character(array, '[');
    for (size_t i = 0; i < meter->dimension_count; i++) {
        if (i > 0)
            buffer_append_character(array, ',');
        if (cloudevent_value(event, meter->dimensions[i].spelled, &spelled))
            buffer_append_slice(array, spelled);
        else
            buffer_append_text(array, "null");
    }
    buffer_append_character(array, ']');
}
