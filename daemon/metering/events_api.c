/*
 * Events in. A first segment resolves the names of a batch, where the worker does not know them yet
 * (directory.h); then the batch is judged here. A second one locks the months and the meters,
 * claims the keys, and stores and counts all of it. Where a key was there already it rolled back: a
 * third one looks for the same batch, and a fourth one reads the digests of the keys, to tell
 * duplicates from conflicts, and the others are stored by themselves. Of a tenant that sends again
 * what was there, the batch is looked for first. What the batch voids is looked up before it is
 * stored (voids.h), what is to be held is held (quarantine.h), and what was rejected is noted
 * (rejections.h) before the answer.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "common/check.h"
#include "daemon/http/environment.h"
#include "daemon/http/request.h"
#include "daemon/metering/directory.h"
#include "daemon/metering/gather.h"
#include "daemon/metering/ingest.h"
#include "daemon/metering/quarantine.h"
#include "daemon/metering/receipt.h"
#include "daemon/metering/rejections.h"
#include "daemon/metering/voids.h"
#include "operations.h"
#include "statements.h"

enum { ATTEMPTS_LIMIT = 10 }; /* segments that resolve or store */

/* Of events that are stored with those of others: months that are being closed are none of theirs.
 */
static const instant GATHER_AGE = INSTANT_SECOND * 86400;

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
    return quarantine_release(request, receipt_answer);
}

static enum step answer_receipt(struct request *request)
{
    return rejections_note(request, release);
}

static enum step refuse_all(struct request *request)
{
    return request_refuse_at(request, "validation_failed", ingest_of(request)->errors);
}

/* ---- Keys that are there ---- */

static enum step resolve(struct request *request);
static enum step store(struct request *request);
static enum step take_violation(struct request *request);

/* What can only be settled by another attempt, after so many. */
static enum step give_up(struct request *request)
{
    request_add_field(request, "Retry-After", "1");
    return request_refuse(request, "overloaded", NULL);
}

/* Those that were found to be there go no more, nor do those that are the same. */
static enum step go_on_without_known(struct request *request)
{
    struct ingest *ingest = ingest_of(request);
    size_t count = 0;

    for (size_t i = 0; i < ingest->going_count; i++)
        if (ingest->verdicts[ingest->going[i]].state == ACCEPTED)
            ingest->going[count++] = ingest->going[i];
    ingest->going_count = count;
    for (size_t i = 0; i < ingest->double_count; i++) {
        const struct verdict *first = &ingest->verdicts[ingest->doubles[i].first];
        if (first->state != ACCEPTED)
            ingest_compare(request, ingest->doubles[i].place, first->stored_digest);
    }
    return ingest->voids.count > 0 ? resolve(request) : store(request);
}

static enum step take_digests(struct request *request, const PGresult *rows)
{
    const struct ingest *ingest = ingest_of(request);

    for (int row = 0; row < PQntuples(rows); row++) {
        size_t at = strtoul(PQgetvalue(rows, row, PQfnumber(rows, "position")), NULL, 10);
        check(at < ingest->going_count);
        ingest_compare(request, ingest->going[at],
                       PQgetvalue(rows, row, PQfnumber(rows, "digest")));
    }
    return go_on_without_known(request);
}

static enum step find_known(struct request *request)
{
    const struct ingest *ingest = ingest_of(request);
    const char *sources, *ids;

    batch_keys(&ingest->names, ingest->going, ingest->going_count, &sources, &ids);
    request_bind(request, "source_at", sources);
    request_bind(request, "ids", ids);
    return request_query(request, &statement_find_known_events, take_digests);
}

/* ---- Storing ---- */

static enum step take_stored(struct request *request, const PGresult *rows)
{
    if (PQntuples(rows) == 1)
        return answer_receipt(request);
    directory_forget();
    return resolve(request);
}

static const char *number_text(struct request *request, int64_t number)
{
    return arena_format(request_arena(request), "%" PRId64, number);
}

