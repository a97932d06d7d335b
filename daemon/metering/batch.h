/*
 * A batch of events on its way into the database: what each is about by its place in lists of
 * names, what the database says of these, and what the events add to usage. Pure.
 *
 * The order of calls: batch_make; the caller has the names looked up, and batch_take_names; then
 * batch_judge of each event; then batch_store of those that are good.
 */
#ifndef DAEMON_METERING_BATCH_H
#define DAEMON_METERING_BATCH_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/names.h"
#include "daemon/metering/meter.h"
#include "proto/cloudevents.h"

enum { BATCH_TEXT_LIMIT = 64 * 1024 * 1024 }; /* bytes of an array or document for a statement */

#define BATCH_VOID_TYPE "center.usage.void"

struct batch {
    struct arena *arena;
    const struct cloudevents *events;
    uint32_t *subject_at, *type_at, *source_at; /* of each event, in the lists below */
    struct names subjects, types, sources;
    size_t slot_count;
    instant *slots; /* the quarter hours in which the events are, ascending */

    /* What the database says, by the same places. */
    const char **resources;  /* of subjects; NULL: there is none */
    struct meters *meters;   /* of types */
    int64_t *source_numbers; /* 0: not known yet */
    const char **periods;    /* of slots: the month in which it counts */
    int64_t meter_count;     /* of all meters, so that one that is new is noticed */
};

/* The names of the events that are wanted (a flag an event). */
struct batch batch_make(struct arena *arena, const struct cloudevents *events, const bool *wanted);

/* The names as arrays of PostgreSQL, in the arena; slots in microseconds. */
const char *batch_names(struct arena *arena, const struct names *names);
const char *batch_slots(const struct batch *batch);

/* What statement resolve_events gave: {"meters": n, "resources": [...], "types": [[{id,
 * property}]], "sources": [...], "periods": [...]}. */
void batch_take_names(struct batch *batch, const json_t *resolved);

bool batch_knows_sources(const struct batch *batch);

/* Whether the event voids another one, and is of no meter. */
bool batch_is_void(const struct batch *batch, size_t place);

/* NULL, or the code of what is wrong with an event; then *property is what of data it is about, or
 * NULL. */
const char *batch_judge(const struct batch *batch, size_t place, const char **property);

/* The place of a time in `slots`, where an event of the batch is. */
size_t batch_slot(const struct batch *batch, instant time);

/* Sorts the events at `places` by their key, source and id. */
void batch_sort(const struct batch *batch, size_t *places, size_t count);

/* Whether two events have the same key. */
bool batch_same_key(const struct batch *batch, size_t a, size_t b);

/* The parameters of statement store_event_batch, in the arena: arrays of PostgreSQL in the order of
 * `places`, and documents; and how many elements the arrays have. */
struct batch_columns {
    size_t event_count, type_count, subject_count, period_count, named_count;
    int64_t meter_count; /* as in struct batch */
    instant first_time, last_time;
    const char *types, *subjects, *resources, *periods;
    const char *digest; /* of keys and content, as bytea is spelled */
    const char *source_at, *ids, *type_at, *subject_at, *period_at, *times;
    const char *data;   /* a JSON array */
    const char *sums;   /* what is added to usage (sums.h); NULL: it is too much */
    const char *levels; /* that are held over time; NULL: none */
    /* Of subjects that are external ids, as what they were resolved to. */
    const char *named_subjects, *named_resources;
};
struct batch_columns batch_store(const struct batch *batch, const size_t *places, size_t count);

/* The keys at `places`: arrays of numbers of sources, and of ids. */
void batch_keys(const struct batch *batch, const size_t *places, size_t count, const char **sources,
                const char **ids);

#endif
