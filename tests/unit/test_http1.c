/*
 * Each rule of the HTTP/1.1 codec. The vectors of smuggling.json have one byte for each code point
 * below U+0100; their status is what the head is refused with, 200 where it is well framed, and
 * "close" where only the chunks behind it are bad.
 */
#include "proto/http1.h"

#include <jansson.h>

#include "common/memory.h"
#include "proto/http1_answer.h"
#include "tests/unit/unit.h"

enum { BODY_LIMIT = 65536, SPLITS = 20, STATUS_OF_INCOMPLETE = 0 };

static struct http1_head head;
static struct http1_error error;
static size_t used;

static enum http1_result parse(const char *text)
{
    error = (struct http1_error){0};
    used = 0;
    return http1_parse_head(slice_of(text), &head, &used, &error);
}

static void expect_refused(const char *text, int status, const char *code)
{
    EXPECT_NUMBER(parse(text), HTTP1_BAD);
    EXPECT_NUMBER(error.status, status);
    EXPECT_TEXT(error.code == NULL ? "(none)" : error.code, code);
}

TEST(http1_head_of_all_parts)
{
    static const char TEXT[] =
        "POST /a/b?c=d HTTP/1.1\r\nHost: example.org:8443\r\n"
        "content-length: 12\r\nX-One:  two \t\r\nExpect: 100-continue\r\n\r\n";
    struct slice value = {0};

    EXPECT_NUMBER(parse(TEXT), HTTP1_COMPLETE);
    EXPECT_NUMBER(used, sizeof TEXT - 1);
    EXPECT_NUMBER(head.method, HTTP1_POST);
    EXPECT(slice_is(head.method_name, "POST"));
    EXPECT(slice_is(head.target, "/a/b?c=d"));
    EXPECT(slice_is(head.path, "/a/b"));
    EXPECT(slice_is(head.query, "c=d"));
    EXPECT(slice_is(head.host, "example.org:8443"));
    EXPECT(head.minor_version && head.keep_alive && head.expects_continue && head.has_length);
    EXPECT(!head.chunked);
    EXPECT_NUMBER(head.content_length, 12);
    EXPECT_NUMBER(head.field_count, 4);
    EXPECT(http1_field(&head, "x-one", &value) && slice_is(value, "two"));
    EXPECT(!http1_field(&head, "x-two", &value));
    EXPECT_NUMBER(http1_field_count(&head, "HOST"), 1);
}

