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
    TOGETHER_LIMIT = 64,          /* requests of a transaction */
    WAITING_LIMIT = 256,          /* requests; more are stored by themselves */
    EVENTS_LIMIT = 2000,          /* of a transaction, after which no further request is added */
    TEXT_LIMIT = 4 * 1024 * 1024, /* bytes of data and sums, after which none is added either */
};

static const instant PAUSE = INSTANT_SECOND * 5;

struct member {
    struct request *request;
    const struct batch *batch;
    const struct batch_columns *columns;
    const struct gather_ways *ways;
    size_t bytes; /* of data and sums */
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

/* The lists of statement store_gathered_batches, but for `tenants`, by what of the columns of a
 * batch goes into them: a text; a number; where the batch's part of other lists ends; or the
 * elements of an array. */
enum shape { TEXT, NUMBER, END, ELEMENTS };

static const struct list {
    const char *name;
    enum shape shape;
    size_t offset;
} LISTS[] = {
    {"data", TEXT, offsetof(struct batch_columns, data)},
    {"digests", TEXT, offsetof(struct batch_columns, digest)},
    {"sums", TEXT, offsetof(struct batch_columns, sums)},
    {"meters", NUMBER, offsetof(struct batch_columns, meter_count)},
    {"first_times", NUMBER, offsetof(struct batch_columns, first_time)},
    {"last_times", NUMBER, offsetof(struct batch_columns, last_time)},
    {"event_ends", END, offsetof(struct batch_columns, event_count)},
    {"type_ends", END, offsetof(struct batch_columns, type_count)},
    {"subject_ends", END, offsetof(struct batch_columns, subject_count)},
    {"period_ends", END, offsetof(struct batch_columns, period_count)},
    {"named_ends", END, offsetof(struct batch_columns, named_count)},
    {"types", ELEMENTS, offsetof(struct batch_columns, types)},
    {"subjects", ELEMENTS, offsetof(struct batch_columns, subjects)},
    {"resources", ELEMENTS, offsetof(struct batch_columns, resources)},
    {"periods", ELEMENTS, offsetof(struct batch_columns, periods)},
    {"named_subjects", ELEMENTS, offsetof(struct batch_columns, named_subjects)},
    {"named_resources", ELEMENTS, offsetof(struct batch_columns, named_resources)},
    {"source_at", ELEMENTS, offsetof(struct batch_columns, source_at)},
    {"ids", ELEMENTS, offsetof(struct batch_columns, ids)},
    {"type_at", ELEMENTS, offsetof(struct batch_columns, type_at)},
    {"subject_at", ELEMENTS, offsetof(struct batch_columns, subject_at)},
    {"period_at", ELEMENTS, offsetof(struct batch_columns, period_at)},
    {"times", ELEMENTS, offsetof(struct batch_columns, times)},
};

enum { LIST_COUNT = sizeof LISTS / sizeof LISTS[0] };

static const char *text_of(const struct batch_columns *columns, size_t offset)
{
    const char *text;

    memcpy(&text, (const char *)columns + offset, sizeof text);
    return text;
}

static const char *write_list(const struct gathering *gathering, const struct list *list)
{
    struct buffer array = array_begin();
    size_t end = 0, count;
    int64_t number;

    for (size_t i = 0; i < gathering->count; i++) {
        const struct batch_columns *columns = gathering->members[i].columns;
        switch (list->shape) {
        case TEXT:
            array_add_text(&array, text_of(columns, list->offset));
            break;
        case NUMBER:
            memcpy(&number, (const char *)columns + list->offset, sizeof number);
            array_add_number(&array, number);
            break;
        case END:
            memcpy(&count, (const char *)columns + list->offset, sizeof count);
            array_add_number(&array, (int64_t)(end += count));
            break;
        case ELEMENTS:
            array_add_elements(&array, text_of(columns, list->offset));
        }
    }
    return array_end(&array, gathering->arena);
}

static const char *write_tenants(const struct gathering *gathering)
{
    struct buffer array = array_begin();

    for (size_t i = 0; i < gathering->count; i++)
        array_add_text(&array, request_tenant(gathering->members[i].request));
    return array_end(&array, gathering->arena);
}

static const char *write_parameter(const struct gathering *gathering, const char *name)
{
    for (size_t i = 0; i < LIST_COUNT; i++)
        if (strcmp(LISTS[i].name, name) == 0)
            return write_list(gathering, &LISTS[i]);
    check(strcmp(name, "tenants") == 0);
    return write_tenants(gathering);
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

/* The quarter hours whose months are locked. */
static void write_slots(const struct gathering *gathering, const char **first, const char **last)
{
    instant least = INT64_MAX, greatest = INT64_MIN;

    for (size_t i = 0; i < gathering->count; i++) {
        const struct batch *batch = gathering->members[i].batch;
        instant begins = batch->slots[0], ends = batch->slots[batch->slot_count - 1];
        least = begins < least ? begins : least;
        greatest = ends > greatest ? ends : greatest;
    }
    *first = arena_format(gathering->arena, "%" PRId64, least);
    *last = arena_format(gathering->arena, "%" PRId64, greatest);
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
 * was too slow, nobody is to wait for the next one for a while. A statement that is wrong would
 * otherwise be but slow. */
static void note_failure(const struct gathering *gathering, const struct database_answer *answer)
{
    bool refused = answer->outcome == DATABASE_REFUSED;
    bool wrong = refused && strncmp(answer->sqlstate, "42", 2) == 0;

    log_at(wrong ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, "gather_refused",
           log_number("outcome", answer->outcome),
           log_text("sqlstate", refused ? answer->sqlstate : ""),
           log_text("constraint", refused ? answer->constraint : ""),
           log_number("requests", (int64_t)gathering->count));
    if (!refused)
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

static void submit(struct gathering *gathering)
{
    const struct statement *lock = &statement_lock_for_gathered,
                           *store = &statement_store_gathered_batches;
    const char **locks = arena_allocate(gathering->arena, lock->parameter_count, sizeof *locks);
    const char **lists = arena_allocate(gathering->arena, store->parameter_count, sizeof *lists);
    struct segment segment = {.role = DATABASE_OPERATOR,
                              .timeout = http_environment()->query_timeout};

    write_slots(gathering, &locks[0], &locks[1]);
    locks[2] = tenants_of(gathering);
    for (size_t i = 0; i < store->parameter_count; i++)
        lists[i] = write_parameter(gathering, store->parameters[i]);
    segment.parts[segment.count++] =
        (struct segment_part){.statement = lock, .variant = STATEMENT_OPERATOR, .values = locks};
    segment.parts[segment.count++] =
        (struct segment_part){.statement = store, .variant = STATEMENT_OPERATOR, .values = lists};
    under_way = true;
    request_submit_shared(&segment, take_answer, gathering);
}

static struct gathering *gather(void)
{
    struct gathering *gathering = memory_allocate(1, sizeof *gathering);
    size_t events = 0, bytes = 0;

    *gathering = (struct gathering){.arena = arena_new()};
    while (waiting_count > 0 && gathering->count < TOGETHER_LIMIT && events < EVENTS_LIMIT &&
           bytes < TEXT_LIMIT) {
        struct member member = take_waiting();
        events += member.columns->event_count;
        bytes += member.bytes;
        gathering->members[gathering->count++] = member;
    }
    return gathering;
}

static void run(void)
{
    if (!under_way && waiting_count > 0)
        submit(gather());
}

enum step gather_store(struct request *request, const struct batch *batch,
                       const struct batch_columns *columns, const struct gather_ways *ways)
{
    size_t bytes = strlen(columns->data) + strlen(columns->sums);

    if (waiting_count == WAITING_LIMIT || bytes > TEXT_LIMIT || instant_now() < paused_until)
        return ways->alone(request);
    waiting[(first_waiting + waiting_count++) % WAITING_LIMIT] =
        (struct member){request, batch, columns, ways, bytes};
    enum step next = request_wait(request);
    run();
    return next;
}
