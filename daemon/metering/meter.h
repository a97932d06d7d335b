/*
 * A meter as ingestion uses it: which events it counts, and what it reads of them. Pure.
 */
#ifndef DAEMON_METERING_METER_H
#define DAEMON_METERING_METER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/arena.h"
#include "common/buffer.h"
#include "common/instant.h"
#include "common/number.h"
#include "common/slice.h"
#include "proto/cloudevents.h"

enum { METER_TEXT_LENGTH = 256 }; /* bytes of what is told apart, as it is spelled */

/* A property of data. */
struct meter_property {
    const char *name;
    struct slice spelled; /* as cloudevent_value wants it */
};

/* Events that say one of these values pass. */
struct meter_filter {
    struct meter_property property;
    size_t count;
    struct slice *values; /* spelled as texts, with their quotes */
};

struct meter {
    const char *id;
    bool unique;                    /* it counts different values, and adds none up */
    bool five_minutes;              /* its slots are no quarter hours, but thirds of these */
    bool held;                      /* its values are levels, each held until the next one */
    struct meter_property property; /* without a name: it counts events */
    size_t filter_count, dimension_count;
    struct meter_filter *filters;
    struct meter_property *dimensions;
};

struct meters {
    size_t count;
    struct meter *list;
};

/* Of {"id", "property", "unique", "five_minutes", "held", "filters": [{"property", "values"}],
 * "dimensions": [names]}; all but the id may be absent or null. Everything in the arena. */
struct meter meter_read(struct arena *arena, const json_t *document);

/* Copies that live in another arena. */
struct meters meters_copy(struct arena *arena, const struct meters *meters);

/* The beginning of its slot in which a time is. */
instant meter_slot(const struct meter *meter, instant time);

/* Whether it counts the event. */
bool meter_counts(const struct meter *meter, const struct cloudevent *event);

/* NULL, or the code of what is wrong with an event that it counts; then *property is what of data
 * it is about. */
const char *meter_judge(const struct meter *meter, const struct cloudevent *event,
                        const char **property);

/* Of an event that was judged to be good: what it adds; 0 where the meter is unique. */
void meter_value(const struct meter *meter, const struct cloudevent *event, struct number *value);

/* What a unique meter tells apart, as it is spelled. */
struct slice meter_member(const struct meter *meter, const struct cloudevent *event);

/* Appends what the event says under the dimensions, a JSON array. */
void meter_write_dimensions(const struct meter *meter, const struct cloudevent *event,
                            struct buffer *array);

#endif
