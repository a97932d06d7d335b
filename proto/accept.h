/*
 * The values of Accept fields (RFC 9110, 12.4.2 and 12.5): lists of what is wanted, each with a
 * weight. Pure.
 */
#ifndef PROTO_ACCEPT_H
#define PROTO_ACCEPT_H

#include <stdbool.h>

#include "common/slice.h"

enum { ACCEPT_WEIGHT_MOST = 1000 };

/* Takes the next name from the list (advancing it) with its weight in thousandths, 0 for what is
 * not wanted; false at the end. */
bool accept_next(struct slice *list, struct slice *name, unsigned *weight);

/* The weight of one name; where it is not in the list that of "*", else `otherwise`. */
unsigned accept_weight(struct slice list, const char *name, unsigned otherwise);

#endif
