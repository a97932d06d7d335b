/*
 * render and send: answers and problem documents, with the header fields that every answer bears.
 */
#include "daemon/http/request_internal.h"

#include "common/check.h"

static const char standard_fields[] =
    "Strict-Transport-Security: max-age=31536000; includeSubDomains\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "Cross-Origin-Opener-Policy: same-origin\r\n";

typedef void answer_function(struct connection *connection, int status, struct slice fields,
                             struct slice body);

static void write_field(struct buffer *fields, const char *name, const char *value)
{
    buffer_append_text(fields, name);
    buffer_append_text(fields, ": ");
    buffer_append_text(fields, value);
    buffer_append_text(fields, "\r\n");
}

void request_add_field(struct request *request, const char *name, const char *value)
{
    write_field(&request->fields, name, value);
}

void request_set_cache_control(struct request *request, const char *value)
{
    request->cache_control = value;
}

void http_write_fields(struct buffer *fields, const char *request_id, const char *cache_control,
                       const char *content_type)
{
    buffer_append_text(fields, standard_fields);
    write_field(fields, "Cache-Control", cache_control);
    write_field(fields, "Request-Id", request_id);
    if (content_type != NULL)
        write_field(fields, "Content-Type", content_type);
    check(!buffer_overflowed(fields));
}

static enum step deliver(struct request *request, int status, const char *content_type,
                         struct slice body, answer_function *answer)
{
    struct connection *connection = request_connection(request);

    http_write_fields(&request->fields, request->id, request->cache_control, content_type);
    request->status = status;
    if (connection != NULL && request->streaming) { /* what has begun cannot be taken back */
        connection_abort(connection);
    } else if (connection != NULL && !request->answered) {
        connection_set_exchange(connection, 0);
        answer(connection, status, buffer_slice(&request->fields), body);
    }
    return DONE;
}

enum step request_answer_bytes(struct request *request, int status, const char *content_type,
                               struct slice bytes)
{
    return deliver(request, status == 0 ? request->operation->success : status, content_type, bytes,
                   connection_answer);
}

enum step request_answer_constant(struct request *request, int status, const char *content_type,
                                  struct slice bytes)
{
    return deliver(request, status, content_type, bytes, connection_answer_constant);
}

enum step request_answer_empty(struct request *request, int status)
{
    return request_answer_bytes(request, status, NULL, (struct slice){NULL, 0});
}

enum step request_answer_json(struct request *request, int status, const json_t *document)
{
    char *text = json_dumps(document, JSON_COMPACT);
    enum step next =
        text == NULL ? request_refuse(request, "internal_error", NULL)
                     : request_answer_bytes(request, status, "application/json", slice_of(text));
    free(text);
    return next;
}

static enum step refuse(struct request *request, const char *code, const char *detail,
                        const struct schema_errors *errors)
{
    const struct problem_kind *kind = problem_find(code);
    struct buffer body = buffer_make(REQUEST_ANSWER_LIMIT);

    problem_write(&body, kind, request->language, detail, request->id, errors);
    request_answer_bytes(request, kind->status, "application/problem+json", buffer_slice(&body));
    buffer_free(&body);
    return DONE;
}

enum step request_refuse(struct request *request, const char *code, const char *detail)
{
    return refuse(request, code, detail, NULL);
}

enum step request_refuse_at(struct request *request, const char *code,
                            const struct schema_errors *errors)
{
    return refuse(request, code, NULL, errors);
}

enum step request_stream(struct request *request, const char *content_type, uint64_t length,
                         enum step (*more)(struct request *request))
{
    struct connection *connection = request_connection(request);

    if (connection == NULL)
        return DONE;
    http_write_fields(&request->fields, request->id, request->cache_control, content_type);
    request->status = request->operation->success;
    request->streaming = true;
    connection_answer_begin(connection, request->status, buffer_slice(&request->fields), length);
    request->more = more;
    return more(request);
}

void request_write(struct request *request, struct slice bytes)
{
    struct connection *connection = request_connection(request);

    if (connection != NULL)
        connection_write(connection, bytes);
}
