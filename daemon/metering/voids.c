#include "daemon/metering/voids.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "daemon/db/array.h"
#include "daemon/http/environment.h"
#include "proto/format.h"
#include "proto/json.h"
#include "statements.h"

enum { VOIDS_LIMIT = 1000 }; /* of a request: their slots are counted anew while others wait */

/* ---- What events say that they void ---- */

static bool source_is_good(const json_t *source)
{
    return source == NULL ||
           (json_is_string(source) && format_uri_reference(slice_of(json_string_value(source))));
}

static void read_one(struct request *request, size_t place)
{
    struct ingest *ingest = request_state(request);
    struct arena *arena = request_arena(request);
    const struct cloudevent *event = &ingest->batch.events[place];
    struct json_error wrong;
    json_t *data = json_read(event->data, &wrong);
    const char *id = json_member_text(data, "id");
    const json_t *source = json_object_get(data, "source");

    if (id == NULL || id[0] == '\0')
        ingest_reject(request, place, "event_void_malformed", "data/id");
    else if (!source_is_good(source))
        ingest_reject(request, place, "event_void_malformed", "data/source");
    else if (ingest->voids.count == VOIDS_LIMIT)
        ingest_reject(request, place, "event_voids_too_many", "");
    else
        ingest->voids.list[ingest->voids.count++] = (struct voiding){
            .place = place,
            .id = arena_text(arena, id),
            .source = source == NULL ? event->source : arena_text(arena, json_string_value(source)),
        };
    json_decref(data);
}

bool voids_read(struct request *request)
{
    struct ingest *ingest = request_state(request);

    ingest->voids =
        (struct voidings){.list = arena_allocate(request_arena(request), ingest->batch.count + 1,
                                                 sizeof *ingest->voids.list)};
    for (size_t i = 0; i < ingest->batch.count; i++)
        if (ingest->verdicts[i].state == ACCEPTED && batch_is_void(&ingest->names, i))
            read_one(request, i);
    return ingest->voids.count > 0;
}

/* ---- What is there of it ---- */

/* The good events of the batch by their keys. */
struct keys {
    struct names names;
    size_t count, *places; /* the first of each key, which is the one that goes */
};

static const char *key_of(struct request *request, const char *source, const char *id)
{
    return arena_format(request_arena(request), "%s %s", source, id); /* no source has a blank */
}

static struct keys list_keys(struct request *request)
{
    const struct ingest *ingest = request_state(request);
    size_t limit = ingest->batch.count + ingest->voids.count;
    struct keys keys = {.names = names_make(request_arena(request), limit)};

    keys.places = arena_allocate(request_arena(request), limit, sizeof *keys.places);
    for (size_t i = 0; i < ingest->batch.count; i++) {
        const struct cloudevent *event = &ingest->batch.events[i];
        if (ingest->verdicts[i].state != ACCEPTED)
            continue;
        size_t place = names_place(&keys.names, key_of(request, event->source, event->id));
        if (place == keys.count)
            keys.places[keys.count++] = i;
    }
    return keys;
}

static bool find_in_batch(struct request *request, const struct keys *keys, struct voiding *voiding)
{
    size_t place;

    if (!names_find(&keys->names, key_of(request, voiding->source, voiding->id), &place))
        return false;
    voiding->target = keys->places[place];
    return true;
}

/* What is wrong with voiding what is there; NULL: nothing. */
static const char *judge_stored(const struct ingest *ingest, const struct voiding *voiding,
                                const char *resource, const char *type, bool voided)
{
    const struct batch *names = &ingest->names;
    instant oldest = instant_now() - http_environment()->event_window * INSTANT_SECOND;

    if (strcmp(resource, names->resources[names->subject_at[voiding->place]]) != 0)
        return "event_void_unknown";
    if (strcmp(type, BATCH_VOID_TYPE) == 0)
        return "event_void_of_void";
    if (voided)
        return "event_void_again";
    return voiding->time < oldest ? "event_void_too_late" : NULL;
}

static const char *judge_in_batch(struct request *request, const struct keys *keys,
                                  struct voiding *voiding)
{
    const struct ingest *ingest = request_state(request);
    const struct batch *names = &ingest->names;

    if (!find_in_batch(request, keys, voiding) ||
        strcmp(names->resources[names->subject_at[voiding->target]],
               names->resources[names->subject_at[voiding->place]]) != 0)
        return "event_void_unknown";
    if (batch_is_void(names, voiding->target))
        return "event_void_of_void";
    voiding->time = ingest->batch.events[voiding->target].time;
    voiding->period = names->periods[batch_slot(names, voiding->time)];
    return NULL;
}

/* Of a row of find_voided_events. */
static const char *text_at(const PGresult *rows, int row, const char *name)
{
    int column = PQfnumber(rows, name);

    check(column >= 0);
    return PQgetvalue(rows, row, column);
}

static bool flag_at(const PGresult *rows, int row, const char *name)
{
    return text_at(rows, row, name)[0] == 't';
}

/* The code of what is wrong with a voiding, by its row; NULL: nothing. */
static const char *judge_row(struct request *request, const struct keys *keys,
                             struct voiding *voiding, const PGresult *rows, int row)
{
    const struct ingest *ingest = request_state(request);

    voiding->event = strtoll(text_at(rows, row, "event"), NULL, 10);
    if (voiding->event == 0)
        return judge_in_batch(request, keys, voiding);
    voiding->time = strtoll(text_at(rows, row, "at"), NULL, 10);
    voiding->period = arena_text(request_arena(request), text_at(rows, row, "period"));
    return judge_stored(ingest, voiding, text_at(rows, row, "resource_id"),
                        text_at(rows, row, "type"), flag_at(rows, row, "voided"));
}

