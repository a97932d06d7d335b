/*
 * The life of a request, and how long it lives. The steps themselves are in the files named after
 * them.
 */
#include "daemon/http/request_internal.h"

#include "common/check.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/registry.h"
#include "operations.h"

static enum step (*const life[])(struct request *) = {
    request_route,     request_authenticate, request_limit,   request_permit,
    request_read_body, request_validate,     request_perform,
};

enum { LIFE_STEPS = sizeof life / sizeof life[0] };

static struct registry *requests; /* of this process, by number */

struct request *request_find(uint64_t number)
{
    struct request *request = requests == NULL ? NULL : registry_find(requests, number);
    if (request != NULL)
        check_magic(request, REQUEST_MAGIC);
    return request;
}

struct connection *request_connection(const struct request *request)
{
    return request->connection == 0
               ? NULL
               : connection_find(http_environment()->network, request->connection);
}

/* The head's slices point into the connection, which may be gone before the request is. */
static void copy_head(struct request *request, const struct http1_head *head)
{
    struct slice *pieces[] = {&request->head.method_name, &request->head.target,
                              &request->head.path, &request->head.query, &request->head.host};

    request->head = *head;
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++)
        pieces[i]->data = arena_copy(request->arena, *pieces[i]);
    for (size_t i = 0; i < head->field_count; i++) {
        struct http1_field *field = &request->head.fields[i];
        field->name.data = arena_copy(request->arena, field->name);
        field->value.data = arena_copy(request->arena, field->value);
    }
}

/* W3C Trace Context: version, trace id, parent id, flags; anything else is dropped. */
static void take_trace(struct request *request)
{
    enum { TRACE_LENGTH = 55 };
    struct slice value;

    if (!http1_field(&request->head, "traceparent", &value) || value.length != TRACE_LENGTH)
        return;
    for (size_t i = 0; i < TRACE_LENGTH; i++) {
        bool dash = i == 2 || i == 35 || i == 52;
        bool good = dash ? value.data[i] == '-' : strchr("0123456789abcdef", value.data[i]) != NULL;
        if (!good)
            return;
    }
    memcpy(request->trace, value.data, TRACE_LENGTH);
}

struct request *request_new(struct connection *connection, const struct http1_head *head)
{
    struct request *request = memory_allocate(1, sizeof *request);
    struct slice languages;

    request->magic = REQUEST_MAGIC;
    request->arena = arena_new();
    request->started = instant_now();
    request->connection = connection_number(connection);
    request->listener = connection_listener(connection);
    request->address = arena_text(request->arena, connection_address(connection));
    request->address_key = connection_address_key(connection);
    if (connection_certificate_name(connection) != NULL)
        request->certificate_name =
            arena_text(request->arena, connection_certificate_name(connection));
    request->fields = buffer_make(REQUEST_FIELDS_LIMIT);
    request->cache_control = HTTP_NO_STORE;
    uuid_make(request->id);
    copy_head(request, head);
    take_trace(request);
    if (http1_field(&request->head, "accept-language", &languages))
        request->language = language_choose(languages);
    if (requests == NULL)
        requests = registry_new();
    request->number = registry_add(requests, request);
    return request;
}

static void request_free(struct request *request)
{
    registry_remove(requests, request->number);
    json_decref(request->document);
    buffer_free(&request->body);
    buffer_free(&request->fields);
    arena_free(&request->arena);
    request->magic = 0;
    memory_free(request);
}

static void take_note(const struct request *request)
{
    int64_t took = instant_now() - request->started;

    if (request->idempotency_key != NULL && !request->kept && request->status < 300)
        log_error("idempotency_key_not_kept", log_text("operation", request->operation->id));
    log_at(request->status >= 500 ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "request",
           log_text("operation", request->operation == NULL ? "" : request->operation->id),
           log_number("status", request->status), log_number("microseconds", took),
           log_text("actor", request->actor.id), log_text("address", request->address),
           log_text("request_id", request->id), log_text("trace", request->trace));
}

void request_finish(struct request *request)
{
    if (!request->answered) {
        struct connection *connection = request_connection(request);
        request->answered = true;
        request->more = NULL;
        if (connection != NULL && connection_exchange(connection) == request->number)
            connection_set_exchange(connection, 0);
        if (request->status != 0)
            take_note(request);
    }
    if (request->outstanding == 0)
        request_free(request);
}

void request_advance(struct request *request)
{
    enum step next = NEXT;

    check_magic(request, REQUEST_MAGIC);
    request->dispatching = true;
    while (next == NEXT && request->step < LIFE_STEPS) {
        next = request->connection == 0 ? DONE : life[request->step](request);
        if (next == NEXT)
            request->step++;
    }
    request->dispatching = false;
    if (next == DONE)
        request_finish(request);
}

void request_go_on(struct request *request, enum step next)
{
    if (next == NEXT) {
        request->step++;
        request_advance(request);
    } else if (next == DONE) {
        request_finish(request);
    }
}

enum step request_perform(struct request *request)
{
    return operation_handlers[request->operation_number](request);
}
