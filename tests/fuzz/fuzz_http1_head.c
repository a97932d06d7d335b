/*
 * The parser of heads: stays within its bytes, and what it accepted keeps its promises; no
 * beginning of it is accepted or refused, and what follows does not count.
 */
#include <stdlib.h>

#include "common/check.h"
#include "proto/http1.h"
#include "proto/http1_answer.h"

enum { BEGINNINGS = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool inside(struct slice part, struct slice whole)
{
    return part.length == 0 ||
           (part.data >= whole.data && part.data + part.length <= whole.data + whole.length);
}

static void check_head(const struct http1_head *head, struct slice bytes, size_t used)
{
    check(used > 0 && used <= bytes.length);
    check(memcmp(bytes.data + used - 4, "\r\n\r\n", 4) == 0);
    check(!head->chunked || !head->has_length);
    check(head->field_count <= HTTP1_FIELDS_LIMIT);
    check(http1_field_count(head, "Host") == 1 || !head->minor_version);
    check(http1_field_count(head, "Content-Length") == (head->has_length ? 1 : 0));
    check(inside(head->target, bytes) && inside(head->path, bytes) && inside(head->query, bytes));
    check(inside(head->host, bytes) && inside(head->method_name, bytes));
    check(head->target.data[0] == '/' || slice_is(head->target, "*"));
    for (size_t i = 0; i < head->field_count; i++) {
        check(inside(head->fields[i].name, bytes) && inside(head->fields[i].value, bytes));
        check(memchr(head->fields[i].value.data, '\n', head->fields[i].value.length) == NULL);
    }
}

static void check_beginnings(struct slice head)
{
    struct http1_error error = {0};
    struct http1_head found;
    size_t length = head.length, used = 0;

    check(http1_parse_head(head, &found, &used, &error) == HTTP1_COMPLETE && used == length);
    for (size_t step = 1; head.length > 0; step += step / BEGINNINGS + 1) {
        head.length -= step < head.length ? step : head.length;
        check(http1_parse_head(head, &found, &used, &error) == HTTP1_INCOMPLETE);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = {(const char *)data, size};
    struct http1_error error = {0};
    struct http1_answer answer;
    struct http1_head head;
    struct buffer decoded = buffer_make(size);
    size_t used = 0;

    switch (http1_parse_head(bytes, &head, &used, &error)) {
    case HTTP1_COMPLETE:
        check_head(&head, bytes, used);
        check_beginnings((struct slice){bytes.data, used});
        http1_decode_percent(head.query, true, &decoded);
        break;
    case HTTP1_BAD:
        check(error.status >= 400 && error.status <= 505 && error.code != NULL);
        break;
    case HTTP1_INCOMPLETE:
        check(size < HTTP1_HEAD_LIMIT + 2);
    }
    if (http1_parse_answer(bytes, &answer, &used, &error) == HTTP1_COMPLETE)
        check(used <= size && answer.status >= 100 && answer.status <= 599);
    buffer_free(&decoded);
    return 0;
}
