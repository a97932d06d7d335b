#include "daemon/metering/store.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/check.h"
#include "daemon/metering/admission.h"
#include "daemon/metering/directory.h"
#include "daemon/metering/gather.h"
#include "daemon/metering/ingest.h"
#include "daemon/metering/voids.h"
#include "statements.h"

/* Of events that are stored with those of others: months that are being closed are none of theirs.
 */
static const instant GATHER_AGE = INSTANT_SECOND * 86400;

static struct ingest *ingest_of(const struct request *request)
{
    return request_state(request);
}

/* ---- Keys that are there ---- */

enum step store_give_up(struct request *request)
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
    return ingest->voids.count > 0 ? ingest_resolve(request) : store_going(request);
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
        return ingest_answer(request);
    directory_forget();
    return ingest_resolve(request);
}

static const char *number_text(struct request *request, int64_t number)
{
    return arena_format(request_arena(request), "%" PRId64, number);
}

/* False where what they add to usage is more than a statement takes. */
static bool bind_columns(struct request *request)
{
    struct ingest *ingest = ingest_of(request);
    const struct batch *names = &ingest->names;
    struct batch_columns columns = batch_store(names, ingest->going, ingest->going_count);

    request_bind(request, "first_time", number_text(request, columns.first_time));
    request_bind(request, "last_time", number_text(request, columns.last_time));
    request_bind(request, "first_slot", number_text(request, names->slots[0]));
    request_bind(request, "last_slot", number_text(request, names->slots[names->slot_count - 1]));
    request_bind(request, "meters", number_text(request, columns.meter_count));
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
    request_bind(request, "named_subjects", columns.named_subjects);
    request_bind(request, "named_resources", columns.named_resources);
    ingest->levels = columns.levels != NULL;
    ingest->columns = columns;
    return columns.sums != NULL;
}

static enum step take_known(struct request *request);

static enum step pass_quota(struct request *request)
{
    return admission_judge(request, ingest_settle);
}

static enum step claim(struct request *request)
{
    static const struct request_violation VIOLATIONS[] = {
        {"event_keys_pkey", take_known}, {"quota_kept", pass_quota}, {NULL, NULL}};
    const struct ingest *ingest = ingest_of(request);
    bool voids = voids_bind(request);
    const struct statement *statement = voids            ? &statement_store_voiding_batch
                                        : ingest->levels ? &statement_store_level_batch
                                                         : &statement_store_event_batch;

    request_prepend(request, voids                         ? &statement_lock_for_voids
                             : ingest->reservation != NULL ? &statement_lock_for_settling
                                                           : &statement_lock_for_events);
    return request_query_unless(request, statement, take_stored, VIOLATIONS);
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

static enum step take_known(struct request *request)
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
    .stored = ingest_answer, .alone = claim, .unknown = refuse_unknown};

/* Whether it is stored with others: a few events of these days, the first time that it is tried, of
 * an actor who is bound to no park. */
static bool is_small(const struct request *request)
{
    const struct ingest *ingest = ingest_of(request);

    return ingest->batch.count <= GATHER_EVENTS && ingest->voids.count == 0 && !ingest->levels &&
           ingest->attempts == 1 && request_actor(request)->park[0] == '\0' &&
           ingest->reservation == NULL && ingest->names.slots[0] > instant_now() - GATHER_AGE;
}

enum step store_going(struct request *request)
{
    struct ingest *ingest = ingest_of(request);

    if (ingest->going_count == 0)
        return ingest_answer(request);
    if (ingest->attempts++ == STORE_ATTEMPTS_LIMIT)
        return store_give_up(request);
    if (!bind_columns(request))
        return request_refuse(request, "body_too_large", NULL);
    if (!ingest->looked && directory_expects_known(request_arena(request), request_tenant(request)))
        return request_query(request, &statement_find_same_batch, take_same);
    return is_small(request) ? gather_store(request, &ingest->names, &ingest->columns, &GATHER_WAYS)
                             : claim(request);
}
