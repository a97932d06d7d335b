/*
 * Hard quotas, where a batch would pass one: what they leave is given out to its events in the
 * order in which they were sent, and the others are rejected. That nothing is given out twice the
 * store sees to, which refuses again.
 */
#ifndef DAEMON_METERING_ADMISSION_H
#define DAEMON_METERING_ADMISSION_H

#include "daemon/http/request.h"

/* Judges the events at ingest->going, then goes on. */
enum step admission_judge(struct request *request, enum step (*then)(struct request *request));

#endif
