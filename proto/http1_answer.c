#include "proto/http1_answer.h"

#include "proto/http1_internal.h"

enum { STATUS_MINIMUM = 100, STATUS_MAXIMUM = 599 };

static enum http1_result parse_status_line(struct slice line, struct http1_answer *answer,
                                           struct http1_error *error)
{
    struct slice version;
    struct slice code;
    uint64_t status;

    if (!slice_split(&line, ' ', &version) ||
        !(slice_is(version, "HTTP/1.1") || slice_is(version, "HTTP/1.0")))
        return http1_refuse(error, 400, "status_line");
    if (!slice_split(&line, ' ', &code))
        code = line; /* some leave out the blank before an empty reason */
    if (!slice_to_number(code, STATUS_MAXIMUM, &status) || status < STATUS_MINIMUM)
        return http1_refuse(error, 400, "status_line");
    answer->status = (int)status;
    answer->keep_alive = slice_is(version, "HTTP/1.1");
    return HTTP1_COMPLETE;
}

static enum http1_result check_field(const struct http1_field *field, struct http1_answer *answer,
                                     struct http1_error *error)
{
    if (slice_is_caseless(field->name, "Content-Length")) {
        if (answer->has_length ||
            !slice_to_number(field->value, INT64_MAX, &answer->content_length))
            return http1_refuse(error, 400, "content_length");
        answer->has_length = true;
    } else if (slice_is_caseless(field->name, "Transfer-Encoding")) {
        if (answer->chunked || !slice_is_caseless(field->value, "chunked"))
            return http1_refuse(error, 400, "transfer_encoding");
        answer->chunked = true;
    } else if (slice_is_caseless(field->name, "Connection")) {
        answer->keep_alive = answer->keep_alive && !slice_is_caseless(field->value, "close");
    }
    return HTTP1_COMPLETE;
}

static enum http1_result parse_block(struct slice block, struct http1_answer *answer,
                                     struct http1_error *error)
{
    if (parse_status_line(http1_take_line(&block), answer, error) == HTTP1_BAD ||
        http1_take_fields(&block, answer->fields, &answer->field_count, error) == HTTP1_BAD)
        return HTTP1_BAD;
    for (size_t i = 0; i < answer->field_count; i++)
        if (check_field(&answer->fields[i], answer, error) == HTTP1_BAD)
            return HTTP1_BAD;
    if (answer->chunked && answer->has_length)
        return http1_refuse(error, 400, "length_and_transfer_encoding");
    return HTTP1_COMPLETE;
}

enum http1_result http1_parse_answer(struct slice bytes, struct http1_answer *answer, size_t *used,
                                     struct http1_error *error)
{
    size_t length;
    enum http1_result result = http1_find_end(bytes, &length, error);

    if (result == HTTP1_INCOMPLETE && bytes.length >= HTTP1_HEAD_LIMIT)
        return http1_refuse(error, 431, "head_too_long");
    if (result != HTTP1_COMPLETE)
        return result;
    answer->chunked = answer->has_length = false;
    answer->content_length = 0;
    *used = length;
    bytes.length = length;
    return parse_block(bytes, answer, error);
}
