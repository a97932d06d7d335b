#include "proto/http1_internal.h"

#include <string.h>

enum { CRLF_LENGTH = 2 };

enum http1_result http1_refuse(struct http1_error *error, int status, const char *code)
{
    *error = (struct http1_error){status, code};
    return HTTP1_BAD;
}

static bool is_token_character(char character)
{
    if ((character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
        (character >= '0' && character <= '9'))
        return true;
    return character != '\0' && strchr("!#$%&'*+-.^_`|~", character) != NULL;
}

bool http1_is_token(struct slice text)
{
    for (size_t i = 0; i < text.length; i++)
        if (!is_token_character(text.data[i]))
            return false;
    return text.length > 0;
}

bool http1_is_control(char character)
{
    unsigned char byte = (unsigned char)character;

    return (byte < 0x20 && byte != '\t') || byte == 0x7f;
}

int http1_hex_value(char character)
{
    if (character >= '0' && character <= '9')
        return character - '0';
    if (character >= 'a' && character <= 'f')
        return character - 'a' + 10;
    if (character >= 'A' && character <= 'F')
        return character - 'A' + 10;
    return -1;
}

enum http1_result http1_find_end(struct slice bytes, size_t *length, struct http1_error *error)
{
    size_t line = 0;

    for (size_t i = 0; i < bytes.length; i++) {
        if (!http1_is_control(bytes.data[i]))
            continue;
        if (bytes.data[i] == '\n')
            return http1_refuse(error, 400, "bare_line_feed");
        if (bytes.data[i] != '\r')
            return http1_refuse(error, 400, "control_character");
        if (i + 1 == bytes.length)
            return HTTP1_INCOMPLETE;
        if (bytes.data[i + 1] != '\n')
            return http1_refuse(error, 400, "bare_carriage_return");
        *length = i + CRLF_LENGTH;
        if (i == line)
            return HTTP1_COMPLETE;
        line = *length;
        i++;
    }
    return HTTP1_INCOMPLETE;
}

struct slice http1_take_line(struct slice *block)
{
    struct slice line = {0};

    if (slice_split(block, '\r', &line)) { /* the LF is left */
        block->data++;
        block->length--;
    }
    return line;
}

/* No blank may stand before the colon: some take "Content-Length : 5" for a length and some do not
 * (RFC 9112, 5.1). */
static enum http1_result parse_field(struct slice line, struct http1_field *field,
                                     struct http1_error *error)
{
    if (line.data[0] == ' ' || line.data[0] == '\t')
        return http1_refuse(error, 400, "folded_line");
    if (!slice_split(&line, ':', &field->name))
        return http1_refuse(error, 400, "field_without_colon");
    if (!http1_is_token(field->name))
        return http1_refuse(error, 400, "field_name");
    field->value = slice_trim(line);
    return HTTP1_COMPLETE;
}

enum http1_result http1_take_fields(struct slice *block, struct http1_field *fields, size_t *count,
                                    struct http1_error *error)
{
    *count = 0;
    for (;;) {
        struct slice line = http1_take_line(block);

        if (line.length == 0)
            return HTTP1_COMPLETE;
        if (*count == HTTP1_FIELDS_LIMIT)
            return http1_refuse(error, 431, "too_many_fields");
        if (parse_field(line, &fields[*count], error) == HTTP1_BAD)
            return HTTP1_BAD;
        (*count)++;
    }
}

const struct http1_field *http1_find_field(const struct http1_field *fields, size_t count,
                                           const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (slice_is_caseless(fields[i].name, name))
            return &fields[i];
    return NULL;
}
