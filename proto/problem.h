/*
 * Problem documents (RFC 9457). Every problem has a code that never changes with the language; its
 * status, title and sentences come from the contract (x-problems in proto/openapi), in English and
 * Simplified Chinese.
 */
#ifndef PROTO_PROBLEM_H
#define PROTO_PROBLEM_H

#include <stddef.h>

#include "common/buffer.h"
#include "proto/schema.h"

/* One row an x-problems entry; the table is generated and sorted by code. */
struct problem_kind {
    const char *code;
    int status;
    const char *title[2];  /* by enum language */
    const char *detail[2]; /* what is wrong and what would be right */
};

extern const struct problem_kind problem_kinds[];
extern const size_t problem_kind_count;

/* By code; the kind "internal_error" for an unknown one. Never NULL. */
const struct problem_kind *problem_find(const char *code);

/* By code; for an unknown one, such as those of http1_parse_head, the kind that the status itself
 * stands for: 400 is "bad_request". */
const struct problem_kind *problem_find_status(const char *code, int status);

/* Writes the document. `detail` replaces the kind's own where not NULL; `errors` may be NULL. */
void problem_write(struct buffer *body, const struct problem_kind *kind, enum language language,
                   const char *detail, const char *request_id, const struct schema_errors *errors);

/* From an Accept-Language value (RFC 9110, 12.5.4): Chinese when a zh range is preferred to en. */
enum language language_choose(struct slice accept_language);

#endif
