/*
 * JSON Schema in the subset that the contract uses, compiled into constant tables by
 * proto/openapi/compile.py: type, properties, required, additionalProperties, items, enum, const,
 * length, size and value bounds, named formats, and oneOf by a discriminating property.
 */
#ifndef PROTO_SCHEMA_H
#define PROTO_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/slice.h"

enum { SCHEMA_ERRORS_LIMIT = 100, SCHEMA_POINTER_SIZE = 256 };

enum schema_type {
    SCHEMA_OBJECT = 1,
    SCHEMA_ARRAY = 2,
    SCHEMA_STRING = 4,
    SCHEMA_INTEGER = 8,
    SCHEMA_BOOLEAN = 16,
    SCHEMA_NULL = 32,
};

struct schema;

struct schema_property {
    const char *name;
    const struct schema *schema;
    bool required;
};

/* A named format: a C function instead of a pattern. */
struct schema_format {
    const char *name;
    bool (*valid)(struct slice text);
    const char *expected; /* what would be right: "an amount such as \"12.50\"" */
    const char *expected_zh;
};

struct schema_branch {
    const char *value; /* of the discriminating property */
    const struct schema *schema;
};

struct schema {
    unsigned types; /* enum schema_type; 0 accepts any */
    const struct schema_property *properties;
    size_t property_count;
    bool open;                       /* members beyond the properties are accepted ... */
    const struct schema *additional; /* ... and are of this schema, where not NULL */
    size_t minimum_properties, maximum_properties; /* a maximum of 0: no bound but JSON's own */
    size_t maximum_name_length;                    /* of members, in characters; 0 likewise */
    const struct schema *items;
    size_t minimum_items, maximum_items;   /* a maximum of 0: no bound but JSON's own */
    size_t minimum_length, maximum_length; /* in characters; a maximum of 0 likewise */
    bool bounded;
    int64_t minimum, maximum;  /* of integers, where bounded */
    const char *const *values; /* enum and const; NULL-terminated; NULL when free */
    const struct schema_format *format;
    const char *discriminator; /* oneOf */
    const struct schema_branch *branches;
    size_t branch_count;
};

struct schema_error {
    char pointer[SCHEMA_POINTER_SIZE]; /* RFC 6901; ends before the name that does not fit */
    const char *code; /* "unknown_field", "missing_field", "wrong_type", "too_short", "too_long",
                         "too_small", "too_large", "too_few_items", "too_many_items",
                         "too_few_fields", "too_many_fields", "not_one_of", "wrong_format" */
    const char
        *detail; /* what would be right, in the language asked for; in the arena or constant */
};

struct schema_errors {
    size_t count; /* kept; at most SCHEMA_ERRORS_LIMIT */
    size_t total; /* found */
    struct schema_error list[SCHEMA_ERRORS_LIMIT];
};

enum language { LANGUAGE_ENGLISH, LANGUAGE_CHINESE };

/* Every violation at once. True when there is none. */
bool schema_validate(const struct schema *schema, const json_t *document, enum language language,
                     struct arena *arena, struct schema_errors *errors);

/* The same for one value spelled as text (a query parameter or path segment); an array is spelled
 * "a,b". `pointer` of its errors is "". The parsed value in *value: a new reference, or NULL. */
bool schema_validate_text(const struct schema *schema, struct slice text, enum language language,
                          struct arena *arena, struct schema_errors *errors, json_t **value);

/* The formats there are: x-formats of the contract, sorted by name; generated. */
extern const struct schema_format schema_formats[];
extern const size_t schema_format_count;

#endif
