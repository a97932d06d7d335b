/*
 * A number is a serial, never given twice, above the place of the object in a table; a place that
 * was taken over by another object carries another number, so the old one finds nothing.
 */
#include "common/registry.h"

#include "common/check.h"
#include "common/memory.h"

enum { REGISTRY_MAGIC = 0x52454749, PLACE_BITS = 24, SERIAL_BITS = 39, FIRST_CAPACITY = 16 };

static const size_t NO_PLACE = SIZE_MAX;

struct entry {
    uint64_t number; /* 0 while free */
    union {
        void *object;
        size_t next_free;
    };
};

struct registry {
    unsigned magic;
    struct entry *entries;
    size_t capacity;
    size_t used;  /* places ever taken */
    size_t count; /* objects now */
    size_t first_free;
    uint64_t serial;
};

struct registry *registry_new(void)
{
    struct registry *registry = memory_allocate(1, sizeof *registry);

    registry->magic = REGISTRY_MAGIC;
    registry->first_free = NO_PLACE;
    return registry;
}

void registry_free(struct registry **registry)
{
    if (*registry == NULL)
        return;
    check_magic(*registry, REGISTRY_MAGIC);
    (*registry)->magic = 0;
    memory_free((*registry)->entries);
    memory_free(*registry);
    *registry = NULL;
}

static size_t take_place(struct registry *registry)
{
    size_t place = registry->first_free;

    if (place != NO_PLACE) {
        registry->first_free = registry->entries[place].next_free;
        return place;
    }
    if (registry->used == registry->capacity) {
        registry->capacity = registry->capacity == 0 ? FIRST_CAPACITY : registry->capacity * 2;
        registry->entries =
            memory_resize(registry->entries, registry->capacity, sizeof *registry->entries);
    }
    check(registry->used < (size_t)1 << PLACE_BITS);
    return registry->used++;
}

uint64_t registry_add(struct registry *registry, void *object)
{
    check_magic(registry, REGISTRY_MAGIC);
    check(object != NULL);
    size_t place = take_place(registry);
    registry->serial++;
    check(registry->serial < UINT64_C(1) << SERIAL_BITS);
    struct entry *entry = &registry->entries[place];
    entry->number = registry->serial << PLACE_BITS | place;
    entry->object = object;
    registry->count++;
    return entry->number;
}

static struct entry *entry_find(const struct registry *registry, uint64_t number)
{
    check_magic(registry, REGISTRY_MAGIC);
    size_t place = number & (((size_t)1 << PLACE_BITS) - 1);
    if (number == 0 || place >= registry->used || registry->entries[place].number != number)
        return NULL;
    return &registry->entries[place];
}

void *registry_find(const struct registry *registry, uint64_t number)
{
    struct entry *entry = entry_find(registry, number);

    return entry == NULL ? NULL : entry->object;
}

void registry_remove(struct registry *registry, uint64_t number)
{
    struct entry *entry = entry_find(registry, number);

    if (entry == NULL)
        return;
    entry->number = 0;
    entry->next_free = registry->first_free;
    registry->first_free = (size_t)(entry - registry->entries);
    registry->count--;
}

size_t registry_count(const struct registry *registry)
{
    check_magic(registry, REGISTRY_MAGIC);
    return registry->count;
}

void registry_each(struct registry *registry, void (*visit)(void *object, void *context),
                   void *context)
{
    check_magic(registry, REGISTRY_MAGIC);
    for (size_t place = 0; place < registry->used; place++)
        if (registry->entries[place].number != 0)
            visit(registry->entries[place].object, context);
}