/* The times of the events that are stored, and the quarter hours whose months are locked. */
static void bind_times(struct request *request)
{
    const struct ingest *ingest = ingest_of(request);
    instant first = INT64_MAX, last = INT64_MIN;

    for (size_t i = 0; i < ingest->going_count; i++) {
        instant time = ingest->batch.events[ingest->going[i]].time;
        first = time < first ? time : first;
        last = time > last ? time : last;
    }
    request_bind(request, "first_time", number_text(request, first));
    request_bind(request, "last_time", number_text(request, last));
    request_bind(request, "first_slot", number_text(request, ingest->names.slots[0]));
    request_bind(request, "last_slot",
                 number_text(request, ingest->names.slots[ingest->names.slot_count - 1]));
}

/* False where what they add to usage is more than a statement takes. */
static bool bind_columns(struct request *request)
{
    struct ingest *ingest = ingest_of(request);
    struct batch_columns columns = batch_store(&ingest->names, ingest->going, ingest->going_count);

    request_bind(request, "meters", number_text(request, ingest->names.meter_count));
    request_bind(request, "types", columns.types);
    request_bind(request, "subjects", columns.subjects);
    request_bind(request, "resources", columns.resources);
    request_bind(request, "periods", columns.periods);
    request_bind(request, "source_at", columns.source_at);
    request_bind(request, "ids", columns.ids);
    request_bind(request, "type_at", columns.type_at);
    request_bind(request, "subject_at", columns.subject_at);
    request_bind(request, "period_at", columns.period_at);
    request_bind(request, "times", columns.times);
    request_bind(request, "data", columns.data);
    request_bind(request, "digest", columns.digest);
    request_bind(request, "sums", columns.sums);
    request_bind(request, "levels", columns.levels == NULL ? "[]" : columns.levels);
    ingest->levels = columns.levels != NULL;
    request_bind(request, "named_subjects", columns.named_subjects);
    request_bind(request, "named_resources", columns.named_resources);
    return columns.sums != NULL;
}

static enum step claim(struct request *request)
{
    bool voids = voids_bind(request);
    const struct statement *statement = voids ? &statement_store_voiding_batch
                                        : ingest_of(request)->levels ? &statement_store_level_batch
                                                                     : &statement_store_event_batch;

    request_prepend(request, voids ? &statement_lock_for_voids : &statement_lock_for_events);
    return request_query_unless(request, statement, take_stored, "event_keys_pkey", take_violation);
}

/* The whole batch is there, or it is stored; or what of it is there is to be found. */
static enum step take_same(struct request *request, const PGresult *rows)
{
    struct ingest *ingest = ingest_of(request);
    char digest[SHA256_HEX_SIZE];
    bool first_look = !ingest->looked;

    ingest->looked = true;
    if (PQntuples(rows) == 0) {
        directory_expect_known(request_arena(request), request_tenant(request), !first_look);
        return first_look ? claim(request) : find_known(request);
    }
    for (size_t i = 0; i < ingest->going_count; i++) {
        size_t place = ingest->going[i];
        hex_write(ingest->batch.events[place].digest, SHA256_SIZE, digest);
        ingest_compare(request, place, digest);
    }
    return go_on_without_known(request);
}

static enum step take_violation(struct request *request)
{
    struct ingest *ingest = ingest_of(request);

    directory_expect_known(request_arena(request), request_tenant(request), true);
    if (ingest->looked)
        return find_known(request);
    ingest->looked = true;
    return request_query(request, &statement_find_same_batch, take_same);
}

static enum step refuse_unknown(struct request *request)
{
    request_add_field(request, "Retry-After", "1");
    return request_refuse(request, "commit_unknown", NULL);
}

static const struct gather_ways GATHER_WAYS = {
    .stored = answer_receipt, .alone = claim, .unknown = refuse_unknown};

/* Whether it is stored with others: a few events of these days, the first time that it is tried, of
 * an actor who is bound to no park. */
static bool is_small(const struct request *request)
{
    const struct ingest *ingest = ingest_of(request);

    return ingest->batch.count <= GATHER_EVENTS && ingest->voids.count == 0 && !ingest->levels &&
           ingest->attempts == 1 && request_actor(request)->park[0] == '\0' &&
           ingest->names.slots[0] > instant_now() - GATHER_AGE;
}

