#include "proto/http1.h"

#include "proto/http1_internal.h"

enum {
    METHOD_LIMIT = 32,
    LENGTH_DIGITS_LIMIT = 19,
    PORT_DIGITS_LIMIT = 5,
    REQUEST_LINE_LIMIT = METHOD_LIMIT + 1 + HTTP1_TARGET_LIMIT + sizeof " HTTP/1.1",
};

static const char *const METHODS[] = {
    [HTTP1_GET] = "GET",         [HTTP1_HEAD] = "HEAD",   [HTTP1_POST] = "POST",
    [HTTP1_PUT] = "PUT",         [HTTP1_PATCH] = "PATCH", [HTTP1_DELETE] = "DELETE",
    [HTTP1_OPTIONS] = "OPTIONS",
};

static enum http1_method method_of(struct slice name)
{
    enum http1_method method = HTTP1_GET;

    while (method < HTTP1_OTHER && !slice_is(name, METHODS[method]))
        method++;
    return method;
}

static bool is_digit(char character)
{
    return character >= '0' && character <= '9';
}

static bool is_letter(char character)
{
    return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z');
}

/* Of RFC 3986, and brackets, which clients leave in queries. '#' never belongs on the wire. */
static bool is_target(struct slice text)
{
    for (size_t i = 0; i < text.length; i++) {
        char character = text.data[i];

        if (character <= ' ' || character > '~' || strchr("\"#<>\\^`{|}", character) != NULL)
            return false;
    }
    return true;
}

static bool is_port(struct slice text)
{
    for (size_t i = 0; i < text.length; i++)
        if (!is_digit(text.data[i]))
            return false;
    return text.length > 0 && text.length <= PORT_DIGITS_LIMIT;
}

/* A name or an IPv4 address, or an IPv6 address in brackets; then perhaps ":port". */
static bool is_host(struct slice text)
{
    bool bracketed = text.length > 0 && text.data[0] == '[';
    size_t end = bracketed ? 1 : 0;

    while (end < text.length && (is_letter(text.data[end]) || is_digit(text.data[end]) ||
                                 strchr(bracketed ? ":." : ".-_", text.data[end]) != NULL))
        end++;
    if (end == (bracketed ? 1U : 0U))
        return false;
    if (bracketed && (end == text.length || text.data[end++] != ']'))
        return false;
    if (end == text.length)
        return true;
    return text.data[end] == ':' &&
           is_port((struct slice){text.data + end + 1, text.length - end - 1});
}

/* "https://host/path": what proxies are sent. The authority is left in head->host, to be compared
 * with the Host field; the target becomes the origin form. */
static enum http1_result parse_absolute_target(struct http1_head *head, struct http1_error *error)
{
    struct slice rest = head->target;
    struct slice scheme;

    if (!slice_split(&rest, ':', &scheme) || !slice_starts_with(rest, "//") ||
        !(slice_is_caseless(scheme, "https") || slice_is_caseless(scheme, "http")))
        return http1_refuse(error, 400, "target_form");
    rest.data += 2;
    rest.length -= 2;
    head->target = rest;
    if (!slice_split(&rest, '/', &head->host) || !is_host(head->host))
        return http1_refuse(error, 400, "target_form");
    head->target.data += head->host.length;
    head->target.length -= head->host.length;
    return HTTP1_COMPLETE;
}

static enum http1_result parse_target(struct http1_head *head, struct http1_error *error)
{
    if (head->target.length > HTTP1_TARGET_LIMIT)
        return http1_refuse(error, 414, "target_too_long");
    if (head->target.length == 0 || !is_target(head->target))
        return http1_refuse(error, 400, "target_character");
    if (head->target.data[0] != '/' &&
        !(head->method == HTTP1_OPTIONS && slice_is(head->target, "*")) &&
        parse_absolute_target(head, error) == HTTP1_BAD)
        return HTTP1_BAD;
    head->query = head->target;
    if (!slice_split(&head->query, '?', &head->path)) {
        head->path = head->target;
        head->query = (struct slice){head->target.data + head->target.length, 0};
    }
    return HTTP1_COMPLETE;
}

