#include "daemon/metering/gather.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/instant.h"
#include "common/log.h"
#include "common/memory.h"
#include "daemon/db/array.h"
#include "daemon/http/environment.h"
#include "proto/json.h"
#include "statements.h"

enum {
    TOGETHER_LIMIT = 64,                  /* requests of a transaction */
    WAITING_LIMIT = 256,                  /* requests; more are stored by themselves */
    BATCHES_TEXT_LIMIT = 4 * 1024 * 1024, /* bytes after which no further one is added */
    TEXT_LIMIT = 64 * 1024 * 1024,
};

static const instant PAUSE = INSTANT_SECOND * 5;

struct member {
    struct request *request;
    const struct gather_ways *ways;
};

/* One transaction. */
struct gathering {
    struct arena *arena;
    size_t count;
    struct member members[TOGETHER_LIMIT];
};

static struct member waiting[WAITING_LIMIT]; /* a ring */
static size_t first_waiting, waiting_count;
static instant paused_until;
static bool under_way; /* one transaction a process: two took longer than one of twice the size */

static struct member take_waiting(void)
{
    struct member member = waiting[first_waiting];

    first_waiting = (first_waiting + 1) % WAITING_LIMIT;
    waiting_count--;
    return member;
}

/* ---- What is asked ---- */

static void write_member(struct buffer *row, const char *name, const char *value)
{
    buffer_append_format(row, ",\"%s\":", name);
    json_write_text(row, slice_of(value));
}

