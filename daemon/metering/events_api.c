/*
 * Events in. One segment locks the months, judges, stores and counts; where keys were there already
 * a second one, after the commit, reads their digests to tell duplicates from conflicts.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/check.h"
#include "common/metric.h"
#include "daemon/http/environment.h"
#include "daemon/http/request.h"
#include "operations.h"
#include "proto/cloudevents.h"
#include "proto/json.h"
#include "proto/problem.h"
#include "statements.h"

enum {
    EVENTS_TEXT_LIMIT = 64 * 1024 * 1024
}; /* bytes of the statement's parameter, and of a receipt */

enum verdict_state { ACCEPTED, PRESENT, DUPLICATE, CONFLICT, REJECTED };

struct verdict {
    enum verdict_state state; /* PRESENT: until the stored digest is known */
    const char *reason, *detail, *pointer;
    const char *stored_digest; /* in hexadecimal */
};

/* A batch on its way. */
struct ingest {
    enum cloudevents_form form;
    struct cloudevents batch;
    struct verdict *verdicts; /* one an event */
    struct schema_errors *errors;
    bool partial;
    size_t present;
};

static struct ingest *ingest_of(const struct request *request)
{
    return request_state(request);
}

/* ---- Judging ---- */

static void reject(struct request *request, size_t place, const char *code, const char *attribute)
{
    struct ingest *ingest = ingest_of(request);
    struct schema_error error = {.code = problem_find(code)->code};

    error.detail = problem_find(code)->detail[request_language(request)];
    cloudevents_pointer(ingest->form, ingest->batch.events[place].index, attribute, error.pointer);
    ingest->errors->total++;
    if (ingest->errors->count < SCHEMA_ERRORS_LIMIT)
        ingest->errors->list[ingest->errors->count++] = error;
    ingest->verdicts[place] =
        (struct verdict){.state = REJECTED,
                         .reason = error.code,
                         .detail = error.detail,
                         .pointer = arena_text(request_arena(request), error.pointer)};
}

static void take_over_error(struct verdict *verdict, const struct schema_error *error)
{
    *verdict = (struct verdict){.state = REJECTED,
                                .reason = error->code,
                                .detail = error->detail,
                                .pointer = error->pointer};
}

/* What can be judged without the database. */
static void judge(struct request *request)
{
    struct ingest *ingest = ingest_of(request);
    instant now = instant_now();
    instant oldest = now - http_environment()->event_window * INSTANT_SECOND;
    instant newest = now + http_environment()->event_future_limit * INSTANT_SECOND;

    for (size_t i = 0; i < ingest->batch.count; i++) {
        const struct cloudevent *event = &ingest->batch.events[i];
        if (event->error != NULL)
            take_over_error(&ingest->verdicts[i], event->error);
        else if (event->time < oldest)
            reject(request, i, "event_too_old", "time");
        else if (event->time > newest)
            reject(request, i, "event_too_far_ahead", "time");
    }
}

/* ---- The receipt ---- */

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
    static const char *const NAMES[] = {
        [DUPLICATE] = "duplicate", [CONFLICT] = "conflict", [REJECTED] = "rejected"};
    const struct ingest *ingest = ingest_of(request);
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
    write_member(buffer, "received_digest", verdict->state == REJECTED ? NULL : digest);
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

static enum step answer_receipt(struct request *request)
{
    const struct ingest *ingest = ingest_of(request);
    struct buffer body = buffer_make(EVENTS_TEXT_LIMIT);
    const char *comma = "";

    buffer_append_format(
        &body,
        "{\"accepted\":%zu,\"duplicates\":%zu,\"conflicts\":%zu,\"rejected\":%zu,\"events\":[",
        tally(ingest, ACCEPTED, METRIC_EVENTS_ACCEPTED),
        tally(ingest, DUPLICATE, METRIC_EVENTS_DUPLICATE),
        tally(ingest, CONFLICT, METRIC_EVENTS_CONFLICT),
        tally(ingest, REJECTED, METRIC_EVENTS_REJECTED));
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

/* ---- The second segment: keys that were there ---- */

/* The place in the batch that a row of the database is about. */
static size_t place_of(const struct ingest *ingest, const PGresult *rows, int row)
{
    size_t place = strtoul(PQgetvalue(rows, row, PQfnumber(rows, "position")), NULL, 10);

    check(place < ingest->batch.count);
    return place;
}

static void compare_digest(struct request *request, size_t place, const char *stored)
{
    const struct cloudevent *event = &ingest_of(request)->batch.events[place];
    struct verdict *verdict = &ingest_of(request)->verdicts[place];
    char pointer[SCHEMA_POINTER_SIZE];
    char received[SHA256_HEX_SIZE];

    hex_write(event->digest, sizeof event->digest, received);
    cloudevents_pointer(ingest_of(request)->form, event->index, "", pointer);
    verdict->pointer = arena_text(request_arena(request), pointer);
    verdict->stored_digest = arena_text(request_arena(request), stored);
    verdict->state = strcmp(received, stored) == 0 ? DUPLICATE : CONFLICT;
    if (verdict->state == CONFLICT) {
        verdict->reason = "event_conflict";
        verdict->detail = problem_find(verdict->reason)->detail[request_language(request)];
    }
}

static enum step take_digests(struct request *request, const PGresult *rows)
{
    const struct ingest *ingest = ingest_of(request);