/* The voidings that are kept, by the keys of what they void and by their own. */
struct kept {
    struct names targets, own;
};

/* Keeps a voiding, or rejects it. */
static void settle_one(struct request *request, struct kept *kept, const struct voiding *voiding,
                       const char *reason)
{
    struct ingest *ingest = request_state(request);
    const struct cloudevent *event = &ingest->batch.events[voiding->place];
    const char *target = key_of(request, voiding->source, voiding->id);
    size_t found;

    if (reason == NULL && names_find(&kept->targets, target, &found))
        reason = "event_void_again";
    if (reason != NULL) {
        ingest_reject(request, voiding->place, reason, "data/id");
        return;
    }
    names_place(&kept->targets, target);
    names_place(&kept->own, key_of(request, event->source, event->id));
    ingest->voids.list[ingest->voids.count++] = *voiding;
}

/* One that was stored before, or is there twice, is a duplicate, which is found later: whatever it
 * voids is voided by the other. */
static bool is_double(struct request *request, const struct kept *kept,
                      const struct voiding *voiding)
{
    const struct ingest *ingest = request_state(request);
    const struct cloudevent *event = &ingest->batch.events[voiding->place];
    size_t found;

    return names_find(&kept->own, key_of(request, event->source, event->id), &found);
}

static enum step take_found(struct request *request, const PGresult *rows)
{
    struct ingest *ingest = request_state(request);
    size_t count = ingest->voids.count;
    struct kept kept = {names_make(request_arena(request), count),
                        names_make(request_arena(request), count)};
    struct keys keys = list_keys(request);

    check(PQntuples(rows) == (int)count);
    ingest->voids.count = 0;
    for (size_t i = 0; i < count; i++) {
        struct voiding voiding = ingest->voids.list[i];
        if (flag_at(rows, (int)i, "known") || is_double(request, &kept, &voiding))
            continue;
        settle_one(request, &kept, &voiding, judge_row(request, &keys, &voiding, rows, (int)i));
    }
    return ingest_settle(request);
}

enum step voids_find(struct request *request)
{
    const struct ingest *ingest = request_state(request);
    struct arena *arena = request_arena(request);
    struct buffer sources = array_begin(), ids = array_begin(), own_sources = array_begin(),
                  own_ids = array_begin();

    for (size_t i = 0; i < ingest->voids.count; i++) {
        const struct voiding *voiding = &ingest->voids.list[i];
        const struct cloudevent *event = &ingest->batch.events[voiding->place];
        array_add_text(&sources, voiding->source);
        array_add_text(&ids, voiding->id);
        array_add_text(&own_sources, event->source);
        array_add_text(&own_ids, event->id);
    }
    request_bind(request, "void_sources", array_end(&sources, arena));
    request_bind(request, "void_ids", array_end(&ids, arena));
    request_bind(request, "own_sources", array_end(&own_sources, arena));
    request_bind(request, "own_ids", array_end(&own_ids, arena));
    return request_query(request, &statement_find_voided_events, take_found);
}

/* ---- What goes ---- */

/* The place of each event among those that go, from 1; 0: it does not. */
static int64_t *going_places(struct request *request)
{
    const struct ingest *ingest = request_state(request);
    int64_t *places =
        arena_allocate(request_arena(request), ingest->batch.count + 1, sizeof *places);

    memset(places, 0, ingest->batch.count * sizeof *places);
    for (size_t i = 0; i < ingest->going_count; i++)
        places[ingest->going[i]] = (int64_t)i + 1;
    return places;
}

static void cover(struct request *request, instant first, instant last)
{
    const struct batch *names = &((const struct ingest *)request_state(request))->names;
    instant first_slot = names->slots[0], last_slot = names->slots[names->slot_count - 1];
    struct arena *arena = request_arena(request);

    request_bind(request, "first_slot",
                 arena_format(arena, "%" PRId64, first < first_slot ? first : first_slot));
    request_bind(request, "last_slot",
                 arena_format(arena, "%" PRId64, last > last_slot ? last : last_slot));
}

bool voids_bind(struct request *request)
{
    const struct ingest *ingest = request_state(request);
    struct arena *arena = request_arena(request);
    struct buffer events = array_begin(), targets = array_begin(), places = array_begin(),
                  periods = array_begin();
    int64_t *going = going_places(request);
    instant first = INT64_MAX, last = INT64_MIN;
    bool any = false;

    for (size_t i = 0; i < ingest->voids.count; i++) {
        const struct voiding *voiding = &ingest->voids.list[i];
        int64_t place = going[voiding->place];
        int64_t target = voiding->event != 0 ? 0 : going[voiding->target];
        if (place == 0)
            continue;
        check(voiding->event != 0 || target > 0);
        array_add_number(&events, voiding->event);
        array_add_number(&targets, target);
        array_add_number(&places, place);
        array_add_text(&periods, voiding->period);
        first = voiding->time < first ? voiding->time : first;
        last = voiding->time > last ? voiding->time : last;
        any = true;
    }
    request_bind(request, "void_events", array_end(&events, arena));
    request_bind(request, "void_targets", array_end(&targets, arena));
    request_bind(request, "void_places", array_end(&places, arena));
    request_bind(request, "void_periods", array_end(&periods, arena));
    if (any)
        cover(request, first, last);
    return any;
}
