/*
 * Distinct texts, each by its place in the order in which it came first. In an arena, which it
 * lives as long as.
 */
#ifndef COMMON_NAMES_H
#define COMMON_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"

struct names {
    size_t count, limit; /* as many as there can be */
    size_t last;         /* the place that was told last; the next one is often the same */
    const char **list;   /* borrowed texts, by place */
    uint32_t *slots;     /* place + 1 of what hashes there; 0: nothing */
    size_t mask;         /* slots less one: a power of two less one */
};

/* For at most `limit` names (1 to 2^30). */
struct names names_make(struct arena *arena, size_t limit);

/* False where the text is not there. */
bool names_find(const struct names *names, const char *text, size_t *place);

/* The place of a text, which is kept as a pointer where it is new. */
size_t names_place(struct names *names, const char *text);

#endif
