/*
 * The receipt of events: how many became what, and of each that was not accepted why.
 */
#ifndef DAEMON_METERING_RECEIPT_H
#define DAEMON_METERING_RECEIPT_H

#include "daemon/metering/ingest.h"

/* Answers with it, once each event has its verdict, and counts them for the metrics. */
enum step receipt_answer(struct request *request);

#endif
