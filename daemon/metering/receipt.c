#include "daemon/metering/receipt.h"

#include "common/check.h"
#include "common/metric.h"
#include "proto/json.h"

enum { RECEIPT_LIMIT = 64 * 1024 * 1024 }; /* bytes */

static void write_member(struct buffer *buffer, const char *name, const char *value)
{
    buffer_append_format(buffer, ",\"%s\":", name);
    if (value == NULL)
        buffer_append_text(buffer, "null");
    else
        json_write_text(buffer, slice_of(value));
}

static void write_verdict(struct request *request, struct buffer *buffer, size_t place)
{
    static const char *const NAMES[] = {[DUPLICATE] = "duplicate",
                                        [CONFLICT] = "conflict",
                                        [REJECTED] = "rejected",
                                        [QUARANTINED] = "quarantined"};
    const struct ingest *ingest = request_state(request);
    const struct verdict *verdict = &ingest->verdicts[place];
    const struct cloudevent *event = &ingest->batch.events[place];
    char digest[SHA256_HEX_SIZE];

    hex_write(event->digest, sizeof event->digest, digest);
    buffer_append_format(buffer, "{\"index\":%zu", event->index);
    write_member(buffer, "id", event->id);
    write_member(buffer, "source", event->source);
    write_member(buffer, "state", NAMES[verdict->state]);
    write_member(buffer, "reason", verdict->reason);
    write_member(buffer, "detail", verdict->detail);
    write_member(buffer, "pointer", verdict->pointer);
    write_member(buffer, "digest", verdict->stored_digest);
    write_member(buffer, "received_digest", verdict->stored_digest == NULL ? NULL : digest);
    buffer_append_character(buffer, '}');
}

static size_t count_state(const struct ingest *ingest, enum verdict_state state)
{
    size_t count = 0;

    for (size_t i = 0; i < ingest->batch.count; i++)
        count += ingest->verdicts[i].state == state;
    return count;
}

/* Counts the batch's events in that state, also for the metrics. */
static size_t tally(const struct ingest *ingest, enum verdict_state state, enum metric metric)
{
    size_t count = count_state(ingest, state);

    metric_add(metric, (int64_t)count);
    return count;
}

enum step receipt_answer(struct request *request)
{
    const struct ingest *ingest = request_state(request);
    struct buffer body = buffer_make(RECEIPT_LIMIT);
    const char *comma = "";

    buffer_append_format(&body,
                         "{\"accepted\":%zu,\"duplicates\":%zu,\"conflicts\":%zu,\"rejected\":%zu,"
                         "\"quarantined\":%zu,\"events\":[",
                         tally(ingest, ACCEPTED, METRIC_EVENTS_ACCEPTED),
                         tally(ingest, DUPLICATE, METRIC_EVENTS_DUPLICATE),
                         tally(ingest, CONFLICT, METRIC_EVENTS_CONFLICT),
                         tally(ingest, REJECTED, METRIC_EVENTS_REJECTED),
                         tally(ingest, QUARANTINED, METRIC_EVENTS_QUARANTINED));
    for (size_t i = 0; i < ingest->batch.count; i++)
        if (ingest->verdicts[i].state != ACCEPTED) {
            buffer_append_text(&body, comma);
            write_verdict(request, &body, i);
            comma = ",";
        }
    buffer_append_text(&body, "]}");
    check(!buffer_overflowed(&body));
    enum step next = request_answer_bytes(request, 200, "application/json", buffer_slice(&body));
    buffer_free(&body);
    return next;
}
