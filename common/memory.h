/*
 * Allocation that never returns NULL: memory that cannot be had ends the process. Lengths from
 * outside are bounded by their reader before they come here.
 */
#ifndef COMMON_MEMORY_H
#define COMMON_MEMORY_H

#include <stddef.h>

/* Zeroed memory for `count` objects of `size` bytes each; the product is checked for overflow.
 * Owned by the caller, given back with memory_free. */
void *memory_allocate(size_t count, size_t size);

/* Resizes to `count` objects of `size`; what is new is not zeroed. */
void *memory_resize(void *memory, size_t count, size_t size);

/* Copies of a terminated text, and of `length` bytes with a terminator added. */
char *memory_text(const char *text);
char *memory_copy(const void *data, size_t length);

/* Accepts NULL. */
void memory_free(void *memory);

/* Overwrites secrets so that the compiler cannot leave it out. */
void memory_wipe(void *memory, size_t length);

#endif
