/*
 * How attributes stand in the header fields of HTTP, for proto/cloudevents.c alone: names and
 * values by the HTTP Protocol Binding 1.0.2, 3.1.3.
 */
#ifndef PROTO_CLOUDEVENTS_INTERNAL_H
#define PROTO_CLOUDEVENTS_INTERNAL_H

#include "proto/cloudevents.h"

/* The name of the attribute that a field is of, in lower case and as part of a JSON pointer (RFC
 * 6901), in the arena; NULL for any other field. */
const char *cloudevents_field_name(struct arena *arena, struct slice field);

/* What a field's value says: a quoted string without its quotes and backslashes, then decoded from
 * percent once, into the arena. False on an unfinished quoted string, a bad escape, U+0000, or
 * bytes that are not UTF-8. */
bool cloudevents_field_value(struct arena *arena, struct slice value, struct slice *text);

#endif
