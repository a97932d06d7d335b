#include "common/names.h"

#include <string.h>
#include <sys/random.h>

#include "common/check.h"

enum { NAMES_LIMIT = 1 << 30 };

struct names names_make(struct arena *arena, size_t limit)
{
    size_t size = 2;

    check(limit > 0 && limit <= NAMES_LIMIT);
    while (size < 2 * limit)
        size *= 2;
    return (struct names){.limit = limit,
                          .list = arena_allocate(arena, limit, sizeof(const char *)),
                          .slots = arena_allocate(arena, size, sizeof(uint32_t)),
                          .mask = size - 1};
}

/* FNV-1a, 64 bits, from a secret beginning: whoever sends texts cannot choose where they go. */
static uint64_t hash_of(const char *text)
{
    static uint64_t secret;
    uint64_t hash;

    if (secret == 0)
        check(getrandom(&secret, sizeof secret, 0) == sizeof secret);
    hash = secret;
    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 32;
}

/* The slot of a text, or the empty one where it would be. */
static size_t slot_of(const struct names *names, const char *text)
{
    size_t slot = (size_t)hash_of(text) & names->mask;

    while (names->slots[slot] != 0 && strcmp(names->list[names->slots[slot] - 1], text) != 0)
        slot = (slot + 1) & names->mask;
    return slot;
}

bool names_find(const struct names *names, const char *text, size_t *place)
{
    size_t slot = slot_of(names, text);

    if (names->slots[slot] == 0)
        return false;
    *place = names->slots[slot] - 1;
    return true;
}

size_t names_place(struct names *names, const char *text)
{
    if (names->last < names->count && strcmp(names->list[names->last], text) == 0)
        return names->last;
    size_t slot = slot_of(names, text);
    if (names->slots[slot] == 0) {
        check(names->count < names->limit);
        names->list[names->count++] = text;
        names->slots[slot] = (uint32_t)names->count;
    }
    names->last = names->slots[slot] - 1;
    return names->last;
}