static enum step store(struct request *request)
{
    struct ingest *ingest = ingest_of(request);

    if (ingest->going_count == 0)
        return answer_receipt(request);
    if (ingest->attempts++ == ATTEMPTS_LIMIT)
        return give_up(request);
    bind_times(request);
    if (!bind_columns(request))
        return request_refuse(request, "body_too_large", NULL);
    if (!ingest->looked && directory_expects_known(request_arena(request), request_tenant(request)))
        return request_query(request, &statement_find_same_batch, take_same);
    return is_small(request) ? gather_store(request, &GATHER_WAYS) : claim(request);
}

/* ---- Judging by what the database knows ---- */

/* A name as part of a JSON pointer (RFC 6901). */
static const char *escaped(struct request *request, const char *name)
{
    char *text = arena_allocate(request_arena(request), 2 * strlen(name) + 1, 1);
    char *to = text;

    for (; *name != '\0'; name++) {
        *to++ = *name == '/' ? '~' : *name;
        if (*name == '/' || *name == '~')
            *to++ = *name == '/' ? '1' : '0';
    }
    return text;
}

static const char *attribute_of(struct request *request, const char *reason, const char *property)
{
    if (property != NULL)
        return arena_format(request_arena(request), "data/%s", escaped(request, property));
    return strcmp(reason, "event_subject_unknown") == 0 ? "subject" : "type";
}

static void judge_names(struct request *request)
{
    struct ingest *ingest = ingest_of(request);

    for (size_t i = 0; i < ingest->batch.count; i++) {
        const char *property;
        if (ingest->verdicts[i].state != ACCEPTED)
            continue;
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
    return resolve(request);
}

static enum step store_good(struct request *request)
{
    struct ingest *ingest = ingest_of(request);

    if (!ingest->partial && ingest->errors->total > 0)
        return rejections_note(request, refuse_all);
    if (!batch_knows_sources(&ingest->names))
        return request_query(request, &statement_register_event_sources, take_registered);
    choose(request);
    return store(request);
}

enum step ingest_settle(struct request *request)
{
    const struct ingest *ingest = ingest_of(request);

    if (!ingest->partial && ingest->errors->total > 0)
        return rejections_note(request, refuse_all);
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

static enum step resolve(struct request *request)
{
    struct ingest *ingest = ingest_of(request);
    const struct batch *names = &ingest->names;

    if (ingest->attempts++ == ATTEMPTS_LIMIT)
        return give_up(request);
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
                                                                          : resolve(request);
    return ingest->partial || ingest->errors->total == 0 ? answer_receipt(request)
                                                         : rejections_note(request, refuse_all);
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

static struct ingest *new_ingest(struct request *request)
{
    struct arena *arena = request_arena(request);
    struct ingest *ingest = arena_allocate(arena, 1, sizeof *ingest);

    *ingest = (struct ingest){.errors = arena_allocate(arena, 1, sizeof *ingest->errors)};
    request_set_state(request, ingest);
    return ingest;
}

/* The events were read. */
static enum step take_events(struct request *request)
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
    struct ingest *ingest = new_ingest(request);

    if (!tenant_named(request))
        return request_refuse(request, "tenant_required", NULL);
    ingest->partial = strcmp(request_parameter(request, "partial"), "true") == 0;
    ingest->quarantine = strcmp(request_parameter(request, "quarantine"), "true") == 0;
    read_events(request, ingest);
    if (ingest->batch.problem != NULL)
        return request_refuse(request, ingest->batch.problem, ingest->batch.message);
    return take_events(request);
}

enum step operation_replay_events(struct request *request)
{
    struct ingest *ingest = new_ingest(request);

    if (!tenant_named(request))
        return request_refuse(request, "tenant_required", NULL);
    ingest->form = CLOUDEVENTS_LINES;
    ingest->partial = ingest->quarantine = true;
    return quarantine_read(request, take_events);
}

enum step operation_list_events(struct request *request)
{
    return request_run(request, &statement_list_events);
}
