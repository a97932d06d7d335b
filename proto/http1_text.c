#include "proto/http1_internal.h"

#include "proto/json.h"

static const struct {
    int status;
    const char *reason;
} REASONS[] = {
    {100, "Continue"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

static const char *reason_of(int status)
{
    for (size_t i = 0; i < sizeof REASONS / sizeof *REASONS; i++)
        if (REASONS[i].status == status)
            return REASONS[i].reason;
    return ""; /* a reason may be empty, the blank before it may not */
}

void http1_write_status(struct buffer *output, int status)
{
    buffer_append_format(output, "HTTP/1.1 %d %s\r\n", status, reason_of(status));
}

/* Takes one byte, spelled as itself or escaped. */
static bool take_decoded(struct slice *text, bool query, char *byte)
{
    size_t length = 1;

    *byte = *text->data;
    if (*byte == '+' && query) {
        *byte = ' ';
    } else if (*byte == '%') {
        int high = text->length > 2 ? http1_hex_value(text->data[1]) : -1;
        int low = text->length > 2 ? http1_hex_value(text->data[2]) : -1;

        if (high < 0 || low < 0)
            return false;
        *byte = (char)(high * 16 + low);
        length = 3;
    }
    text->data += length;
    text->length -= length;
    return true;
}

bool http1_decode_percent(struct slice text, bool query, struct buffer *result)
{
    size_t start = result->length;
    char byte;

    while (text.length > 0) {
        if (!take_decoded(&text, query, &byte))
            return false;
        buffer_append_character(result, byte);
    }
    if (buffer_overflowed(result))
        return false;
    return result->length == start ||
           json_is_text((struct slice){result->data + start, result->length - start});
}
