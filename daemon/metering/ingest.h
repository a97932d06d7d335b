/*
 * A request that brings events, between the steps that it takes (events_api.c, voids.c,
 * quarantine.c, store.c, admission.c, rejections.c).
 */
#ifndef DAEMON_METERING_INGEST_H
#define DAEMON_METERING_INGEST_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/http/request.h"
#include "daemon/metering/batch.h"
#include "proto/cloudevents.h"

#define RESERVATIONS_SOURCE "/v1/reservations" /* of events that settle one */

enum verdict_state { ACCEPTED, DUPLICATE, CONFLICT, REJECTED, QUARANTINED };

struct verdict {
    enum verdict_state state;
    const char *reason, *detail, *pointer;
    const char *stored_digest; /* in hexadecimal */
};

/* An event whose key another one of the batch has, which goes. */
struct twice {
    size_t place, first;
};

/* An event that voids another. */
struct voiding {
    size_t place;
    const char *source, *id; /* of the one to be voided */
    int64_t event;           /* its number, where it was there before; else 0 */
    size_t target;           /* its place, where it is of this batch */
    const char *period;      /* from which it counts no more */
    instant time;            /* of the voided event */
};

struct voidings {
    size_t count;
    struct voiding *list;
};

struct ingest {
    enum cloudevents_form form;
    struct cloudevents batch;
    struct batch names;
    struct verdict *verdicts; /* one an event */
    struct schema_errors *errors;
    bool partial, quarantine;
    int64_t *replayed;       /* of events that are held: their numbers, by place; else NULL */
    const char *reservation; /* that it settles; NULL: none */
    enum step (*then)(struct request *request);   /* after the query that is under way */
    enum step (*answer)(struct request *request); /* once all is stored and noted */
    enum step (*refuse)(struct request *request); /* where nothing is stored */
    unsigned attempts;
    bool looked; /* for the same batch, before it is stored */
    bool levels; /* some of the events tell of levels that are held */
    size_t going_count;
    size_t *going;                /* the events to be stored, by their key */
    struct batch_columns columns; /* of these */
    size_t double_count;
    struct twice *doubles;
    struct voidings voids;
};

/* A verdict with the sentence and the pointer that belong to a code. */
struct verdict ingest_verdict(struct request *request, enum verdict_state state, size_t place,
                              const char *code, const char *attribute);

/* A property of data as an attribute, spelled as a JSON pointer is. */
const char *ingest_data_attribute(struct request *request, const char *property);

/* Rejects an event, with a pointer to `attribute` of it ("data/id"). */
void ingest_reject(struct request *request, size_t place, const char *code, const char *attribute);

/* Tells a duplicate from a conflict: the same key with content of that digest, in hexadecimal. */
void ingest_compare(struct request *request, size_t place, const char *stored);

/* Appends the attributes that an event has, and what is wrong with it, as members of a JSON object
 * behind others. */
void ingest_describe(const struct ingest *ingest, size_t place, struct buffer *row);

/* A new one, the request's state. Who made it reads events into its batch, and goes on with
 * ingest_begin. */
struct ingest *ingest_new(struct request *request);
enum step ingest_begin(struct request *request);

/* The steps in between: has the names looked up; goes on once each event was judged, refuses the
 * batch or stores what is good; ends once it is stored. */
enum step ingest_resolve(struct request *request);
enum step ingest_settle(struct request *request);
enum step ingest_answer(struct request *request);

#endif
