/*
 * What the parsers of requests and of answers share.
 */
#ifndef PROTO_HTTP1_INTERNAL_H
#define PROTO_HTTP1_INTERNAL_H

#include "proto/http1.h"

enum http1_result http1_refuse(struct http1_error *error, int status, const char *code);

bool http1_is_token(struct slice text);
bool http1_is_control(char character); /* of a field value: HTAB is none */
int http1_hex_value(char character);   /* -1 for none */

/* The length of a block of CRLF lines up to and with the empty one; a control character, a bare CR
 * or a bare LF is refused as soon as it is seen. */
enum http1_result http1_find_end(struct slice bytes, size_t *length, struct http1_error *error);

/* Takes the first line, without its CRLF, from a block that http1_find_end measured. */
struct slice http1_take_line(struct slice *block);

/* Takes field lines up to the empty line. */
enum http1_result http1_take_fields(struct slice *block, struct http1_field *fields, size_t *count,
                                    struct http1_error *error);

/* Of several equal names the first; NULL when there is none. */
const struct http1_field *http1_find_field(const struct http1_field *fields, size_t count,
                                           const char *name);

#endif
