/*
 * What a worker knows of the names in events, so that most batches need not ask: the resources and
 * sources of tenants, the meters of types, and the months in which quarter hours count. Of the
 * process, and bounded; what is not known is asked for.
 *
 * What is known may be out of date: a meter was added, a month settled, an external id given to
 * another resource. So the statement that stores a batch looks again, and stores nothing then; all
 * is forgotten, and the batch asks.
 */
#ifndef DAEMON_METERING_DIRECTORY_H
#define DAEMON_METERING_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/metering/batch.h"

/* Gives the batch of a tenant what its names stand for, as batch_take_names does; false where one
 * of them is not known, or stands for nothing. */
bool directory_look_up(struct batch *batch, const char *tenant);

/* Keeps what a batch was told. */
void directory_learn(const struct batch *batch, const char *tenant);

void directory_forget(void);

/* Whether a tenant's last batch was there before, so that the next one is looked for first. */
bool directory_expects_known(struct arena *scratch, const char *tenant);
void directory_expect_known(struct arena *scratch, const char *tenant, bool known);

/* Bytes that it takes. */
size_t directory_used(void);

#endif