/* "HTTP/", digits and points. */
static bool is_version(struct slice text)
{
    size_t start = sizeof "HTTP/" - 1;

    if (!slice_starts_with(text, "HTTP/") || text.length == start)
        return false;
    for (size_t i = start; i < text.length; i++)
        if (!is_digit(text.data[i]) && text.data[i] != '.')
            return false;
    return true;
}

static enum http1_result parse_version(struct slice version, struct http1_head *head,
                                       struct http1_error *error)
{
    head->minor_version = slice_is(version, "HTTP/1.1");
    if (head->minor_version || slice_is(version, "HTTP/1.0"))
        return HTTP1_COMPLETE;
    if (is_version(version))
        return http1_refuse(error, 505, "version");
    return http1_refuse(error, 400, "request_line");
}

static enum http1_result parse_request_line(struct slice line, struct http1_head *head,
                                            struct http1_error *error)
{
    if (!slice_split(&line, ' ', &head->method_name) || !slice_split(&line, ' ', &head->target))
        return http1_refuse(error, 400, "request_line");
    if (!http1_is_token(head->method_name) || head->method_name.length > METHOD_LIMIT)
        return http1_refuse(error, 400, "method");
    head->method = method_of(head->method_name);
    if (parse_version(line, head, error) == HTTP1_BAD)
        return HTTP1_BAD;
    return parse_target(head, error);
}

static enum http1_result check_host(struct http1_head *head, struct http1_error *error)
{
    size_t count = http1_field_count(head, "Host");
    struct slice authority = head->host; /* of an absolute target */
    bool absolute = authority.length > 0;

    if (count == 0 && !head->minor_version && !absolute)
        return HTTP1_COMPLETE;
    if (count == 0)
        return http1_refuse(error, 400, "host_missing");
    if (count > 1)
        return http1_refuse(error, 400, "host_twice");
    http1_field(head, "Host", &head->host);
    if (!is_host(head->host))
        return http1_refuse(error, 400, "host");
    if (absolute && !slice_equal(authority, head->host))
        return http1_refuse(error, 400, "host_differs");
    return HTTP1_COMPLETE;
}

static enum http1_result check_length(struct http1_head *head, struct http1_error *error)
{
    size_t count = http1_field_count(head, "Content-Length");
    struct slice value;

    if (count > 1)
        return http1_refuse(error, 400, "content_length_twice");
    head->has_length = http1_field(head, "Content-Length", &value);
    if (head->has_length && (value.length > LENGTH_DIGITS_LIMIT ||
                             !slice_to_number(value, INT64_MAX, &head->content_length)))
        return http1_refuse(error, 400, "content_length");
    return HTTP1_COMPLETE;
}

static enum http1_result check_coding(struct http1_head *head, struct http1_error *error)
{
    size_t count = http1_field_count(head, "Transfer-Encoding");
    struct slice value = {0};

    if (count == 0)
        return HTTP1_COMPLETE;
    if (count > 1)
        return http1_refuse(error, 400, "transfer_encoding_twice");
    if (!head->minor_version)
        return http1_refuse(error, 400, "transfer_encoding_in_1_0");
    if (head->has_length)
        return http1_refuse(error, 400, "length_and_transfer_encoding");
    http1_field(head, "Transfer-Encoding", &value);
    if (!slice_is_caseless(value, "chunked"))
        return http1_refuse(error, 501, "transfer_encoding");
    head->chunked = true;
    return HTTP1_COMPLETE;
}

/* An expectation of an HTTP/1.0 client is ignored (RFC 9110, 10.1.1). */
static enum http1_result check_expectation(struct http1_head *head, struct http1_error *error)
{
    struct slice value;

