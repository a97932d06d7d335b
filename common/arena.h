/*
 * Memory that lives as long as one request or one task: taken piece by piece, freed at once.
 * Pieces are zeroed, aligned for any type, and never freed one by one.
 */
#ifndef COMMON_ARENA_H
#define COMMON_ARENA_H

#include <stdarg.h>
#include <stddef.h>

#include "common/slice.h"

struct arena;

struct arena *arena_new(void);
void arena_free(struct arena **arena); /* accepts a pointer to NULL; clears the pointer */

void *arena_allocate(struct arena *arena, size_t count, size_t size);
char *arena_copy(struct arena *arena, struct slice bytes); /* with a terminator added */
char *arena_text(struct arena *arena, const char *text);
char *arena_format(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Bytes handed out so far. */
size_t arena_used(const struct arena *arena);

#endif
