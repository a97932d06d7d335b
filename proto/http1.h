/*
 * HTTP/1.1 as RFC 9112 frames it, stricter where laxness lets requests be smuggled: CRLF only,
 * token names without blanks before the colon, no folded lines, exactly one Host, one all-digit
 * Content-Length or exactly "chunked", never both. Pure: bytes in, values out.
 */
#ifndef PROTO_HTTP1_H
#define PROTO_HTTP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buffer.h"
#include "common/slice.h"

enum {
    HTTP1_HEAD_LIMIT = 16384, /* request line and fields, with the empty line */
    HTTP1_TARGET_LIMIT = 8192,
    HTTP1_FIELDS_LIMIT = 64,
    HTTP1_CHUNK_LINE_LIMIT = 256, /* size and extensions */
    HTTP1_TRAILER_LIMIT = 4096,   /* all trailer lines, which are checked and dropped */
};

enum http1_method {
    HTTP1_GET,
    HTTP1_HEAD,
    HTTP1_POST,
    HTTP1_PUT,
    HTTP1_PATCH,
    HTTP1_DELETE,
    HTTP1_OPTIONS,
    HTTP1_OTHER, /* a well-formed token that is none of these */
};

struct http1_field {
    struct slice name;  /* as sent; compare without case */
    struct slice value; /* without blanks around it */
};

/* Slices point into the bytes that were parsed. */
struct http1_head {
    enum http1_method method;
    struct slice method_name;
    struct slice target; /* origin form, "/path?query"; "*" only with OPTIONS */
    struct slice path;   /* as sent, not decoded, without the query */
    struct slice query;  /* without the '?'; empty when there is none */
    struct slice host;
    bool minor_version;      /* 1 for HTTP/1.1, 0 for HTTP/1.0 */
    bool keep_alive;         /* what the version and Connection ask for */
    bool expects_continue;   /* Expect: 100-continue */
    bool chunked;            /* Transfer-Encoding: chunked */
    bool has_length;         /* a Content-Length was sent */
    uint64_t content_length; /* 0 without one */
    size_t field_count;
    struct http1_field fields[HTTP1_FIELDS_LIMIT];
};

enum http1_result { HTTP1_COMPLETE, HTTP1_INCOMPLETE, HTTP1_BAD };

/* Why a head was refused. */
struct http1_error {
    int status;       /* 400, 414, 417, 431, 501 or 505 */
    const char *code; /* "content_length_twice", ...: for problem documents and tests */
};

/* Parses the head at the start of `bytes`. *used gets its length when complete. An empty line
 * before the request line is skipped once (RFC 9112, 2.2). */
enum http1_result http1_parse_head(struct slice bytes, struct http1_head *head, size_t *used,
                                   struct http1_error *error);

/* The value of the field of that name, caseless; false when it is not there. Of several equal names
 * the first. */
bool http1_field(const struct http1_head *head, const char *name, struct slice *value);
size_t http1_field_count(const struct http1_head *head, const char *name);

/* A chunked body, decoded as it comes. */
struct http1_chunks {
    int state; /* private; zero at first */
    uint64_t remaining;
    size_t line_length;
    size_t trailer_length;
};

/* Takes bytes from `input` (advancing it) and appends the body's to `body`; COMPLETE at the end of
 * the trailer, with what follows left in `input`. A body past body->limit sets its `overflowed`. */
enum http1_result http1_decode_chunks(struct http1_chunks *chunks, struct slice *input,
                                      struct buffer *body, struct http1_error *error);

/* "HTTP/1.1 200 OK\r\n". */
void http1_write_status(struct buffer *output, int status);

/* Percent-decoding of one path segment or query part ('+' is a blank in a query). The result is
 * appended; false on a bad escape, a NUL, bytes that are not UTF-8, or past the buffer's limit. */
bool http1_decode_percent(struct slice text, bool query, struct buffer *result);

#endif
