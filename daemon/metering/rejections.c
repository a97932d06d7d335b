#include "daemon/metering/rejections.h"

#include "common/check.h"
#include "statements.h"

/* The rows, a JSON array in the arena; NULL when there is none. */
static const char *write_rows(struct request *request)
{
    const struct ingest *ingest = request_state(request);
    struct buffer rows = buffer_make(BATCH_TEXT_LIMIT);
    size_t count = 0;

    for (size_t i = 0; i < ingest->batch.count && count < REJECTIONS_NOTED; i++) {
        enum verdict_state state = ingest->verdicts[i].state;
        if (state != REJECTED && state != CONFLICT)
            continue;
        buffer_append_format(&rows, "%s{\"position\":%zu", count++ == 0 ? "[" : ",", i);
        ingest_describe(ingest, i, &rows);
        buffer_append_character(&rows, '}');
    }
    buffer_append_character(&rows, ']');
    check(!buffer_overflowed(&rows));
    const char *kept = count == 0 ? NULL : arena_copy(request_arena(request), buffer_slice(&rows));
    buffer_free(&rows);
    return kept;
}

static enum step take_noted(struct request *request, const PGresult *rows)
{
    const struct ingest *ingest = request_state(request);

    (void)rows;
    return ingest->then(request);
}

enum step rejections_note(struct request *request, enum step (*then)(struct request *request))
{
    struct ingest *ingest = request_state(request);
    const char *rows = write_rows(request);

    if (rows == NULL)
        return then(request);
    ingest->then = then;
    request_bind(request, "rejected", rows);
    return request_query(request, &statement_note_rejected_events, take_noted);
}
