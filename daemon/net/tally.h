/*
 * How many connections there are from each address.
 */
#ifndef DAEMON_NET_TALLY_H
#define DAEMON_NET_TALLY_H

#include <stdbool.h>
#include <stdint.h>

struct tally;

struct tally *tally_new(void);
void tally_free(struct tally **tally);

/* Counts one more; false, and nothing counted, when there are `limit` already. */
bool tally_add(struct tally *tally, uint64_t key, int64_t limit);

/* Takes back what tally_add counted. */
void tally_remove(struct tally *tally, uint64_t key);

#endif
