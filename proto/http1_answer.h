/*
 * The head of an HTTP/1.x answer, for our own clients. As strict as for requests.
 */
#ifndef PROTO_HTTP1_ANSWER_H
#define PROTO_HTTP1_ANSWER_H

#include "proto/http1.h"

/* Slices point into the bytes that were parsed. */
struct http1_answer {
    int status; /* 100 to 599 */
    bool keep_alive;
    bool chunked;
    bool has_length;         /* neither of both: the body ends with the connection */
    uint64_t content_length; /* 0 without one */
    size_t field_count;
    struct http1_field fields[HTTP1_FIELDS_LIMIT];
};

/* Parses the head at the start of `bytes`. *used gets its length when complete. The status in
 * *error means nothing here. */
enum http1_result http1_parse_answer(struct slice bytes, struct http1_answer *answer, size_t *used,
                                     struct http1_error *error);

#endif
