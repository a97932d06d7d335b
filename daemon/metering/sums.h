/*
 * What the events of a batch add to usage: a row for each meter, resource, slot, and what
 * they say under the meter's dimensions. Pure.
 */
#ifndef DAEMON_METERING_SUMS_H
#define DAEMON_METERING_SUMS_H

#include <stddef.h>

#include "daemon/metering/batch.h"

/* The events at `places`, which were judged to be good, as a JSON array of rows of usage_deltas,
 * and in *levels, of meters whose values are held, one of rows of usage_levels, a row an event,
 * with its place from 1; NULL: there are none. Both in the batch's arena. NULL where one of them
 * would pass BATCH_TEXT_LIMIT. */
const char *sums_write(const struct batch *batch, const size_t *places, size_t count,
                       const char **levels);

#endif