TEST(http1_methods)
{
    EXPECT_NUMBER(parse("DELETE / HTTP/1.1\r\nHost: a\r\n\r\n"), HTTP1_COMPLETE);
    EXPECT_NUMBER(head.method, HTTP1_DELETE);
    EXPECT_NUMBER(parse("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), HTTP1_COMPLETE);
    EXPECT_NUMBER(head.method, HTTP1_OPTIONS);
    EXPECT(slice_is(head.target, "*"));
    EXPECT_NUMBER(parse("get / HTTP/1.1\r\nHost: a\r\n\r\n"), HTTP1_COMPLETE);
    EXPECT_NUMBER(head.method, HTTP1_OTHER);
    expect_refused("GE/T / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "method");
}

TEST(http1_targets)
{
    EXPECT_NUMBER(parse("GET /? HTTP/1.1\r\nHost: a\r\n\r\n"), HTTP1_COMPLETE);
    EXPECT(slice_is(head.path, "/") && head.query.length == 0);
    EXPECT_NUMBER(parse("GET http://a:1/b?c HTTP/1.1\r\nHost: a:1\r\n\r\n"), HTTP1_COMPLETE);
    EXPECT(slice_is(head.target, "/b?c") && slice_is(head.path, "/b") &&
           slice_is(head.host, "a:1"));
    expect_refused("GET http://a/b HTTP/1.1\r\nHost: b\r\n\r\n", 400, "host_differs");
    expect_refused("GET http:///b HTTP/1.1\r\nHost: b\r\n\r\n", 400, "target_form");
    expect_refused("GET http://a HTTP/1.1\r\nHost: a\r\n\r\n", 400, "target_form");
    expect_refused("GET a:b HTTP/1.1\r\nHost: a\r\n\r\n", 400, "target_form");
    expect_refused("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400, "target_character");
}

TEST(http1_hosts)
{
    static const char *const GOOD[] = {"a", "a.b-c_d", "127.0.0.1", "a:65535", "[::1]", "[::1]:8"};
    static const char *const BAD[] = {"", ":1", "a:", "a:123456", "[]", "[::1", "[::1]x", "a b"};
    char text[128];

    for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++) {
        snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", GOOD[i]);
        EXPECT_NUMBER(parse(text), HTTP1_COMPLETE);
    }
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", BAD[i]);
        expect_refused(text, 400, "host");
    }
}

TEST(http1_keep_alive)
{
    EXPECT_NUMBER(parse("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), HTTP1_COMPLETE);
    EXPECT(head.keep_alive);
    EXPECT_NUMBER(
        parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: x\r\nConnection: y, Close\r\n\r\n"),
        HTTP1_COMPLETE);
    EXPECT(!head.keep_alive);
    EXPECT_NUMBER(parse("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), HTTP1_COMPLETE);
    EXPECT(!head.keep_alive && !head.minor_version && head.host.length == 0);
}

TEST(http1_expectation_of_1_0_is_ignored)
{
    EXPECT_NUMBER(parse("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n"), HTTP1_COMPLETE);
    EXPECT(!head.expects_continue);
}

/* What one head leaves behind does not colour the next. */
TEST(http1_heads_are_independent)
{
    EXPECT_NUMBER(parse("PUT http://b/ HTTP/1.1\r\nHost: b\r\nContent-Length: 5\r\n"
                        "Expect: 100-continue\r\n\r\n"),
                  HTTP1_COMPLETE);
    EXPECT_NUMBER(parse("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
                  HTTP1_COMPLETE);
    EXPECT(!head.has_length && head.content_length == 0 && !head.expects_continue && head.chunked);
}

TEST(http1_what_follows_is_left)
{
    EXPECT_NUMBER(parse("\r\nGET / HTTP/1.0\r\n\r\nmore\n"), HTTP1_COMPLETE);
    EXPECT_NUMBER(used, sizeof "\r\nGET / HTTP/1.0\r\n\r\n" - 1);
}

TEST(http1_incomplete_until_the_last_byte)
{
    static const char TEXT[] = "\r\nGET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n";

    for (size_t length = 0; length < sizeof TEXT - 1; length++) {
        char *part = memory_copy(TEXT, length);
        EXPECT_NUMBER(http1_parse_head((struct slice){part, length}, &head, &used, &error),
                      HTTP1_INCOMPLETE);
        memory_free(part);
    }
    EXPECT_NUMBER(parse(TEXT), HTTP1_COMPLETE);
}

TEST(http1_refuses_before_the_head_is_whole)
{
    char text[HTTP1_HEAD_LIMIT + 1];

    expect_refused("GET / HTTP/3.0\r\n", 505, "version");
    expect_refused("HELP\r\n", 400, "request_line");
    expect_refused("GET / HTTP/1.1\r\nA: \x01", 400, "control_character");
    expect_refused("\x16\x03\x01", 400, "control_character");
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    expect_refused(text, 414, "target_too_long");
    memcpy(text, "GET / HTTP/1.1\r\nA: ", 19);
    expect_refused(text, 431, "head_too_long");
}

TEST(http1_limits_are_exact)
{
    struct buffer text = buffer_make(2 * HTTP1_HEAD_LIMIT);

    for (size_t extra = 0; extra < 2; extra++) { /* the limit, and one more */
        buffer_free(&text);
        buffer_append_text(&text, "GET /");
        while (text.length < 4 + HTTP1_TARGET_LIMIT + extra)
            buffer_append_character(&text, 'a');
        buffer_append_text(&text, " HTTP/1.1\r\nHost: a\r\n\r\n");
        EXPECT_NUMBER(parse(text.data), extra == 0 ? HTTP1_COMPLETE : HTTP1_BAD);
        buffer_free(&text);
        buffer_append_text(&text, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
        while (text.length < HTTP1_HEAD_LIMIT + extra - 4)
            buffer_append_character(&text, 'a');
        buffer_append_text(&text, "\r\n\r\n");
        EXPECT_NUMBER(parse(text.data), extra == 0 ? HTTP1_COMPLETE : HTTP1_BAD);
        buffer_free(&text);
        buffer_append_text(&text, "GET / HTTP/1.1\r\nHost: a\r\n");
        for (size_t i = 1; i < HTTP1_FIELDS_LIMIT + extra; i++)
            buffer_append_text(&text, "X: y\r\n");
        buffer_append_text(&text, "\r\n");
        EXPECT_NUMBER(parse(text.data), extra == 0 ? HTTP1_COMPLETE : HTTP1_BAD);
    }
    EXPECT_TEXT(error.code, "too_many_fields");
    buffer_free(&text);
}

/* Chunks */

static enum http1_result decode(struct slice text, size_t piece, struct buffer *body,
                                struct slice *rest)
{
    struct http1_chunks chunks = {0};
    enum http1_result result = HTTP1_INCOMPLETE;

    while (result == HTTP1_INCOMPLETE && text.length > 0) {
        size_t length = piece < text.length ? piece : text.length;
        struct slice part = {text.data, length};
        result = http1_decode_chunks(&chunks, &part, body, &error);
        text.data += length - part.length;
        text.length -= length - part.length;
    }
    *rest = text;
    return result;
}

TEST(http1_chunks_in_pieces_of_any_length)
{
    static const char TEXT[] = "5;a=b\r\nhello\r\n00C\r\n, wide world\r\n0\r\nA: b\r\n\r\nnext";
    struct slice rest;

    for (size_t piece = 1; piece < sizeof TEXT; piece++) {
        struct buffer body = buffer_make(BODY_LIMIT);
        EXPECT_NUMBER(decode(slice_of(TEXT), piece, &body, &rest), HTTP1_COMPLETE);
        EXPECT_TEXT(body.data, "hello, wide world");
        EXPECT(slice_is(rest, "next"));
        buffer_free(&body);
    }
}

TEST(http1_chunks_stop_at_the_limit)
{
    struct buffer body = buffer_make(4);
    struct slice rest;

    EXPECT_NUMBER(decode(slice_of("5\r\nhello\r\n0\r\n\r\n"), BODY_LIMIT, &body, &rest),
                  HTTP1_COMPLETE);
    EXPECT(buffer_overflowed(&body));
    buffer_free(&body);
}

static void expect_chunks_refused(const char *text, int status, const char *code)
{
    struct buffer body = buffer_make(BODY_LIMIT);
    struct slice rest;

    error = (struct http1_error){0};
    EXPECT_NUMBER(decode(slice_of(text), BODY_LIMIT, &body, &rest), HTTP1_BAD);
    EXPECT_NUMBER(error.status, status);
    EXPECT_TEXT(error.code == NULL ? "(none)" : error.code, code);
    buffer_free(&body);
}

TEST(http1_chunks_refused)
{
    char text[HTTP1_TRAILER_LIMIT + 16] = "0\r\nA:";

    expect_chunks_refused("g\r\n", 400, "chunk_framing");
    expect_chunks_refused("\r\n", 400, "chunk_framing");
    expect_chunks_refused(";a\r\n", 400, "chunk_framing");
    expect_chunks_refused("1 \r\n", 400, "chunk_framing");
    expect_chunks_refused("1\n", 400, "chunk_framing");
    expect_chunks_refused("1\r\naX\n", 400, "chunk_framing");
    expect_chunks_refused("1\r\na\r\n\r\n", 400, "chunk_framing");
    expect_chunks_refused("1111111111111111\r\n", 400, "chunk_framing");
    expect_chunks_refused("0\r\n:\r\n\r\n", 400, "chunk_framing");
    expect_chunks_refused("0\r\n\r\r", 400, "chunk_framing");
    memset(text + 5, 'a', sizeof text - 6);
    expect_chunks_refused(text, 431, "trailer_too_long");
    text[0] = '1';
    text[1] = ';';
    memset(text + 2, 'a', HTTP1_CHUNK_LINE_LIMIT);
    expect_chunks_refused(text, 400, "chunk_line_too_long");
}

TEST(http1_largest_chunk_size)
{
    struct http1_chunks chunks = {0};
    struct slice text = slice_of("fffffffffffffff\r\n");
    struct buffer body = buffer_make(BODY_LIMIT);

    EXPECT_NUMBER(http1_decode_chunks(&chunks, &text, &body, &error), HTTP1_INCOMPLETE);
    EXPECT(chunks.remaining == UINT64_C(0xfffffffffffffff));
}

/* Text */

TEST(http1_status_lines)
{
    struct buffer text = buffer_make(BODY_LIMIT);

    http1_write_status(&text, 204);
    http1_write_status(&text, 599);
    EXPECT_TEXT(text.data, "HTTP/1.1 204 No Content\r\nHTTP/1.1 599 \r\n");
    buffer_free(&text);
}

static bool decodes(const char *text, bool query, const char *expected)
{
    struct buffer result = buffer_make(BODY_LIMIT);
    bool decoded;

    buffer_append_text(&result, "\xff"); /* what was there before is not judged */
    decoded = http1_decode_percent(slice_of(text), query, &result) &&
              slice_is((struct slice){result.data + 1, result.length - 1}, expected);
    buffer_free(&result);
    return decoded;
}

TEST(http1_percent_decoding)
{
    static const char *const BAD[] = {
        "%",         "%4",  "%4g",    "%00",       "%80",          "%c0%af",       "%c3",
        "%e0%80%80", "%ff", "%c3%41", "%ed%a0%80", "%f5%80%80%80", "%f0%8f%bf%bf", "%f4%90%80%80"};

    EXPECT(decodes("", false, ""));
    EXPECT(decodes("a%20b%2Fc", false, "a b/c"));
    EXPECT(decodes("a+b", false, "a+b"));
    EXPECT(decodes("a+b", true, "a b"));
    EXPECT(decodes("%e4%b8%ad%F0%9F%98%80", false, "\xe4\xb8\xad\xf0\x9f\x98\x80"));
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        struct buffer result = buffer_make(BODY_LIMIT);
        EXPECT(!http1_decode_percent(slice_of(BAD[i]), false, &result));
        buffer_free(&result);
    }
}

TEST(http1_percent_decoding_stops_at_the_limit)
{
    struct buffer result = buffer_make(2);

    EXPECT(!http1_decode_percent(slice_of("abc"), false, &result));
    buffer_free(&result);
}

/* Answers */

TEST(http1_answers)
{
    struct http1_answer answer;
    static const char GOOD[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nabc";
    static const char *const BAD[] = {
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 99 x\r\n\r\n",
        "HTTP/1.1 600 x\r\n\r\n",
        "HTTP/1.1 200 OK\nX: y\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    };

    EXPECT_NUMBER(http1_parse_answer(slice_of(GOOD), &answer, &used, &error), HTTP1_COMPLETE);
    EXPECT(answer.status == 404 && answer.keep_alive && answer.content_length == 3);
    EXPECT_NUMBER(used, sizeof GOOD - 4);
    EXPECT_NUMBER(http1_parse_answer(slice_of("HTTP/1.1 200\r\nConnection: close\r\n\r\n"), &answer,
                                     &used, &error),
                  HTTP1_COMPLETE);
    EXPECT(!answer.keep_alive && !answer.has_length && !answer.chunked);
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        EXPECT_NUMBER(http1_parse_answer(slice_of(BAD[i]), &answer, &used, &error), HTTP1_BAD);
}

/* Vectors */

/* The bytes that a JSON text of code points below U+0100 stands for. */
static struct buffer vector_bytes(const json_t *text)
{
    const char *spelled = json_string_value(text);
    size_t length = json_string_length(text);
    struct buffer bytes = buffer_make(BODY_LIMIT);

    for (size_t i = 0; i < length; i++) {
        unsigned byte = (unsigned char)spelled[i];
        if (byte >= 0x80)
            byte = (byte & 0x03U) << 6 | ((unsigned char)spelled[++i] & 0x3fU);
        buffer_append_character(&bytes, (char)byte);
    }
    return bytes;
}

/* What the codec says of one vector: a status, 200, or -1 for bad chunks. */
static int judge(struct slice bytes)
{
    struct buffer body = buffer_make(BODY_LIMIT);
    enum http1_result result = http1_parse_head(bytes, &head, &used, &error);
    struct slice rest;

    if (result != HTTP1_COMPLETE)
        return result == HTTP1_BAD ? error.status : STATUS_OF_INCOMPLETE;
    if (head.chunked)
        result = decode((struct slice){bytes.data + used, bytes.length - used}, BODY_LIMIT, &body,
                        &rest);
    buffer_free(&body);
    return result == HTTP1_COMPLETE ? 200 : -1;
}

/* As judge, but the head comes byte by byte; it must not be refused with another status. */
static int judge_slowly(struct slice bytes)
{
    for (size_t length = 1; length <= bytes.length; length++) {
        enum http1_result result =
            http1_parse_head((struct slice){bytes.data, length}, &head, &used, &error);
        if (result == HTTP1_BAD)
            return error.status;
        if (result == HTTP1_COMPLETE)
            return judge(bytes);
    }
    return STATUS_OF_INCOMPLETE;
}

TEST(http1_smuggling_vectors)
{
    json_t *vectors = json_load_file(unit_data_path("smuggling.json"), JSON_ALLOW_NUL, NULL);
    size_t index;
    json_t *vector;

    EXPECT(json_array_size(vectors) >= 80);
    json_array_foreach(vectors, index, vector)
    {
        const json_t *status = json_object_get(vector, "status");
        int expected = json_is_integer(status) ? (int)json_integer_value(status) : -1;
        struct buffer bytes = vector_bytes(json_object_get(vector, "bytes"));
        int judged = judge(buffer_slice(&bytes));
        int judged_slowly = judge_slowly(buffer_slice(&bytes));

        if (judged != expected || judged_slowly != expected)
            unit_failed(__FILE__, __LINE__, "%s: %d, slowly %d, expected %d",
                        json_string_value(json_object_get(vector, "name")), judged, judged_slowly,
                        expected);
        buffer_free(&bytes);
    }
    json_decref(vectors);
}
