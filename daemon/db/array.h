/*
 * Arrays as text, for parameters of statements.
 */
#ifndef DAEMON_DB_ARRAY_H
#define DAEMON_DB_ARRAY_H

#include <stdint.h>

#include "common/arena.h"
#include "common/buffer.h"

enum { ARRAY_TEXT_LIMIT = 64 * 1024 * 1024 }; /* bytes of one */

/* An empty one; ended by array_end. */
struct buffer array_begin(void);

void array_add_text(struct buffer *array, const char *text);
/* NULL: the element is null. */
void array_add_optional(struct buffer *array, const char *text);
/* All of another one, {...}. */
void array_add_elements(struct buffer *array, const char *other);
void array_add_number(struct buffer *array, int64_t number);

/* The whole of it, in the arena. */
const char *array_end(struct buffer *array, struct arena *arena);

#endif
