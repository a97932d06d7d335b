#include "daemon/metering/directory.h"

#include <inttypes.h>
#include <string.h>

enum { NAMES_KNOWN = 1 << 16 }; /* at most; then it begins anew */

/* What a name stands for. */
struct entry {
    const char *text;     /* a resource, a month */
    int64_t number;       /* of a source */
    struct meters meters; /* of a type */
};

static struct arena *arena; /* NULL: nothing is known */
static struct names names;
static struct entry *entries; /* by place */
static int64_t meter_count;   /* of all meters, when theirs were learned */

static const struct entry *find(struct arena *scratch, char kind, const char *tenant,
                                const char *name)
{
    size_t place;
    const char *key = arena_format(scratch, "%c%s %s", kind, tenant, name);

    return names_find(&names, key, &place) ? &entries[place] : NULL;
}

static const char *slot_name(struct arena *of, instant slot)
{
    return arena_format(of, "%" PRId64, slot);
}

/* ---- Looking up ---- */

static bool look_up_resources(struct batch *batch, const char *tenant)
{
    batch->resources =
        arena_allocate(batch->arena, batch->subjects.count + 1, sizeof *batch->resources);
    for (size_t i = 0; i < batch->subjects.count; i++) {
        const struct entry *entry = find(batch->arena, 'r', tenant, batch->subjects.list[i]);
        if (entry == NULL)
            return false;
        batch->resources[i] = entry->text;
    }
    return true;
}

static bool look_up_sources(struct batch *batch, const char *tenant)
{
    batch->source_numbers =
        arena_allocate(batch->arena, batch->sources.count + 1, sizeof *batch->source_numbers);
    for (size_t i = 0; i < batch->sources.count; i++) {
        const struct entry *entry = find(batch->arena, 's', tenant, batch->sources.list[i]);
        if (entry == NULL)
            return false;
        batch->source_numbers[i] = entry->number;
    }
    return true;
}

static bool look_up_periods(struct batch *batch, const char *tenant)
{
    batch->periods = arena_allocate(batch->arena, batch->slot_count + 1, sizeof *batch->periods);
    for (size_t i = 0; i < batch->slot_count; i++) {
        const struct entry *entry =
            find(batch->arena, 'p', tenant, slot_name(batch->arena, batch->slots[i]));
        if (entry == NULL)
            return false;
        batch->periods[i] = entry->text;
    }
    return true;
}

/* Types are all tenants'. */
static bool look_up_meters(struct batch *batch)
{
    batch->meter_count = meter_count;
    batch->meters = arena_allocate(batch->arena, batch->types.count + 1, sizeof *batch->meters);
    for (size_t i = 0; i < batch->types.count; i++) {
        const struct entry *entry = find(batch->arena, 'm', "", batch->types.list[i]);
        if (entry == NULL)
            return false;
        batch->meters[i] = entry->meters;
    }
    return true;
}

/* What a batch is given outlives what is known: this is forgotten while the batch is on its way. */
static void copy_texts(struct arena *to, const char **texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        texts[i] = arena_text(to, texts[i]);
}

static void copy_meters(struct arena *to, struct meters *meters, size_t count)
{
    for (size_t i = 0; i < count; i++)
        meters[i] = meters_copy(to, &meters[i]);
}

bool directory_look_up(struct batch *batch, const char *tenant)
{
    if (arena == NULL || !look_up_meters(batch) || !look_up_sources(batch, tenant) ||
        !look_up_resources(batch, tenant) || !look_up_periods(batch, tenant))
        return false;
    copy_texts(batch->arena, batch->resources, batch->subjects.count);
    copy_texts(batch->arena, batch->periods, batch->slot_count);
    copy_meters(batch->arena, batch->meters, batch->types.count);
    return true;
}

/* ---- Learning ---- */

static void begin(int64_t meters_there_are)
{
    arena = arena_new();
    names = names_make(arena, NAMES_KNOWN);
    entries = arena_allocate(arena, NAMES_KNOWN, sizeof *entries);
    meter_count = meters_there_are;
}

void directory_forget(void)
{
    if (arena != NULL)
        arena_free(&arena);
}

size_t directory_used(void)
{
    return arena == NULL ? 0 : arena_used(arena);
}

/* What is known of a name; a new entry where it is not. */
static struct entry *entry_of(struct arena *scratch, char kind, const char *tenant,
                              const char *name)
{
    size_t place;
    const char *key = arena_format(scratch, "%c%s %s", kind, tenant, name);

    if (!names_find(&names, key, &place))
        place = names_place(&names, arena_text(arena, key));
    return &entries[place];
}

static void learn_text(struct entry *entry, const char *text)
{
    if (entry->text == NULL || strcmp(entry->text, text) != 0)
        entry->text = arena_text(arena, text);
}

/* The meters of a type are other ones only where there are more of all. */
static void learn_meters(struct entry *entry, const struct meters *meters)
{
    if (entry->meters.count == 0)
        entry->meters = meters_copy(arena, meters);
}

void directory_learn(const struct batch *batch, const char *tenant)
{
    size_t more =
        batch->subjects.count + batch->sources.count + batch->types.count + batch->slot_count;

    if (arena != NULL && (meter_count != batch->meter_count || names.count + more > NAMES_KNOWN))
        directory_forget();
    if (more > NAMES_KNOWN)
        return;
    if (arena == NULL)
        begin(batch->meter_count);
    for (size_t i = 0; i < batch->types.count; i++)
        if (batch->meters[i].count > 0)
            learn_meters(entry_of(batch->arena, 'm', "", batch->types.list[i]), &batch->meters[i]);
    for (size_t i = 0; i < batch->sources.count; i++)
        if (batch->source_numbers[i] != 0)
            entry_of(batch->arena, 's', tenant, batch->sources.list[i])->number =
                batch->source_numbers[i];
    for (size_t i = 0; i < batch->subjects.count; i++)
        if (batch->resources[i] != NULL)
            learn_text(entry_of(batch->arena, 'r', tenant, batch->subjects.list[i]),
                       batch->resources[i]);
    for (size_t i = 0; i < batch->slot_count; i++)
        learn_text(entry_of(batch->arena, 'p', tenant, slot_name(batch->arena, batch->slots[i])),
                   batch->periods[i]);
}

bool directory_expects_known(struct arena *scratch, const char *tenant)
{
    const struct entry *entry = arena == NULL ? NULL : find(scratch, 'k', tenant, "");

    return entry != NULL && entry->number != 0;
}

void directory_expect_known(struct arena *scratch, const char *tenant, bool known)
{
    if (arena != NULL && names.count < NAMES_KNOWN)
        entry_of(scratch, 'k', tenant, "")->number = known;
}