/* What the request has bound, by the names of the statement's parameters. */
static void write_batch(struct buffer *batches, const struct request *request, size_t position)
{
    static const char *const NAMES[] = {
        "meters",  "first_time", "last_time", "types",   "subjects",       "resources",
        "periods", "source_at",  "ids",       "type_at", "subject_at",     "period_at",
        "times",   "data",       "digest",    "sums",    "named_subjects", "named_resources",
    };

    buffer_append_format(batches, "%s{\"position\":%zu", position == 0 ? "[" : ",", position);
    write_member(batches, "tenant", request_tenant(request));
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        write_member(batches, NAMES[i], request_parameter(request, NAMES[i]));
    buffer_append_character(batches, '}');
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Tenants in their order, so that two transactions cannot wait for each other. */
static const char *tenants_of(const struct gathering *gathering)
{
    const char *tenants[TOGETHER_LIMIT] = {NULL};
    struct buffer array = array_begin();

    for (size_t i = 0; i < gathering->count; i++)
        tenants[i] = request_tenant(gathering->members[i].request);
    qsort(tenants, gathering->count, sizeof tenants[0], by_text);
    for (size_t i = 0; i < gathering->count; i++)
        if (i == 0 || strcmp(tenants[i - 1], tenants[i]) != 0)
            array_add_text(&array, tenants[i]);
    return array_end(&array, gathering->arena);
}

/* The least or the greatest of what the requests have bound under a name. */
static const char *extreme(const struct gathering *gathering, const char *name, bool greatest)
{
    int64_t found = greatest ? INT64_MIN : INT64_MAX;

    for (size_t i = 0; i < gathering->count; i++) {
        int64_t value = strtoll(request_parameter(gathering->members[i].request, name), NULL, 10);
        if (greatest ? value > found : value < found)
            found = value;
    }
    return arena_format(gathering->arena, "%" PRId64, found);
}

/* ---- What came of it ---- */

static void run(void);

static void settle(struct gathering *gathering, const bool *stored, bool known)
{
    for (size_t i = 0; i < gathering->count; i++) {
        const struct gather_ways *ways = gathering->members[i].ways;
        request_resume(gathering->members[i].request, !known      ? ways->unknown
                                                      : stored[i] ? ways->stored
                                                                  : ways->alone);
    }
    arena_free(&gathering->arena);
    memory_free(gathering);
}

/* Whatever waits is stored by itself. */
static void disperse(void)
{
    struct member members[WAITING_LIMIT];
    size_t count = waiting_count;

    for (size_t i = 0; i < count; i++)
        members[i] = take_waiting();
    for (size_t i = 0; i < count; i++)
        request_resume(members[i].request, members[i].ways->alone);
}

/* A transaction that failed is tried by each alone; and where the database could not be reached, or
 * was too slow, nobody is to wait for the next one for a while. */
static void note_failure(const struct gathering *gathering, const struct database_answer *answer)
{
    log_info("gather_refused", log_number("outcome", answer->outcome),
             log_text("sqlstate", answer->outcome == DATABASE_REFUSED ? answer->sqlstate : ""),
             log_text("constraint", answer->outcome == DATABASE_REFUSED ? answer->constraint : ""),
             log_number("requests", (int64_t)gathering->count));
    if (answer->outcome != DATABASE_REFUSED)
        paused_until = instant_now() + PAUSE;
}

static void take_answer(void *context, const struct database_answer *answer)
{
    struct gathering *gathering = context;
    bool stored[TOGETHER_LIMIT] = {false};
    bool failed = answer->outcome != DATABASE_OK;

    under_way = false;
    if (failed)
        note_failure(gathering, answer);
    for (int row = 0; !failed && row < PQntuples(answer->results[answer->count - 1]); row++) {
        const PGresult *rows = answer->results[answer->count - 1];
        size_t position = strtoul(PQgetvalue(rows, row, PQfnumber(rows, "position")), NULL, 10);
        check(position < gathering->count);
        stored[position] = true;
    }
    settle(gathering, stored, answer->outcome != DATABASE_UNKNOWN);
    if (failed)
        disperse();
    run();
}

/* ---- Together ---- */

static void add_part(struct gathering *gathering, struct segment *segment,
                     const struct statement *statement, const char *const *values)
{
    const char **copy = arena_allocate(gathering->arena, statement->parameter_count, sizeof *copy);

    memcpy(copy, values, statement->parameter_count * sizeof *copy);
    segment->parts[segment->count++] = (struct segment_part){
        .statement = statement, .variant = STATEMENT_OPERATOR, .values = copy};
}

static void submit(struct gathering *gathering, const char *batches)
{
    struct segment segment = {.role = DATABASE_OPERATOR,
                              .timeout = http_environment()->query_timeout};
    const char *const locks[] = {extreme(gathering, "first_slot", false),
                                 extreme(gathering, "last_slot", true), tenants_of(gathering)};
    const char *const stored[] = {batches};

    add_part(gathering, &segment, &statement_lock_for_gathered, locks);
    add_part(gathering, &segment, &statement_store_gathered_batches, stored);
    under_way = true;
    request_submit_shared(&segment, take_answer, gathering);
}

static struct gathering *gather(const char **batches)
{
    struct gathering *gathering = memory_allocate(1, sizeof *gathering);
    struct buffer text = buffer_make(TEXT_LIMIT);

    *gathering = (struct gathering){.arena = arena_new()};
    while (waiting_count > 0 && gathering->count < TOGETHER_LIMIT &&
           text.length < BATCHES_TEXT_LIMIT) {
        struct member member = take_waiting();
        write_batch(&text, member.request, gathering->count);
        gathering->members[gathering->count++] = member;
    }
    buffer_append_character(&text, ']');
    check(!buffer_overflowed(&text)); /* one batch more than the limit, of a hundred events */
    *batches = arena_copy(gathering->arena, buffer_slice(&text));
    buffer_free(&text);
    return gathering;
}

static void run(void)
{
    const char *batches;

    if (under_way || waiting_count == 0)
        return;
    struct gathering *gathering = gather(&batches);
    submit(gathering, batches);
}

enum step gather_store(struct request *request, const struct gather_ways *ways)
{
    if (waiting_count == WAITING_LIMIT || instant_now() < paused_until)
        return ways->alone(request);
    waiting[(first_waiting + waiting_count++) % WAITING_LIMIT] = (struct member){request, ways};
    enum step next = request_wait(request);
    run();
    return next;
}
