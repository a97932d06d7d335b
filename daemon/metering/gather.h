/*
 * Small batches of many requests, and of many tenants, stored together: a transaction for one event
 * costs nearly as much as one for fifty. What waits is stored as soon as what is under way was;
 * so nobody waits for others to come.
 *
 * One whose names stand for something else by now, or whose tenant is held up, is left to its
 * request; and so are all of them where the transaction fails, as with a key that is there. (Whose
 * keys were there is then looked up before, and not gathered: see directory_expects_known.)
 */
#ifndef DAEMON_METERING_GATHER_H
#define DAEMON_METERING_GATHER_H

#include "daemon/http/request.h"
#include "daemon/metering/batch.h"

enum { GATHER_EVENTS = 250 }; /* of a request, at most, to be worth it */

/* Stores a request's batch with others, and goes on with `stored`, with `alone` where it is to be
 * stored by itself, or with `unknown`. What the batch consists of lives as long as the request. */
struct gather_ways {
    enum step (*stored)(struct request *request);
    enum step (*alone)(struct request *request);
    enum step (*unknown)(struct request *request);
};
enum step gather_store(struct request *request, const struct batch *batch,
                       const struct batch_columns *columns, const struct gather_ways *ways);

#endif
