/*
 * The contract, proto/openapi/, as compiled into the binary: operations with their paths,
 * parameters, permissions, bodies and schemas. The arrays are generated (compile.py).
 */
#ifndef PROTO_CONTRACT_H
#define PROTO_CONTRACT_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/http1.h"
#include "proto/schema.h"

enum {
    CONTRACT_PARAMETERS_LIMIT = 24,
    CONTRACT_SEGMENTS_LIMIT = 8,
    CONTRACT_MEDIA_LIMIT = 6,
    CONTRACT_ALLOW_SIZE = 64,
};

enum contract_place { CONTRACT_PATH, CONTRACT_QUERY };

struct contract_parameter {
    const char *name; /* as spelled: "created_at[gte]" */
    const char *bind; /* as statements name it: "created_at_gte" */
    enum contract_place place;
    bool required;
    const struct schema *schema;
    const char *fallback; /* the schema's default, spelled as a client would; bound when it sends
                             none; NULL: none */
};

/* Who may be let in at all (x-audience). */
enum contract_audience {
    CONTRACT_PUBLIC,      /* no credential needed */
    CONTRACT_SIGNED_IN,   /* any credential, either side */
    CONTRACT_OPERATOR,    /* the operator's side alone */
    CONTRACT_CERTIFICATE, /* a client certificate on its listener alone */
};

struct contract_operation {
    const char *id;   /* operationId: "get_tenant" */
    const char *path; /* "/v1/tenants/{tenant_id}" */
    enum http1_method method;
    enum contract_audience audience;
    const char *permission; /* x-permission "tenants:read"; NULL: none beyond the audience */
    const char *segments[CONTRACT_SEGMENTS_LIMIT]; /* NULL stands for a parameter */
    size_t segment_count;
    struct contract_parameter parameters[CONTRACT_PARAMETERS_LIMIT]; /* path's first, in order */
    size_t parameter_count;
    const char *media[CONTRACT_MEDIA_LIMIT]; /* accepted content types; the usual one first */
    size_t media_count;                      /* 0: takes no body */
    bool body_required;
    size_t body_limit; /* bytes; x-body-limit, 65,536 by default */
    bool gzip;         /* x-gzip: the body may be encoded; the limit is of the inflated one */
    const struct schema *body; /* of application/json; NULL: the handler reads the bytes itself */
    bool keyed;                /* x-idempotency-key: required */
    bool keyed_optional;       /* x-idempotency-key: optional */
    bool if_match;             /* x-if-match: true */
    const char *list;          /* x-list: its cursors, ids' prefix or "number"; NULL: no list */
    int success;               /* the lowest status of success among its responses */
};

/* By segment count, then literals before parameters from the left, then path and method: the first
 * path that matches is the most specific one, and the operations of a path stand together. */
extern const struct contract_operation contract_operations[];
extern const size_t contract_operation_count;

/* contract_buckets[n] is the first operation with a path of n segments; [n + 1] ends them. */
extern const size_t contract_buckets[CONTRACT_SEGMENTS_LIMIT + 2];

struct contract_permission {
    const char *name; /* "invoices:read" */
    const char *description;
};

/* By name. */
extern const struct contract_permission contract_permissions[];
extern const size_t contract_permission_count;

/* The whole contract as JSON, as GET /openapi.json gives it. */
extern const char contract_document[];
extern const size_t contract_document_length;

/* What a method and path name. */
enum contract_match { CONTRACT_FOUND, CONTRACT_NO_PATH, CONTRACT_NO_METHOD };

struct contract_route {
    size_t operation;                             /* index into contract_operations */
    struct slice values[CONTRACT_SEGMENTS_LIMIT]; /* path parameters in order, not yet decoded */
    char allow[CONTRACT_ALLOW_SIZE];              /* for 405 and OPTIONS: "GET, HEAD, POST" */
};

/* HEAD finds the GET operation. Literal segments win over parameters, and are compared as
 * sent. Where no operation is found though the path is there, only route->allow is filled. */
enum contract_match contract_find(enum http1_method method, struct slice path,
                                  struct contract_route *route);

/* True when a permission is one that the contract knows: "invoices:read". */
bool contract_permission_known(struct slice permission);

#endif
