/*
 * Events in. A first segment resolves the names of a batch, where the worker does not know them yet
 * (directory.h); then the batch is judged here. What it voids is looked up before it is stored
 * (voids.h), what is to be held is held (quarantine.h), what is good is stored (store.h), and what
 * was rejected is noted (rejections.h) before the answer.
 */
#include <string.h>

#include "common/check.h"
#include "daemon/http/environment.h"
#include "daemon/http/request.h"
#include "daemon/metering/directory.h"
#include "daemon/metering/ingest.h"
#include "daemon/metering/quarantine.h"
#include "daemon/metering/receipt.h"
#include "daemon/metering/rejections.h"
#include "daemon/metering/store.h"
#include "daemon/metering/voids.h"
#include "operations.h"
#include "statements.h"

static struct ingest *ingest_of(const struct request *request)
{
    return request_state(request);
}

/* ---- Judging ---- */

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
            ingest_reject(request, i, "event_too_old", "time");
        else if (event->time > newest)
            ingest_reject(request, i, "event_too_far_ahead", "time");
    }
}

/* ---- The answer ---- */

static enum step release(struct request *request)
{
    return quarantine_release(request, ingest_of(request)->answer);
}

enum step ingest_answer(struct request *request)
{
    return rejections_note(request, release);
}

static enum step refuse_all(struct request *request)
{
    return request_refuse_at(request, "validation_failed", ingest_of(request)->errors);
}

/* ---- Judging by what the database knows ---- */

static const char *attribute_of(struct request *request, const char *reason, const char *property)
{
    if (property != NULL)
        return ingest_data_attribute(request, property);
    return strcmp(reason, "event_subject_unknown") == 0 ? "subject" : "type";
}

static void judge_names(struct request *request)
{
    struct ingest *ingest = ingest_of(request);

    for (size_t i = 0; i < ingest->batch.count; i++) {
        const char *property;
        if (ingest->verdicts[i].state != ACCEPTED)
            continue;
        if (ingest->reservation == NULL &&
            strcmp(ingest->batch.events[i].source, RESERVATIONS_SOURCE) == 0) {
            ingest_reject(request, i, "event_source_reserved", "source");
            continue;
        }
        const char *reason = batch_judge(&ingest->names, i, &property);
        if (reason == NULL)
            continue;
        const char *attribute = attribute_of(request, reason, property);
        if (ingest->quarantine && quarantine_takes(reason))
            ingest->verdicts[i] = ingest_verdict(request, QUARANTINED, i, reason, attribute);
        else
            ingest_reject(request, i, reason, attribute);
    }
}

/* Those that were passed over for another one of their key, which was not found to be there, are
 * looked at again. */
static void take_back_doubles(struct ingest *ingest)
{
    size_t kept = 0;

    for (size_t i = 0; i < ingest->double_count; i++) {
        struct twice twice = ingest->doubles[i];
        if (ingest->verdicts[twice.first].state == ACCEPTED)
            ingest->verdicts[twice.place] = (struct verdict){.state = ACCEPTED};
        else
            ingest->doubles[kept++] = twice;
    }
    ingest->double_count = kept;
}

/* Of a key that was sent twice, the first that is good goes. */
static void choose(struct request *request)
{
    struct ingest *ingest = ingest_of(request);
    char digest[SHA256_HEX_SIZE];
    size_t count = 0;

    take_back_doubles(ingest);
    for (size_t i = 0; i < ingest->batch.count; i++)
        if (ingest->verdicts[i].state == ACCEPTED)
            ingest->going[count++] = i;
    batch_sort(&ingest->names, ingest->going, count);
    ingest->going_count = 0;
    for (size_t i = 0; i < count; i++) {
        size_t place = ingest->going[i];
        size_t first = ingest->going_count == 0 ? place : ingest->going[ingest->going_count - 1];
        if (first != place && batch_same_key(&ingest->names, first, place)) {
            hex_write(ingest->batch.events[first].digest, SHA256_SIZE, digest);
            ingest_compare(request, place, digest);
            ingest->doubles[ingest->double_count++] = (struct twice){place, first};
        } else {
            ingest->going[ingest->going_count++] = place;
        }
    }
}

static enum step take_registered(struct request *request, const PGresult *rows)
{
    (void)rows;
    return ingest_resolve(request);
}

static enum step store_good(struct request *request)
{
    struct ingest *ingest = ingest_of(request);

    if (!ingest->partial && ingest->errors->total > 0)
        return rejections_note(request, ingest->refuse);
    if (!batch_knows_sources(&ingest->names))
        return request_query(request, &statement_register_event_sources, take_registered);
    choose(request);
    return store_going(request);
}

enum step ingest_settle(struct request *request)
{
    const struct ingest *ingest = ingest_of(request);

    if (!ingest->partial && ingest->errors->total > 0)
        return rejections_note(request, ingest->refuse);
    return quarantine_hold(request, store_good);
}

