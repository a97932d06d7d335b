#include "daemon/metering/admission.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/number.h"
#include "daemon/metering/ingest.h"
#include "statements.h"

/* What remains of one quota in one of its windows. */
struct room {
    const char *meter, *resource; /* of all resources: "" */
    instant starts_at, ends_at;
    struct number left;
};

struct rooms {
    size_t count;
    struct room *list; /* in the order of meters and resources */
};

static struct ingest *ingest_of(const struct request *request)
{
    return request_state(request);
}

/* "" for NULL. */
static const char *text_at(const PGresult *rows, int row, const char *name)
{
    int column = PQfnumber(rows, name);

    check(column >= 0);
    return PQgetvalue(rows, row, column);
}

static struct room read_room(const PGresult *rows, int row)
{
    const char *ends_at = text_at(rows, row, "ends_at");
    struct room room = {
        .meter = text_at(rows, row, "meter_id"),
        .resource = text_at(rows, row, "resource_id"),
        .starts_at = strtoll(text_at(rows, row, "starts_at"), NULL, 10),
        .ends_at = ends_at[0] == '\0' ? INT64_MAX : strtoll(ends_at, NULL, 10),
    };

    number_start(&room.left);
    check(number_parse_stored(&room.left, slice_of(text_at(rows, row, "room"))));
    return room;
}

static int compare(const struct room *room, const char *meter, const char *resource)
{
    int meters = strcmp(room->meter, meter);

    return meters != 0 ? meters : strcmp(room->resource, resource);
}

/* The first of a meter and a resource, or the one behind where they would be. */
static size_t first_of(const struct rooms *rooms, const char *meter, const char *resource)
{
    size_t low = 0, high = rooms->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(&rooms->list[middle], meter, resource) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Whether a meter's part of an event remains in the quotas of a resource; or takes it from there.
 */
static bool use(struct rooms *rooms, const char *meter, const char *resource, instant time,
                const struct number *value, bool take)
{
    for (size_t i = first_of(rooms, meter, resource);
         i < rooms->count && compare(&rooms->list[i], meter, resource) == 0; i++) {
        struct room *room = &rooms->list[i];
        if (time < room->starts_at || time >= room->ends_at)
            continue;
        if (take)
            number_subtract(&room->left, &room->left, value);
        else if (number_compare(value, &room->left) > 0)
            return false;
    }
    return true;
}

/* The meter whose quota leaves too little for an event; NULL: there is none, and it was taken. */
static const struct meter *admit(struct rooms *rooms, const struct batch *names, size_t place)
{
    const struct cloudevent *event = &names->events->events[place];
    const struct meters *meters = &names->meters[names->type_at[place]];
    const char *resource = names->resources[names->subject_at[place]];
    const struct meter *full = NULL;
    struct number value;

    number_start(&value);
    for (int take = 0; take < 2 && full == NULL; take++)
        for (size_t i = 0; i < meters->count && full == NULL; i++) {
            const struct meter *meter = &meters->list[i];
            if (!meter_counts(meter, event))
                continue;
            meter_value(meter, event, &value);
            if (!use(rooms, meter->id, "", event->time, &value, take == 1) ||
                !use(rooms, meter->id, resource, event->time, &value, take == 1))
                full = meter;
        }
    number_end(&value);
    return full;
}

static void reject(struct request *request, size_t place, const struct meter *full)
{
    const char *property = full->property.name;

    ingest_reject(request, place, "quota_exceeded",
                  property == NULL ? "" : ingest_data_attribute(request, property));
}

/* What has the key of one that is rejected is so, too. */
static void reject_doubles(struct request *request)
{
    struct ingest *ingest = ingest_of(request);
    size_t kept = 0;

    for (size_t i = 0; i < ingest->double_count; i++) {
        struct twice twice = ingest->doubles[i];
        if (ingest->verdicts[twice.first].state == REJECTED)
            ingest_reject(request, twice.place, "quota_exceeded", "");
        else
            ingest->doubles[kept++] = twice;
    }
    ingest->double_count = kept;
}

static void give_out(struct request *request, struct rooms *rooms)
{
    struct ingest *ingest = ingest_of(request);
    size_t count = ingest->batch.count;
    bool *goes = arena_allocate(request_arena(request), count + 1, sizeof *goes);

    memset(goes, 0, count * sizeof *goes);
    for (size_t i = 0; i < ingest->going_count; i++)
        goes[ingest->going[i]] = true;
    for (size_t i = 0; i < count; i++) {
        const struct meter *full = goes[i] ? admit(rooms, &ingest->names, i) : NULL;
        if (full != NULL)
            reject(request, i, full);
    }
    reject_doubles(request);
}

static enum step take_room(struct request *request, const PGresult *rows)
{
    struct rooms rooms = {.count = (size_t)PQntuples(rows)};

    rooms.list = arena_allocate(request_arena(request), rooms.count + 1, sizeof *rooms.list);
    for (size_t i = 0; i < rooms.count; i++)
        rooms.list[i] = read_room(rows, (int)i);
    give_out(request, &rooms);
    for (size_t i = 0; i < rooms.count; i++)
        number_end(&rooms.list[i].left);
    return ingest_of(request)->then(request);
}

enum step admission_judge(struct request *request, enum step (*then)(struct request *request))
{
    struct ingest *ingest = ingest_of(request);

    ingest->then = then;
    request_bind(request, "slots", batch_slots(&ingest->names));
    request_bind(request, "settles", ingest->reservation);
    request_prepend(request, &statement_expire_own_reservations);
    return request_query(request, &statement_find_quota_room, take_room);
}
