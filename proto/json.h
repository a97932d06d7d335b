/*
 * JSON from outside, read under bounds: the text is scanned first (depth, number of values, NUL,
 * reals), since jansson's heap may grow to 79 times the text, and duplicate names are refused.
 */
#ifndef PROTO_JSON_H
#define PROTO_JSON_H

#include <jansson.h>
#include <stdbool.h>

#include "common/arena.h"
#include "common/slice.h"

enum {
    JSON_DEPTH_LIMIT = 32,
    JSON_VALUES_LIMIT = 100000, /* names and values of one text */
    JSON_MESSAGE_SIZE = 160,
};

struct json_error {
    const char
        *code; /* "json_malformed", "json_duplicate_name", "json_too_deep", "json_too_many_values",
                  "json_nul", "number_must_be_string", "json_not_utf8" */
    size_t line, column; /* 1 and up; where it was seen */
    char message[JSON_MESSAGE_SIZE];
};

/* A new reference, the caller's; NULL with *error filled. Reals (1.5, 1e3) are refused with
 * number_must_be_string; integers must fit 64 bits. */
json_t *json_read(struct slice text, struct json_error *error);

/* The same for what other systems send of their own: reals are let through, for the caller to leave
 * alone. */
json_t *json_read_foreign(struct slice text, struct json_error *error);

/* Compact text with sorted names, for digests and for handing on to PostgreSQL: equal documents
 * give equal bytes. In the arena. */
struct slice json_canonical(struct arena *arena, const json_t *document);

/* A text member of an object, NULL where absent or of another type. Borrowed. */
const char *json_member_text(const json_t *object, const char *name);

/* UTF-8 without NUL, and not empty: what a text of JSON can hold here. */
bool json_is_text(struct slice bytes);

/* How many characters (code points) well-formed UTF-8 has. */
size_t json_characters(struct slice text);

/* Appends a JSON string with its quotes. */
struct buffer;
void json_write_text(struct buffer *buffer, struct slice text);

#endif
