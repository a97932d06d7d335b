/*
 * Reads JSON (RFC 8259) as it comes, without a tree of it: for what comes in large numbers. It
 * takes what json_read takes, under the same bounds, and refuses the rest with the same codes, the
 * first thing that is wrong.
 *
 *     struct json_reader reader = json_reader_make(text, arena);
 *     bool begun = false;
 *     if (json_reader_open(&reader, '{'))
 *         while (json_reader_next(&reader, '}', &begun) && json_reader_name(&reader, &name))
 *             json_reader_canonical(&reader, &value);
 *     json_reader_end(&reader);
 *     if (reader.code != NULL) ...
 *
 * After a failure every function does nothing and returns false.
 */
#ifndef PROTO_JSON_READER_H
#define PROTO_JSON_READER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/arena.h"
#include "common/buffer.h"
#include "common/slice.h"

struct json_reader {
    struct slice text;
    struct arena *arena; /* for texts with escapes, and names to sort */
    size_t at;
    size_t values; /* names and values so far */
    unsigned depth;
    const char *code; /* of the first failure, as in proto/json.h; NULL: none */
};

struct json_reader json_reader_make(struct slice text, struct arena *arena);

/* The first character of the value that comes: '{', '[', '"', a digit or '-', 't', 'f', 'n'; any
 * other begins none, and '\0' is the end. */
char json_reader_peek(struct json_reader *reader);

/* Enters an object or array, '{' or '['. */
bool json_reader_open(struct json_reader *reader, char bracket);

/* Whether a member follows; else what `closing` says has ended, or the reading has failed. `begun`
 * is false before the first. */
bool json_reader_next(struct json_reader *reader, char closing, bool *begun);

/* A name of an object and the colon behind it. Duplicates are the caller's to notice. */
bool json_reader_name(struct json_reader *reader, struct slice *name);

/* A text; without escapes it is where it was sent, else in the arena. */
bool json_reader_text(struct json_reader *reader, struct slice *text);

/* Any value, appended as json_canonical spells it; duplicate names are noticed. */
bool json_reader_canonical(struct json_reader *reader, struct buffer *canonical);

/* Nothing but blanks follows. */
bool json_reader_end(struct json_reader *reader);

/* Notes that an object had the same name twice. */
bool json_reader_duplicate(struct json_reader *reader);

/* Where it is, for a message: 1 and up; the column in bytes. */
void json_reader_position(const struct json_reader *reader, size_t *line, size_t *column);

#endif
