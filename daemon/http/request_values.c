/*
 * What a domain reads of a request.
 */
#include "daemon/http/request_internal.h"

struct arena *request_arena(struct request *request)
{
    return request->arena;
}

const struct actor *request_actor(const struct request *request)
{
    return &request->actor;
}

const struct contract_operation *request_operation(const struct request *request)
{
    return request->operation;
}

int request_listener(const struct request *request)
{
    return request->listener;
}

const char *request_id(const struct request *request)
{
    return request->id;
}

enum language request_language(const struct request *request)
{
    return request->language;
}

json_t *request_body(const struct request *request)
{
    return request->document;
}

struct slice request_bytes(const struct request *request)
{
    return buffer_slice(&request->body);
}

struct slice request_media(const struct request *request)
{
    return request->media;
}

bool request_header(const struct request *request, const char *name, struct slice *value)
{
    return http1_field(&request->head, name, value);
}

const struct http1_head *request_head(const struct request *request)
{
    return &request->head;
}

const char *request_certificate_name(const struct request *request)
{
    return request->certificate_name;
}

const char *request_tenant(const struct request *request)
{
    return request->tenant;
}

void request_act_for(struct request *request, const char *tenant)
{
    request->tenant = arena_text(request->arena, tenant);
}

void *request_state(const struct request *request)
{
    return request->state;
}

void request_set_state(struct request *request, void *state)
{
    request->state = state;
}

/* ---- The hasher ---- */

enum step request_hash_password(struct request *request, struct slice password,
                                enum step (*then)(struct request *request))
{
    request->then = then;
    request->outstanding++;
    hasher_client_hash(http_environment()->hasher, password, request->number);
    return WAIT;
}

enum step request_verify_password(struct request *request, struct slice password, const char *hash,
                                  enum step (*then)(struct request *request))
{
    request->then = then;
    request->outstanding++;
    hasher_client_verify(http_environment()->hasher, password, hash, request->number);
    return WAIT;
}

enum hasher_outcome request_hasher_outcome(const struct request *request)
{
    return request->hasher_outcome;
}

const char *request_password_hash(const struct request *request)
{
    return request->password_hash;
}
