/* Any bytes as a RADIUS body: refused, or read into printable, bounded texts. Any bytes as a name
 * in one, spelled as FreeRADIUS does: they can be told from the text. */
#include <stdint.h>

#include "common/buffer.h"
#include "common/check.h"
#include "proto/radius.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect_printable(const char *text, size_t limit)
{
    size_t length = strnlen(text, limit);

    check(length < limit);
    for (size_t i = 0; i < length; i++)
        check((unsigned char)text[i] >= 0x20 && text[i] != 0x7f);
}

static void try_body(struct slice body)
{
    static struct radius_request request;

    if (radius_read(body, &request) != NULL)
        return;
    expect_printable(request.user_name, sizeof request.user_name);
    expect_printable(request.session_id, sizeof request.session_id);
    expect_printable(request.server_identifier, sizeof request.server_identifier);
    expect_printable(request.server_address, sizeof request.server_address);
    expect_printable(request.framed_address, sizeof request.framed_address);
    expect_printable(request.calling_station, sizeof request.calling_station);
    expect_printable(request.terminate_cause, sizeof request.terminate_cause);
    check(request.has_session_time || request.session_time == 0);
}

static unsigned hex_value(char digit)
{
    return digit <= '9' ? (unsigned)(digit - '0') : (unsigned)(digit - 'a') + 10;
}

/* The byte that `text` begins with; *text moves behind it. */
static uint8_t next_byte(const char **text)
{
    const char *at = *text;

    if (at[0] != '\\') {
        *text = at + 1;
        return (uint8_t)at[0];
    }
    check(at[1] == 'x');
    *text = at + strlen("\\xHH");
    return (uint8_t)(hex_value(at[2]) << 4 | hex_value(at[3]));
}

static void try_name(const uint8_t *name, size_t length)
{
    static struct radius_request request;
    struct buffer body = buffer_make(RADIUS_BODY_LIMIT);
    const char *text = request.user_name;

    buffer_append_text(&body, "{\"User-Name\":{\"type\":\"string\",\"value\":[\"");
    for (size_t i = 0; i < length; i++)
        buffer_append_format(&body, "\\u%04x", name[i]);
    buffer_append_text(&body, "\"]}}");
    check(radius_read(buffer_slice(&body), &request) == NULL);
    for (size_t i = 0; i < length; i++)
        check(next_byte(&text) == name[i]);
    check(*text == '\0');
    buffer_free(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_body((struct slice){(const char *)data, size});
    try_name(data, size < RADIUS_ATTRIBUTE_LIMIT ? size : RADIUS_ATTRIBUTE_LIMIT);
    return 0;
}
