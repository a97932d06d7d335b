#include "daemon/db/array.h"

#include <string.h>

#include "common/check.h"

struct buffer array_begin(void)
{
    struct buffer array = buffer_make(ARRAY_TEXT_LIMIT);

    buffer_append_character(&array, '{');
    return array;
}

void array_add_text(struct buffer *array, const char *text)
{
    buffer_append_text(array, array->length > 1 ? ",\"" : "\"");
    for (const char *at = text; *at != '\0';) {
        size_t plain = strcspn(at, "\"\\");
        buffer_append(array, at, plain);
        at += plain;
        if (*at != '\0') {
            buffer_append_character(array, '\\');
            buffer_append_character(array, *at++);
        }
    }
    buffer_append_character(array, '"');
}

void array_add_optional(struct buffer *array, const char *text)
{
    if (text == NULL)
        buffer_append_text(array, array->length > 1 ? ",null" : "null");
    else
        array_add_text(array, text);
}

void array_add_number(struct buffer *array, int64_t number)
{
    if (array->length > 1)
        buffer_append_character(array, ',');
    buffer_append_integer(array, number);
}

void array_add_elements(struct buffer *array, const char *other)
{
    size_t length = strlen(other);

    check(length >= 2);
    if (length == 2)
        return;
    if (array->length > 1)
        buffer_append_character(array, ',');
    buffer_append(array, other + 1, length - 2);
}

const char *array_end(struct buffer *array, struct arena *arena)
{
    buffer_append_character(array, '}');
    check(!buffer_overflowed(array));
    const char *kept = arena_copy(arena, buffer_slice(array));
    buffer_free(array);
    return kept;
}
