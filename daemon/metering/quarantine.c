#include "daemon/metering/quarantine.h"

#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "daemon/db/array.h"
#include "statements.h"

bool quarantine_takes(const char *reason)
{
    return strcmp(reason, "event_subject_unknown") == 0 ||
           strcmp(reason, "event_type_unknown") == 0;
}

/* ---- Holding ---- */

static void write_row(const struct ingest *ingest, size_t place, struct buffer *rows)
{
    const struct cloudevent *event = &ingest->batch.events[place];

    buffer_append_format(rows, "%s{\"position\":%zu,\"at\":", rows->length > 1 ? "," : "", place);
    buffer_append_integer(rows, event->time);
    ingest_describe(ingest, place, rows);
    buffer_append_text(rows, ",\"data\":");
    buffer_append_slice(rows, event->data);
    buffer_append_character(rows, '}');
}

/* The events to be held, a JSON array in the arena; NULL when there is none. */
static const char *write_rows(struct request *request)
{
    const struct ingest *ingest = request_state(request);
    struct buffer rows = buffer_make(BATCH_TEXT_LIMIT);

    buffer_append_character(&rows, '[');
    for (size_t i = 0; i < ingest->batch.count; i++)
        if (ingest->verdicts[i].state == QUARANTINED)
            write_row(ingest, i, &rows);
    bool any = rows.length > 1;
    buffer_append_character(&rows, ']');
    check(!buffer_overflowed(&rows));
    const char *kept = any ? arena_copy(request_arena(request), buffer_slice(&rows)) : NULL;
    buffer_free(&rows);
    return kept;
}

/* What became of one: it is held now, or another one of its key is held, in the batch or before; or
 * there is no room. False where another request holds it just now, which is seen next time. */
static bool take_row(struct request *request, const PGresult *rows, int row)
{
    struct ingest *ingest = request_state(request);
    size_t place = strtoul(PQgetvalue(rows, row, PQfnumber(rows, "position")), NULL, 10);
    int digest = PQfnumber(rows, "digest");

    check(place < ingest->batch.count);
    if (PQgetvalue(rows, row, PQfnumber(rows, "held"))[0] == 't')
        return true;
    if (PQgetisnull(rows, row, digest)) {
        bool room = PQgetvalue(rows, row, PQfnumber(rows, "room"))[0] == 't';
        if (!room)
            ingest_reject(request, place, "quarantine_full", "");
        return !room;
    }
    struct verdict verdict = ingest->verdicts[place];
    ingest_compare(request, place, PQgetvalue(rows, row, digest));
    if (ingest->verdicts[place].state == DUPLICATE)
        ingest->verdicts[place] = verdict;
    return true;
}

static enum step take_held(struct request *request, const PGresult *rows)
{
    const struct ingest *ingest = request_state(request);
    bool settled = true;

    for (int row = 0; row < PQntuples(rows); row++)
        settled = take_row(request, rows, row) && settled;
    return settled ? ingest->then(request) : quarantine_hold(request, ingest->then);
}

enum step quarantine_hold(struct request *request, enum step (*then)(struct request *request))
{
    struct ingest *ingest = request_state(request);
    const char *rows = ingest->replayed == NULL ? write_rows(request) : NULL;

    if (rows == NULL)
        return then(request);
    ingest->then = then;
    request_bind(request, "held", rows);
    return request_query(request, &statement_hold_events, take_held);
}

/* ---- Replaying ---- */

static enum step take_replayable(struct request *request, const PGresult *rows)
{
    struct ingest *ingest = request_state(request);
    struct arena *arena = request_arena(request);
    size_t count = (size_t)PQntuples(rows);
    struct buffer lines = buffer_make(CLOUDEVENTS_LINES_SIZE);

    ingest->replayed = arena_allocate(arena, count + 1, sizeof *ingest->replayed);
    for (size_t i = 0; i < count; i++) {
        ingest->replayed[i] =
            strtoll(PQgetvalue(rows, (int)i, PQfnumber(rows, "number")), NULL, 10);
        buffer_append_text(&lines, PQgetvalue(rows, (int)i, PQfnumber(rows, "event")));
        buffer_append_character(&lines, '\n');
    }
    check(!buffer_overflowed(&lines));
    cloudevents_read(CLOUDEVENTS_LINES, buffer_slice(&lines), request_language(request), arena,
                     &ingest->batch, ingest->errors);
    buffer_free(&lines);
    check(ingest->batch.problem == NULL && ingest->batch.count == count);
    return ingest->then(request);
}

enum step quarantine_read(struct request *request, enum step (*then)(struct request *request))
{
    struct ingest *ingest = request_state(request);

    ingest->then = then;
    return request_query(request, &statement_find_replayable_events, take_replayable);
}

static enum step take_released(struct request *request, const PGresult *rows)
{
    const struct ingest *ingest = request_state(request);

    (void)rows;
    return ingest->then(request);
}

enum step quarantine_release(struct request *request, enum step (*then)(struct request *request))
{
    struct ingest *ingest = request_state(request);
    struct buffer released = array_begin();

    if (ingest->replayed != NULL)
        for (size_t i = 0; i < ingest->batch.count; i++)
            if (ingest->verdicts[i].state != QUARANTINED)
                array_add_number(&released, ingest->replayed[i]);
    bool any = released.length > 1;
    request_bind(request, "released", array_end(&released, request_arena(request)));
    if (!any)
        return then(request);
    ingest->then = then;
    return request_query(request, &statement_release_events, take_released);
}
