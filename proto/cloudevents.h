/*
 * CloudEvents 1.0 as usage comes in: one event in structured mode, a batch (JSON array), NDJSON
 * (one event a line), or one event in the binary mode of HTTP (HTTP Protocol Binding 1.0.2, 3.1):
 * its attributes in header fields "ce-...", its data the body. Bytes in, values out.
 *
 * Required of each event: specversion "1.0", id, source, type, subject, time, and data, an object
 * in which numbers are strings or integers. Other attributes (extensions) are accepted and not
 * kept.
 *
 * The content of an event is its type, subject, time and data. Its digest is SHA-256 over these
 * four in this order, each preceded by its length in bytes as a big-endian number of 8 bytes: type
 * and subject as UTF-8, the time as instant_write spells it, the data as json_canonical does. Equal
 * digests mean equal content; id and source are the key, and no part of it.
 */
#ifndef PROTO_CLOUDEVENTS_H
#define PROTO_CLOUDEVENTS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/arena.h"
#include "common/digest.h"
#include "common/instant.h"
#include "common/slice.h"
#include "proto/http1.h"
#include "proto/schema.h"

enum {
    CLOUDEVENTS_BATCH_LIMIT = 1000, /* events of a batch, and its bytes, which one event has too */
    CLOUDEVENTS_BATCH_SIZE = 1024 * 1024,
    CLOUDEVENTS_LINES_LIMIT = 10000, /* lines of NDJSON, and its bytes */
    CLOUDEVENTS_LINES_SIZE = 8 * 1024 * 1024,
    CLOUDEVENT_ID_LENGTH = 256, /* bytes of each attribute at most */
    CLOUDEVENT_SOURCE_LENGTH = 512,
    CLOUDEVENT_TYPE_LENGTH = 200,
    CLOUDEVENT_SUBJECT_LENGTH = 128,
    CLOUDEVENT_DATA_LENGTH = 16 * 1024, /* in its canonical spelling */
};

enum cloudevents_form {
    CLOUDEVENTS_ONE,
    CLOUDEVENTS_BATCH,
    CLOUDEVENTS_LINES,
    CLOUDEVENTS_BINARY,
};

struct cloudevent {
    size_t index; /* place in the array, or number of the line; from 0 */
    /* NULL where the event has no such attribute, or it is not a text of the right form. */
    const char *id, *source, *type, *subject;
    instant time;
    struct slice data; /* canonical */
    unsigned char digest[SHA256_SIZE];
    const struct schema_error *error; /* the first thing that is wrong with it; NULL: none */
};

struct cloudevents {
    size_t count;
    struct cloudevent *events; /* by index, ascending */
    /* What is wrong with the body as a whole; nothing was read then. NULL: it was read. A code of
     * proto/json.h, "not_an_event", "not_a_batch", "too_many_events" or "body_too_large". */
    const char *problem;
    const char *message; /* of a problem of JSON, where in the text; else NULL */
};

/* By media type, without parameters. One of CloudEvents' own wins over `specversion`, whether there
 * is a field "ce-specversion", since structured mode may repeat attributes in the header (3.2.3).
 */
enum cloudevents_form cloudevents_form(struct slice media, bool specversion);

/* Reads all events, in any form but CLOUDEVENTS_BINARY. What is wrong with single ones is noted in
 * `errors`, under pointers such as "/3/time" ("/time" where the form is of one event), and the
 * first of each at the event. A line of NDJSON that is not JSON is such an event, a blank line
 * none. Everything lives in the arena. */
void cloudevents_read(enum cloudevents_form form, struct slice text, enum language language,
                      struct arena *arena, struct cloudevents *events,
                      struct schema_errors *errors);

/* Reads the event whose attributes stand in those of the fields that begin with "ce-", and whose
 * data is `text`. It is judged as it would be in structured mode, under the same pointers; a name
 * that stands twice is "given_twice" there, a value that cannot be decoded "malformed". */
void cloudevents_read_binary(const struct http1_field *fields, size_t count, struct slice text,
                             enum language language, struct arena *arena,
                             struct cloudevents *events, struct schema_errors *errors);

/* What data says under a name, as it is spelled in canonical JSON. False where it says nothing, or
 * null. `name` is spelled so, too, with quotes: "\"calls\"". */
bool cloudevent_value(const struct cloudevent *event, struct slice name, struct slice *value);

/* The pointer to an attribute of an event ("" for the whole; "data/name", escaped), into `pointer`;
 * it ends before the name that does not fit. */
void cloudevents_pointer(enum cloudevents_form form, size_t index, const char *attribute,
                         char pointer[SCHEMA_POINTER_SIZE]);

#endif
