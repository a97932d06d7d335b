/*
 * What the steps of a request share, and nobody else sees.
 */
#ifndef DAEMON_HTTP_REQUEST_INTERNAL_H
#define DAEMON_HTTP_REQUEST_INTERNAL_H

#include "common/digest.h"
#include "common/instant.h"
#include "daemon/http/environment.h"
#include "daemon/http/request.h"
#include "proto/problem.h"

enum {
    REQUEST_MAGIC = 0x52455155,
    REQUEST_BINDINGS_LIMIT = 48,
    REQUEST_ANSWER_LIMIT = 64 * 1024 * 1024, /* bytes of an answer that is held whole */
    REQUEST_FIELDS_LIMIT = 8192,             /* bytes of header fields that an answer adds */
    IDEMPOTENCY_KEY_LIMIT = 128,
    LIST_LIMIT_DEFAULT = 50,
};

#define HTTP_NO_STORE "no-store" /* Cache-Control of what nobody said otherwise of */

struct binding {
    const char *name;
    const char *value;
};

struct request {
    unsigned magic;
    uint64_t number;
    uint64_t connection;  /* 0 once it is gone */
    size_t step;          /* place in the list of steps */
    unsigned outstanding; /* answers awaited from the database and the hasher */
    bool answered;
    bool streaming;   /* a long answer has begun */
    bool dispatching; /* inside request_advance: what resumes it only takes note */
    instant started;

    struct arena *arena;
    char id[37];
    char trace[56]; /* traceparent as sent, well formed; else "" */
    enum language language;
    const char *address;
    uint64_t address_key;
    const char *certificate_name;
    int listener;
    struct http1_head head; /* its slices in the arena */

    const struct contract_operation *operation;
    size_t operation_number;
    struct contract_route route;
    struct actor actor;
    const char *tenant; /* acted for; NULL: none named */

    struct buffer body; /* as it came, or inflated */
    bool body_read, gzipped;
    struct slice media;
    json_t *document;

    size_t binding_count;
    struct binding bindings[REQUEST_BINDINGS_LIMIT];
    const char *if_match;
    const char *idempotency_key;
    bool kept; /* a statement that keeps its answer under the key was sent */
    char idempotency_digest[SHA256_HEX_SIZE];

    enum step (*rows)(struct request *, const PGresult *); /* what takes the database's answer */
    const struct request_violation *violations; /* of constraints, that are taken; NULL: none */
    enum step (*then)(struct request *);        /* what takes the hasher's */
    enum step (*more)(struct request *);        /* what takes room in the connection */
    unsigned attempts;                          /* segments sent for the idempotency key */
    const struct statement *statement;
    const struct statement *prepended;
    enum hasher_outcome hasher_outcome;
    const char *password_hash;
    void *state;

    struct buffer fields; /* header fields of the answer */
    const char *cache_control;
    int status;
};

/* The header fields that every answer bears. */
void http_write_fields(struct buffer *fields, const char *request_id, const char *cache_control,
                       const char *content_type);

/* The steps, in the order of their files. */
enum step request_route(struct request *request);
enum step request_authenticate(struct request *request);
enum step request_limit(struct request *request);
enum step request_permit(struct request *request);
enum step request_read_body(struct request *request);
enum step request_validate(struct request *request);
enum step request_perform(struct request *request);

/* A request for a head that has come; registered, and freed by request_finish. */
struct request *request_new(struct connection *connection, const struct http1_head *head);
struct request *request_find(uint64_t number); /* NULL when gone */

/* Ends the exchange, once; the request itself goes when nothing is outstanding. */
void request_finish(struct request *request);

/* Takes the outcome of a continuation: of rows, of a hash, of room in the connection. */
void request_go_on(struct request *request, enum step next);

/* Runs steps until one waits or the answer was given; frees the request when nothing is left. */
void request_advance(struct request *request);

/* The connection's; NULL when gone. */
struct connection *request_connection(const struct request *request);

/* Sends the database a segment of settings, claim and statement; the answer comes to `rows`. */
enum step request_send(struct request *request, enum database_role role,
                       const struct statement *statement,
                       enum step (*rows)(struct request *request, const PGresult *result));

/* The pool of the actor's side. */
enum database_role request_role(const struct request *request);

/* Takes the answer to a shared segment; false where the ticket is of a request (shared.c). */
bool request_take_shared(uint64_t ticket, const struct database_answer *answer);

/* What the database said, turned into the next step (run.c). */
enum step request_take_answer(struct request *request, const struct database_answer *answer);

/* Whether an unknown credential may still be looked up for the request's address; and that one was
 * looked up in vain (limit.c). */
bool request_may_guess(const struct request *request);
void request_guessed(const struct request *request);
enum step request_refuse_rate(struct request *request);

#endif
