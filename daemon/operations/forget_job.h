/*
 * Long work that ended 90 days ago is forgotten, unless something that it made still names it: once
 * an hour, 10,000 at most.
 */
#ifndef DAEMON_OPERATIONS_FORGET_JOB_H
#define DAEMON_OPERATIONS_FORGET_JOB_H

#include "daemon/db/job.h"

extern const struct job_kind operations_forget_kind;

#endif
