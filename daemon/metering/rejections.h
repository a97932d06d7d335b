/*
 * A note of what was rejected, so that whoever sent it can see why: without bodies, for a week, and
 * of a tenant the last ten thousand.
 */
#ifndef DAEMON_METERING_REJECTIONS_H
#define DAEMON_METERING_REJECTIONS_H

#include "daemon/metering/ingest.h"

enum { REJECTIONS_NOTED = 100 }; /* of one request at most; its receipt tells all */

/* Notes the events that were rejected or are in conflict, if any, and goes on with `then`. */
enum step rejections_note(struct request *request, enum step (*then)(struct request *request));

#endif
