#include "common/buffer.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include "common/check.h"
#include "common/memory.h"

enum { FIRST_CAPACITY = 512 };

struct buffer buffer_make(size_t limit)
{
    check(limit < PTRDIFF_MAX);
    return (struct buffer){.limit = limit};
}

void buffer_free(struct buffer *buffer)
{
    memory_free(buffer->data);
    *buffer = buffer_make(buffer->limit);
}

/* Makes room for `length` bytes and the terminator; false when the limit forbids it. */
static bool reserve(struct buffer *buffer, size_t length)
{
    if (buffer->overflowed || length > buffer->limit - buffer->length) {
        buffer->overflowed = true;
        return false;
    }
    size_t needed = buffer->length + length + 1;
    if (needed <= buffer->capacity)
        return true;
    size_t capacity = buffer->capacity == 0 ? FIRST_CAPACITY : buffer->capacity * 2;
    if (capacity > buffer->limit + 1)
        capacity = buffer->limit + 1;
    buffer->capacity = capacity > needed ? capacity : needed;
    buffer->data = memory_resize(buffer->data, buffer->capacity, 1);
    return true;
}

void buffer_append(struct buffer *buffer, const void *data, size_t length)
{
    if (!reserve(buffer, length))
        return;
    if (length > 0)
        memcpy(buffer->data + buffer->length, data, length);
    buffer->length += length;
    buffer->data[buffer->length] = '\0';
}

void buffer_append_slice(struct buffer *buffer, struct slice bytes)
{
    buffer_append(buffer, bytes.data, bytes.length);
}

void buffer_append_text(struct buffer *buffer, const char *text)
{
    buffer_append_slice(buffer, slice_of(text));
}

void buffer_append_character(struct buffer *buffer, char character)
{
    buffer_append(buffer, &character, 1);
}

void buffer_append_integer(struct buffer *buffer, int64_t integer)
{
    char text[sizeof "-9223372036854775808"];
    char *end = text + sizeof text, *at = end;
    uint64_t rest = integer < 0 ? -(uint64_t)integer : (uint64_t)integer;

    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (integer < 0)
        *--at = '-';
    buffer_append(buffer, at, (size_t)(end - at));
}

void buffer_append_format(struct buffer *buffer, const char *format, ...)
{
    size_t room = buffer->capacity - buffer->length; /* with that of the terminator */
    va_list arguments;
    va_list again;

    check(format != NULL);
    va_start(arguments, format);
    va_copy(again, arguments);
    int length =
        vsnprintf(room == 0 ? NULL : buffer->data + buffer->length, room, format, arguments);
    va_end(arguments);
    check(length >= 0);
    bool fits = reserve(buffer, (size_t)length);
    if (fits && (size_t)length >= room)
        vsnprintf(buffer->data + buffer->length, (size_t)length + 1, format, again);
    if (fits)
        buffer->length += (size_t)length;
    else if (room > 0)
        buffer->data[buffer->length] = '\0';
    va_end(again);
}

void buffer_consume(struct buffer *buffer, size_t length)
{
    check(length <= buffer->length);
    if (length == 0)
        return;
    buffer->length -= length;
    memmove(buffer->data, buffer->data + length, buffer->length + 1);
}