static enum step judge_by_names(struct request *request)
{
    judge_names(request);
    return voids_read(request) ? voids_find(request) : ingest_settle(request);
}

static enum step take_names(struct request *request, const PGresult *rows)
{
    struct ingest *ingest = ingest_of(request);
    json_t *names = json_loads(PQgetvalue(rows, 0, PQfnumber(rows, "names")), 0, NULL);

    check(names != NULL);
    batch_take_names(&ingest->names, names);
    json_decref(names);
    directory_learn(&ingest->names, request_tenant(request));
    take_back_doubles(ingest);
    return judge_by_names(request);
}

enum step ingest_resolve(struct request *request)
{
    struct ingest *ingest = ingest_of(request);
    const struct batch *names = &ingest->names;

    if (ingest->attempts++ == STORE_ATTEMPTS_LIMIT)
        return store_give_up(request);
    request_bind(request, "subjects", batch_names(request_arena(request), &names->subjects));
    request_bind(request, "types", batch_names(request_arena(request), &names->types));
    request_bind(request, "sources", batch_names(request_arena(request), &names->sources));
    request_bind(request, "slots", batch_slots(names));
    request_prepend(request, &statement_plan_once);
    return request_query(request, &statement_resolve_events, take_names);
}

/* The names of those that are good so far. */
static enum step begin(struct request *request)
{
    struct ingest *ingest = ingest_of(request);
    bool *wanted = arena_allocate(request_arena(request), ingest->batch.count + 1, sizeof *wanted);

    for (size_t i = 0; i < ingest->batch.count; i++)
        wanted[i] = ingest->verdicts[i].state == ACCEPTED;
    ingest->names = batch_make(request_arena(request), &ingest->batch, wanted);
    if (ingest->names.slot_count > 0)
        return directory_look_up(&ingest->names, request_tenant(request)) ? judge_by_names(request)
                                                                          : ingest_resolve(request);
    return ingest->partial || ingest->errors->total == 0 ? ingest_answer(request)
                                                         : rejections_note(request, ingest->refuse);
}

static bool tenant_named(const struct request *request)
{
    return request_actor(request)->side == ACTOR_TENANT ||
           request_parameter(request, "tenant") != NULL;
}

static void read_events(struct request *request, struct ingest *ingest)
{
    const struct http1_head *head = request_head(request);
    struct slice specversion, bytes = request_bytes(request);
    enum language language = request_language(request);

    ingest->form = cloudevents_form(request_media(request),
                                    request_header(request, "ce-specversion", &specversion));
    if (ingest->form == CLOUDEVENTS_BINARY)
        cloudevents_read_binary(head->fields, head->field_count, bytes, language,
                                request_arena(request), &ingest->batch, ingest->errors);
    else
        cloudevents_read(ingest->form, bytes, language, request_arena(request), &ingest->batch,
                         ingest->errors);
}

struct ingest *ingest_new(struct request *request)
{
    struct arena *arena = request_arena(request);
    struct ingest *ingest = arena_allocate(arena, 1, sizeof *ingest);

    *ingest = (struct ingest){.errors = arena_allocate(arena, 1, sizeof *ingest->errors),
                              .answer = receipt_answer,
                              .refuse = refuse_all};
    request_set_state(request, ingest);
    return ingest;
}

enum step ingest_begin(struct request *request)
{
    struct arena *arena = request_arena(request);
    struct ingest *ingest = ingest_of(request);
    size_t limit = ingest->batch.count + 1;

    ingest->verdicts = arena_allocate(arena, limit, sizeof *ingest->verdicts);
    ingest->going = arena_allocate(arena, limit, sizeof *ingest->going);
    ingest->doubles = arena_allocate(arena, limit, sizeof *ingest->doubles);
    judge(request);
    return begin(request);
}

enum step operation_send_events(struct request *request)
{
    struct ingest *ingest = ingest_new(request);

    if (!tenant_named(request))
        return request_refuse(request, "tenant_required", NULL);
    ingest->partial = strcmp(request_parameter(request, "partial"), "true") == 0;
    ingest->quarantine = strcmp(request_parameter(request, "quarantine"), "true") == 0;
    read_events(request, ingest);
    if (ingest->batch.problem != NULL)
        return request_refuse(request, ingest->batch.problem, ingest->batch.message);
    return ingest_begin(request);
}

enum step operation_replay_events(struct request *request)
{
    struct ingest *ingest = ingest_new(request);

    if (!tenant_named(request))
        return request_refuse(request, "tenant_required", NULL);
    ingest->form = CLOUDEVENTS_LINES;
    ingest->partial = ingest->quarantine = true;
    return quarantine_read(request, ingest_begin);
}

enum step operation_list_events(struct request *request)
{
    return request_run(request, &statement_list_events);
}
