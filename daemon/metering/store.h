/*
 * Storing what is good of a batch: in one segment its keys are claimed and all of it is stored and
 * counted, or of a small one together with others (gather.h). Where keys are there already, what is
 * a duplicate or a conflict is told apart first; where a hard quota would be passed, what it leaves
 * is given out (admission.h).
 */
#ifndef DAEMON_METERING_STORE_H
#define DAEMON_METERING_STORE_H

#include "daemon/http/request.h"

enum { STORE_ATTEMPTS_LIMIT = 10 }; /* segments of a request that resolve or store */

/* The events at ingest->going; then ingest_answer, or from the names on once more. */
enum step store_going(struct request *request);

/* What can only be settled by another attempt, after so many. */
enum step store_give_up(struct request *request);

#endif