    if (!head->minor_version || !http1_field(head, "Expect", &value))
        return HTTP1_COMPLETE;
    if (http1_field_count(head, "Expect") > 1 || !slice_is_caseless(value, "100-continue"))
        return http1_refuse(error, 417, "expectation");
    head->expects_continue = true;
    return HTTP1_COMPLETE;
}

static bool asks_to_close(const struct http1_head *head)
{
    for (size_t i = 0; i < head->field_count; i++) {
        struct slice rest = head->fields[i].value;
        struct slice option;

        if (!slice_is_caseless(head->fields[i].name, "Connection"))
            continue;
        while (slice_split(&rest, ',', &option))
            if (slice_is_caseless(slice_trim(option), "close"))
                return true;
        if (slice_is_caseless(slice_trim(rest), "close"))
            return true;
    }
    return false;
}

static enum http1_result parse_block(struct slice block, struct http1_head *head,
                                     struct http1_error *error)
{
    if (parse_request_line(http1_take_line(&block), head, error) == HTTP1_BAD ||
        http1_take_fields(&block, head->fields, &head->field_count, error) == HTTP1_BAD ||
        check_host(head, error) == HTTP1_BAD || check_length(head, error) == HTTP1_BAD ||
        check_coding(head, error) == HTTP1_BAD || check_expectation(head, error) == HTTP1_BAD)
        return HTTP1_BAD;
    head->keep_alive = head->minor_version && !asks_to_close(head);
    return HTTP1_COMPLETE;
}

/* What is wrong already need not wait for the rest of the head. */
static enum http1_result judge_incomplete(struct slice bytes, struct http1_head *head,
                                          struct http1_error *error)
{
    bool long_head = bytes.length >= HTTP1_HEAD_LIMIT;

    if (bytes.length > REQUEST_LINE_LIMIT && memchr(bytes.data, '\n', bytes.length) == NULL)
        return http1_refuse(error, 414, "target_too_long");
    if (memchr(bytes.data, '\n', bytes.length) != NULL &&
        parse_request_line(http1_take_line(&bytes), head, error) == HTTP1_BAD)
        return HTTP1_BAD;
    return long_head ? http1_refuse(error, 431, "head_too_long") : HTTP1_INCOMPLETE;
}

static void head_clear(struct http1_head *head)
{
    head->host = (struct slice){0};
    head->field_count = 0;
    head->keep_alive = head->expects_continue = head->chunked = head->has_length = false;
    head->content_length = 0;
}

enum http1_result http1_parse_head(struct slice bytes, struct http1_head *head, size_t *used,
                                   struct http1_error *error)
{
    size_t skipped = slice_starts_with(bytes, "\r\n") ? 2 : 0;
    struct slice block;
    size_t length;
    enum http1_result result;

    if (bytes.length == skipped)
        return HTTP1_INCOMPLETE;
    block = (struct slice){bytes.data + skipped, bytes.length - skipped};
    head_clear(head);
    result = http1_find_end(block, &length, error);
    if (result == HTTP1_INCOMPLETE)
        return judge_incomplete(block, head, error);
    if (result == HTTP1_BAD)
        return HTTP1_BAD;
    block.length = length;
    result = parse_block(block, head, error);
    if (result == HTTP1_COMPLETE && length > HTTP1_HEAD_LIMIT)
        return http1_refuse(error, 431, "head_too_long");
    *used = skipped + length;
    return result;
}

bool http1_field(const struct http1_head *head, const char *name, struct slice *value)
{
    const struct http1_field *field = http1_find_field(head->fields, head->field_count, name);

    if (field != NULL)
        *value = field->value;
    return field != NULL;
}

size_t http1_field_count(const struct http1_head *head, const char *name)
{
    size_t count = 0;

    for (size_t i = 0; i < head->field_count; i++)
        count += slice_is_caseless(head->fields[i].name, name) ? 1 : 0;
    return count;
}
