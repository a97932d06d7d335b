/*
 * Public ids: TypeID 0.3 over UUIDv7 (RFC 9562), "res_01h455vb4pex5vsknk084sn02q". A prefix is
 * three lower-case letters, or "op". Ids made by one process ascend strictly.
 */
#ifndef COMMON_IDENTIFIER_H
#define COMMON_IDENTIFIER_H

#include <stdbool.h>

#include "common/slice.h"

enum { IDENTIFIER_SIZE = 32 }; /* longest spelling and its terminator fit */

void identifier_make(const char *prefix, char text[IDENTIFIER_SIZE]);

/* True when `text` is an id of that prefix, canonically spelled; NULL accepts any prefix. */
bool identifier_valid(struct slice text, const char *prefix);

/* A random v4 UUID in its usual spelling, for request ids. */
void uuid_make(char text[37]);

#endif
