#include "common/metric.h"

#include <stdatomic.h>
#include <sys/mman.h>

#include "common/check.h"
#include "common/instant.h"

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "processes share the counters without locks");

enum kind { COUNTER, GAUGE, HISTOGRAM };

static const struct {
    enum kind kind;
    const char *name;
    const char *help;
} DESCRIPTIONS[] = {
#define METRIC_DESCRIPTION(identifier, kind, name, help) [identifier] = {kind, name, help},
    METRICS(METRIC_DESCRIPTION)
#undef METRIC_DESCRIPTION
};

static const struct {
    int64_t microseconds;
    const char *seconds;
} BOUNDS[] = {
    {100, "0.0001"},  {250, "0.00025"}, {500, "0.0005"},  {1000, "0.001"},
    {2500, "0.0025"}, {5000, "0.005"},  {10000, "0.01"},  {25000, "0.025"},
    {50000, "0.05"},  {100000, "0.1"},  {250000, "0.25"}, {500000, "0.5"},
    {1000000, "1"},   {2500000, "2.5"}, {5000000, "5"},   {10000000, "10"},
};

enum { BOUND_COUNT = sizeof BOUNDS / sizeof BOUNDS[0], CACHE_LINE = 64 };

/* `value` of a histogram is the sum of what was observed; each observation counts in one bucket,
 * the last of which has no bound. */
struct cell {
    _Atomic int64_t value;
    _Atomic int64_t bucket[BOUND_COUNT + 1];
};

struct slot {
    _Alignas(CACHE_LINE) struct cell cell[METRIC_COUNT];
};

/* Until metric_start there is one slot, of this process alone. */
static struct slot private_slot;
static struct slot *slots = &private_slot;
static unsigned slot_count = 1;
static struct slot *own = &private_slot;

void metric_start(void)
{
    void *memory = mmap(NULL, METRIC_SLOTS_LIMIT * sizeof *slots, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    check(memory != MAP_FAILED);
    slots = memory;
    slot_count = METRIC_SLOTS_LIMIT;
    own = slots;
}

void metric_use_slot(unsigned slot)
{
    check(slot < slot_count);
    own = &slots[slot];
    for (size_t i = 0; i < METRIC_COUNT; i++)
        if (DESCRIPTIONS[i].kind == GAUGE)
            atomic_store_explicit(&own->cell[i].value, 0, memory_order_relaxed);
}

static void cell_add(_Atomic int64_t *cell, int64_t amount)
{
    atomic_fetch_add_explicit(cell, amount, memory_order_relaxed);
}

void metric_add(enum metric metric, int64_t amount)
{
    check(metric < METRIC_COUNT && DESCRIPTIONS[metric].kind != HISTOGRAM);
    check(amount >= 0 || DESCRIPTIONS[metric].kind == GAUGE);
    cell_add(&own->cell[metric].value, amount);
}

void metric_observe(enum metric metric, int64_t microseconds)
{
    size_t bucket = 0;

    check(metric < METRIC_COUNT && DESCRIPTIONS[metric].kind == HISTOGRAM);
    check(microseconds >= 0);
    while (bucket < BOUND_COUNT && microseconds > BOUNDS[bucket].microseconds)
        bucket++;
    cell_add(&own->cell[metric].value, microseconds);
    cell_add(&own->cell[metric].bucket[bucket], 1);
}

int64_t metric_value(enum metric metric)
{
    int64_t sum = 0;

    check(metric < METRIC_COUNT);
    for (unsigned i = 0; i < slot_count; i++)
        sum += atomic_load_explicit(&slots[i].cell[metric].value, memory_order_relaxed);
    return sum;
}

static int64_t bucket_value(enum metric metric, size_t bucket)
{
    int64_t sum = 0;

    for (unsigned i = 0; i < slot_count; i++)
        sum += atomic_load_explicit(&slots[i].cell[metric].bucket[bucket], memory_order_relaxed);
    return sum;
}

/* The count is that of the buckets as they were read, so that the two agree in one answer. */
static void write_histogram(struct buffer *text, enum metric metric)
{
    const char *name = DESCRIPTIONS[metric].name;
    long long sum = metric_value(metric);
    long long count = 0;

    for (size_t i = 0; i <= BOUND_COUNT; i++) {
        count += bucket_value(metric, i);
        buffer_append_format(text, "%s_bucket{le=\"%s\"} %lld\n", name,
                             i < BOUND_COUNT ? BOUNDS[i].seconds : "+Inf", count);
    }
    buffer_append_format(text, "%s_sum %lld.%06lld\n%s_count %lld\n", name, sum / INSTANT_SECOND,
                         sum % INSTANT_SECOND, name, count);
}

void metric_write_all(struct buffer *text)
{
    static const char *const KINDS[] = {"counter", "gauge", "histogram"};

    for (enum metric metric = 0; metric < METRIC_COUNT; metric++) {
        const char *name = DESCRIPTIONS[metric].name;
        enum kind kind = DESCRIPTIONS[metric].kind;
        buffer_append_format(text, "# HELP %s %s\n# TYPE %s %s\n", name, DESCRIPTIONS[metric].help,
                             name, KINDS[kind]);
        if (kind == HISTOGRAM)
            write_histogram(text, metric);
        else
            buffer_append_format(text, "%s %lld\n", name, (long long)metric_value(metric));
    }
}
