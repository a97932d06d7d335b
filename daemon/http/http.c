#include "daemon/http/http.h"

#include "common/log.h"
#include "common/memory.h"
#include "daemon/http/request_internal.h"

struct http_environment *http_environment(void)
{
    static struct http_environment environment;
    return &environment;
}

static void on_head(struct connection *connection, const struct http1_head *head)
{
    struct request *request = request_new(connection, head);
    connection_set_exchange(connection, request->number);
    request_advance(request);
}

static void on_body(struct connection *connection, struct buffer *body)
{
    struct request *request = request_find(connection_exchange(connection));

    if (request == NULL) {
        buffer_free(body);
        return;
    }
    request->body = *body;
    *body = buffer_make(0);
    request->body_read = true;
    if (!request->dispatching)
        request_advance(request);
}

static void on_drained(struct connection *connection)
{
    struct request *request = request_find(connection_exchange(connection));

    if (request != NULL && request->more != NULL && request->outstanding == 0)
        request_go_on(request, request->more(request));
}

static void on_closed(struct connection *connection)
{
    struct request *request = request_find(connection_exchange(connection));

    if (request == NULL)
        return;
    request->connection = 0;
    if (!request->dispatching && request->outstanding == 0)
        request_finish(request);
}

static void on_failed(int status, const char *code, struct buffer *fields, struct buffer *body)
{
    const struct problem_kind *kind = problem_find_status(code, status);
    char id[37];

    uuid_make(id);
    problem_write(body, kind, LANGUAGE_ENGLISH, NULL, id, NULL);
    http_write_fields(fields, id, HTTP_NO_STORE, "application/problem+json");
    log_info("request_unframed", log_number("status", status), log_text("code", code),
             log_text("request_id", id));
}

const struct network_handler http_network_handler = {
    .head = on_head,
    .body = on_body,
    .drained = on_drained,
    .closed = on_closed,
    .failed = on_failed,
};

void http_database_done(void *context, uint64_t number, const struct database_answer *answer)
{
    struct request *request;

    (void)context;
    if (request_take_shared(number, answer) || (request = request_find(number)) == NULL)
        return;
    request->outstanding--;
    if (request->connection == 0)
        request_finish(request);
    else
        request_go_on(request, request_take_answer(request, answer));
}

void http_hasher_done(uint64_t number, enum hasher_outcome outcome, const char *hash)
{
    struct request *request = request_find(number);

    if (request == NULL)
        return;
    request->outstanding--;
    request->hasher_outcome = outcome;
    request->password_hash = hash == NULL ? NULL : arena_text(request->arena, hash);
    if (request->connection == 0)
        request_finish(request);
    else
        request_go_on(request, request->then(request));
}
