/*
 * The platform's side of the Open Service Broker API 2.17: where each request goes, and what its
 * answer comes to. What follows from that is decided elsewhere (deploy/schema: vendor_answer).
 *
 * Source: the Open Service Broker specification, v2.17: "Service Broker Errors", "Blocking
 * Operations", "Polling Last Operation", "Orphan Mitigation". Where it lets an answer stand that
 * may hide an instance (200 to a provisioning with a body that cannot be read, 409), it is
 * "unknown" here, so that the instance is removed.
 */
#ifndef PROTO_OSB_H
#define PROTO_OSB_H

#include <stdbool.h>

#include "common/arena.h"
#include "common/slice.h"

#define OSB_VERSION "2.17"

enum {
    OSB_OPERATION_LIMIT = 10000, /* characters, by the specification */
    OSB_DETAIL_LIMIT = 500,      /* characters; what is longer is cut */
    OSB_URL_LIMIT = 1000,        /* bytes of a dashboard's address; a longer one is left out */
    OSB_PLANS_LIMIT = 1000,      /* of a catalog */
};

enum osb_call { OSB_CATALOG, OSB_PROVISION, OSB_UPDATE, OSB_DEPROVISION, OSB_LAST_OPERATION };

struct osb_request {
    enum osb_call call;
    const char *base_url; /* https://host[:port][/path], without a slash at its end */
    /* Not of a catalog: */
    const char *instance_id, *service_id, *plan_id;
    const char
        *operation; /* of OSB_LAST_OPERATION, as the vendor gave it; NULL where it gave none */
};

/* GET, PUT, PATCH or DELETE. */
const char *osb_method(enum osb_call call);

/* The whole address, percent-encoded, in the arena. */
const char *osb_url(struct arena *arena, const struct osb_request *request);

struct osb_answer {
    /* "done", "accepted", "in_progress", "gone", "failed", "rejected", "busy" or "unknown", as
     * 0033_vendor_answers.sql explains them. Calls that brought no answer are "lost" or "unsent".
     */
    const char *outcome;
    const char *operation, *dashboard_url; /* NULL where there is none */
    const char *error;  /* the vendor's code, "Unauthorized" for a 401; or NULL */
    const char *detail; /* for people; never NULL */
};

/* Reads the answer to any call but OSB_CATALOG. All it gives is in the arena, and can be written to
 * PostgreSQL: UTF-8 without NUL. */
void osb_read(struct arena *arena, enum osb_call call, int status, struct slice body,
              struct osb_answer *answer);

/* The services of a catalog, as JSON text: [{id, name, description, plan_updateable, plans: [{id,
 * name, description, plan_updateable, maximum_polling_duration}]}], a plan's last two as the vendor
 * gave them or null. NULL with *problem when it is none. */
const char *osb_read_catalog(struct arena *arena, int status, struct slice body,
                             const char **problem);

#endif
