#include "proto/cloudevents_internal.h"

#include "common/buffer.h"

static const char PREFIX[] = "ce-";

const char *cloudevents_field_name(struct arena *arena, struct slice field)
{
    struct buffer name = buffer_make(2 * field.length);
    const char *result = NULL;

    for (size_t i = 0; i < field.length; i++) {
        char character = field.data[i];
        bool capital = character >= 'A' && character <= 'Z';
        buffer_append_character(&name, (char)(capital ? character - 'A' + 'a' : character));
        if (character == '~')
            buffer_append_character(&name, '0');
    }
    if (slice_starts_with(buffer_slice(&name), PREFIX))
        result = arena_copy(arena, slice_of(name.data + strlen(PREFIX)));
    buffer_free(&name);
    return result;
}

/* Takes the quotes off a quoted string (RFC 9110, 5.6.4), which senders by an older binding may
 * send; what does not begin with one is itself. */
static bool unquote(struct slice value, struct buffer *plain)
{
    size_t at = 1;

    if (value.length == 0 || value.data[0] != '"') {
        buffer_append_slice(plain, value);
        return true;
    }
    for (; at < value.length && value.data[at] != '"'; at++) {
        if (value.data[at] == '\\' && ++at == value.length)
            return false;
        buffer_append_character(plain, value.data[at]);
    }
    return at + 1 == value.length;
}

bool cloudevents_field_value(struct arena *arena, struct slice value, struct slice *text)
{
    struct buffer unquoted = buffer_make(value.length);
    struct buffer plain = buffer_make(value.length);
    bool good =
        unquote(value, &unquoted) && http1_decode_percent(buffer_slice(&unquoted), false, &plain);

    if (good)
        *text = (struct slice){arena_copy(arena, buffer_slice(&plain)), plain.length};
    buffer_free(&unquoted);
    buffer_free(&plain);
    return good;
}
