/*
 * What a violation says, apart from finding it: the sentences of schema_detail.c, for schema.c.
 */
#ifndef PROTO_SCHEMA_INTERNAL_H
#define PROTO_SCHEMA_INTERNAL_H

#include "common/arena.h"
#include "proto/schema.h"

enum schema_violation {
    UNKNOWN_FIELD,
    MISSING_FIELD,
    WRONG_TYPE,
    TOO_SHORT,
    TOO_LONG,
    NAME_TOO_LONG,
    TOO_SMALL,
    TOO_LARGE,
    TOO_FEW_ITEMS,
    TOO_MANY_ITEMS,
    TOO_FEW_FIELDS,
    TOO_MANY_FIELDS,
    NOT_ONE_OF,
    NOT_A_BRANCH, /* not_one_of, about the discriminating property */
    WRONG_FORMAT,
};

/* The code that clients see: "unknown_field". */
const char *schema_code(enum schema_violation violation);

/* What would be right: a sentence, constant or in the arena. */
const char *schema_detail(enum schema_violation violation, const struct schema *schema,
                          enum language language, struct arena *arena);

#endif
