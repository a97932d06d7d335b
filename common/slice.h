/*
 * A view of bytes that somebody else owns: not terminated, never freed. `data` may be NULL only
 * when `length` is 0.
 */
#ifndef COMMON_SLICE_H
#define COMMON_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const char *data;
    size_t length;
};

static inline struct slice slice_of(const char *text)
{
    return (struct slice){text, text == NULL ? 0 : strlen(text)};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

static inline bool slice_is(struct slice a, const char *text)
{
    return slice_equal(a, slice_of(text));
}

/* ASCII letters compared without case, whatever the locale. */
bool slice_is_caseless(struct slice a, const char *text);

bool slice_starts_with(struct slice a, const char *prefix);

/* Splits at the first `separator`: *before gets what precedes it, *a what follows; false, and *a
 * untouched, when there is none. */
bool slice_split(struct slice *a, char separator, struct slice *before);

/* Without leading and trailing spaces and tabs. */
struct slice slice_trim(struct slice a);

/* Decimal digits only, no sign, no blanks, at most `maximum`; false otherwise. */
bool slice_to_number(struct slice a, uint64_t maximum, uint64_t *number);

#endif
