/*
 * What the events of a batch add to usage: a row for each meter, resource, slot, and what
 * they say under the meter's dimensions. Pure.
 */
#ifndef DAEMON_METERING_SUMS_H
#define DAEMON_METERING_SUMS_H

#include <stddef.h>

#include "daemon/metering/batch.h"

/* The events at `places`, which were judged to be good, as a JSON array of rows of usage_deltas, in
 * the batch's arena; NULL where that would pass BATCH_TEXT_LIMIT. */
const char *sums_write(const struct batch *batch, const size_t *places, size_t count);

#endif
