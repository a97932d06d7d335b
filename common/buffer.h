/*
 * Growable bytes with a bound. What would go past `limit` is left out, with all that follows, and
 * buffer_overflowed() says so, so a writer checks once, at the end. The bytes are always terminated
 * with a NUL beyond `length`.
 */
#ifndef COMMON_BUFFER_H
#define COMMON_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/slice.h"

struct buffer {
    char *data; /* owned; NULL while empty */
    size_t length;
    size_t capacity;
    size_t limit; /* most bytes that it may hold */
    bool overflowed;
};

struct buffer buffer_make(size_t limit);
void buffer_free(struct buffer *buffer); /* leaves it empty and usable again */

void buffer_append(struct buffer *buffer, const void *data, size_t length);
void buffer_append_slice(struct buffer *buffer, struct slice bytes);
void buffer_append_text(struct buffer *buffer, const char *text);
void buffer_append_character(struct buffer *buffer, char character);
void buffer_append_integer(struct buffer *buffer, int64_t integer); /* in decimal */
void buffer_append_format(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Drops `length` bytes from the front. */
void buffer_consume(struct buffer *buffer, size_t length);

static inline struct slice buffer_slice(const struct buffer *buffer)
{
    return (struct slice){buffer->data, buffer->length};
}

static inline bool buffer_overflowed(const struct buffer *buffer)
{
    return buffer->overflowed;
}

#endif