    for (int row = 0; row < PQntuples(rows); row++)
        compare_digest(request, place_of(ingest, rows, row),
                       PQgetvalue(rows, row, PQfnumber(rows, "digest")));
    if (count_state(ingest, PRESENT) > 0) { /* forgotten in between: a retry settles it */
        request_add_field(request, "Retry-After", "1");
        return request_refuse(request, "overloaded", NULL);
    }
    return answer_receipt(request);
}

/* ---- The first segment ---- */

static void write_key(struct buffer *text, const struct cloudevent *event, size_t place)
{
    buffer_append_format(text, "%s{\"position\":%zu", text->length > 1 ? "," : "", place);
    write_member(text, "source", event->source);
    write_member(text, "id", event->id);
}

static void write_content(struct buffer *text, const struct cloudevent *event)
{
    char digest[SHA256_HEX_SIZE];
    char time[INSTANT_TEXT_SIZE];

    hex_write(event->digest, sizeof event->digest, digest);
    instant_write(event->time, time);
    write_member(text, "digest", digest);
    write_member(text, "type", event->type);
    write_member(text, "subject", event->subject);
    write_member(text, "time", time);
    buffer_append_text(text, ",\"data\":");
    buffer_append_slice(text, event->data);
}

/* The events in that state as a JSON array, with their content or as keys alone; NULL: none. */
static const char *events_text(struct request *request, enum verdict_state state, bool content)
{
    const struct ingest *ingest = ingest_of(request);
    struct buffer text = buffer_make(EVENTS_TEXT_LIMIT);
    const char *result = NULL;

    buffer_append_character(&text, '[');
    for (size_t i = 0; i < ingest->batch.count; i++) {
        if (ingest->verdicts[i].state != state)
            continue;
        write_key(&text, &ingest->batch.events[i], i);
        if (content)
            write_content(&text, &ingest->batch.events[i]);
        buffer_append_character(&text, '}');
    }
    buffer_append_character(&text, ']');
    check(!buffer_overflowed(&text));
    if (text.length > sizeof "[]" - 1)
        result = arena_copy(request_arena(request), buffer_slice(&text));
    buffer_free(&text);
    return result;
}

static enum step conclude(struct request *request)
{
    struct ingest *ingest = ingest_of(request);

    if (!ingest->partial && ingest->errors->total > 0)
        return request_refuse_at(request, "validation_failed", ingest->errors);
    if (ingest->present == 0)
        return answer_receipt(request);
    request_bind(request, "keys", events_text(request, PRESENT, false));
    return request_query(request, &statement_read_digests, take_digests);
}

static const char *attribute_of(const char *reason)
{
    return strcmp(reason, "event_subject_unknown") == 0 ? "subject" : "type";
}

static enum step take_stored(struct request *request, const PGresult *rows)
{
    struct ingest *ingest = ingest_of(request);
    int reason = PQfnumber(rows, "reason");
    int property = PQfnumber(rows, "property");

    for (int row = 0; row < PQntuples(rows); row++) {
        size_t place = place_of(ingest, rows, row);
        if (PQgetisnull(rows, row, reason)) {
            ingest->verdicts[place].state = PRESENT;
            ingest->present++;
        } else if (PQgetisnull(rows, row, property)) {
            const char *code = PQgetvalue(rows, row, reason);
            reject(request, place, code, attribute_of(code));
        } else {
            reject(
                request, place, PQgetvalue(rows, row, reason),
                arena_format(request_arena(request), "data/%s", PQgetvalue(rows, row, property)));
        }
    }
    return conclude(request);
}

static const char *time_text(struct request *request, instant time)
{
    char *text = arena_allocate(request_arena(request), 1, INSTANT_TEXT_SIZE);

    instant_write(time, text);
    return text;
}

/* Between which times the months lie that have to be held open. */
static void bind_times(struct request *request)
{
    const struct ingest *ingest = ingest_of(request);
    instant first = INT64_MAX, last = 0;

    for (size_t i = 0; i < ingest->batch.count; i++) {
        instant time = ingest->batch.events[i].time;
        if (ingest->verdicts[i].state != ACCEPTED)
            continue;
        first = time < first ? time : first;
        last = time > last ? time : last;
    }
    request_bind(request, "first_time", time_text(request, first));
    request_bind(request, "last_time", time_text(request, last));
}

static enum step store(struct request *request)
{
    const struct ingest *ingest = ingest_of(request);
    const char *events = events_text(request, ACCEPTED, true);

    if (events == NULL)
        return conclude(request);
    bind_times(request);
    request_bind(request, "events", events);
    request_bind(request, "store",
                 ingest->partial || ingest->errors->total == 0 ? "true" : "false");
    request_prepend(request, &statement_lock_event_periods);
    return request_query(request, &statement_store_events, take_stored);
}

static bool tenant_named(const struct request *request)
{
    return request_actor(request)->side == ACTOR_TENANT ||
           request_parameter(request, "tenant") != NULL;
}

enum step operation_send_events(struct request *request)
{
    struct arena *arena = request_arena(request);
    struct ingest *ingest = arena_allocate(arena, 1, sizeof *ingest);

    if (!tenant_named(request))
        return request_refuse(request, "tenant_required", NULL);
    request_set_state(request, ingest);
    ingest->form = cloudevents_form(request_media(request));
    ingest->partial = strcmp(request_parameter(request, "partial"), "true") == 0;
    ingest->errors = arena_allocate(arena, 1, sizeof *ingest->errors);
    cloudevents_read(ingest->form, request_bytes(request), request_language(request), arena,
                     &ingest->batch, ingest->errors);
    if (ingest->batch.problem != NULL)
        return request_refuse(request, ingest->batch.problem, ingest->batch.message);
    ingest->verdicts = arena_allocate(arena, ingest->batch.count + 1, sizeof *ingest->verdicts);
    judge(request);
    return store(request);
}

enum step operation_list_events(struct request *request)
{
    return request_run(request, &statement_list_events);
}
