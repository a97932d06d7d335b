/*
 * validate: parameters and body against the contract, and the header fields that an operation asks
 * for.
 */
#include "daemon/http/request_internal.h"

#include <stdio.h>

#include "proto/json.h"

enum { QUERY_PARTS_LIMIT = 64, PARAMETER_TEXT_LIMIT = 4096 };

/* ---- Parameters ---- */

static const struct contract_parameter *query_parameter(const struct contract_operation *operation,
                                                        struct slice name)
{
    for (size_t i = 0; i < operation->parameter_count; i++)
        if (operation->parameters[i].place == CONTRACT_QUERY &&
            slice_is(name, operation->parameters[i].name))
            return &operation->parameters[i];
    return NULL;
}

static const char *decoded(struct request *request, struct slice text, bool query)
{
    struct buffer plain = buffer_make(PARAMETER_TEXT_LIMIT);
    const char *result = NULL;

    if (http1_decode_percent(text, query, &plain) && !buffer_overflowed(&plain))
        result = arena_copy(request->arena, buffer_slice(&plain));
    buffer_free(&plain);
    return result;
}

/* Notes what is wrong with a parameter, under the pointer "/name". */
static void note(struct schema_errors *errors, const char *name, const char *code,
                 const char *detail)
{
    errors->total++;
    if (errors->count == SCHEMA_ERRORS_LIMIT)
        return;
    struct schema_error *error = &errors->list[errors->count++];
    snprintf(error->pointer, sizeof error->pointer, "/%s", name);
    error->code = code;
    error->detail = detail;
}

/* Whether one value is good, and if not, what is wrong with it. What was found before is gone. */
static bool value_good(struct request *request, const struct contract_parameter *parameter,
                       const char *value, const struct schema_error **wrong)
{
    static struct schema_errors found;
    json_t *parsed = NULL;

    found.count = found.total = 0;
    bool good = schema_validate_text(parameter->schema, slice_of(value), request->language,
                                     request->arena, &found, &parsed);
    json_decref(parsed);
    *wrong = &found.list[0];
    return good;
}

static void check_parameter(struct request *request, const struct contract_parameter *parameter,
                            const char *value, struct schema_errors *errors)
{
    const struct schema_error *wrong;

    if (request_parameter(request, parameter->bind) != NULL)
        note(errors, parameter->name, "given_twice", "Give it once.");
    if (!value_good(request, parameter, value, &wrong))
        note(errors, parameter->name, wrong->code, wrong->detail);
    request_bind(request, parameter->bind, value);
}

static void take_query(struct request *request, struct schema_errors *errors)
{
    struct slice rest = request->head.query;
    struct slice part, name;
    size_t count = 0;

    for (bool more = rest.length > 0; more;) {
        more = slice_split(&rest, '&', &part);
        if (!more)
            part = rest;
        struct slice value = part;
        if (!slice_split(&value, '=', &name)) {
            name = part;
            value.length = 0;
        }
        const char *plain_name = decoded(request, name, true);
        const char *plain_value = decoded(request, value, true);
        if (plain_name == NULL || plain_value == NULL || ++count > QUERY_PARTS_LIMIT) {
            note(errors, "", "malformed", "Percent-encode UTF-8; at most 64 parameters.");
            return;
        }
        const struct contract_parameter *parameter =
            query_parameter(request->operation, slice_of(plain_name));
        if (parameter == NULL)
            note(errors, plain_name, "unknown_parameter",
                 "This operation knows no such parameter.");
        else
            check_parameter(request, parameter, plain_value, errors);
    }
}

static void fill_in(struct request *request, struct schema_errors *errors)
{
    const struct contract_operation *operation = request->operation;

    for (size_t i = 0; i < operation->parameter_count; i++) {
        const struct contract_parameter *parameter = &operation->parameters[i];
        if (parameter->place != CONTRACT_QUERY ||
            request_parameter(request, parameter->bind) != NULL)
            continue;
        if (parameter->fallback != NULL)
            request_bind(request, parameter->bind, parameter->fallback);
        else if (parameter->required)
            note(errors, parameter->name, "missing_parameter", "This parameter is required.");
    }
}

/* A path parameter that is not well spelled names nothing: 404, as for any id that is not there. */
static bool take_path(struct request *request)
{
    const struct contract_operation *operation = request->operation;

    for (size_t i = 0, place = 0; i < operation->parameter_count; i++) {
        const struct contract_parameter *parameter = &operation->parameters[i];
        const struct schema_error *wrong;
        if (parameter->place != CONTRACT_PATH)
            continue;
        const char *value = decoded(request, request->route.values[place++], false);
        if (value == NULL || !value_good(request, parameter, value, &wrong))
            return false;
        request_bind(request, parameter->bind, value);
    }
    return true;
}

/* A cursor is the last id of the page before, or a row's number, as the contract says. */
static bool cursor_good(const struct request *request)
{
    const char *cursor = request_parameter(request, "cursor");
    const char *kind = request->operation->list;
    uint64_t number;

    if (cursor == NULL)
        return true;
    return strcmp(kind, "number") == 0 ? slice_to_number(slice_of(cursor), INT64_MAX, &number)
                                       : identifier_valid(slice_of(cursor), kind);
}

/* ---- Header fields ---- */

static enum step take_if_match(struct request *request)
{
    struct slice value;
    uint64_t version;

    if (!http1_field(&request->head, "if-match", &value))
        return request->operation->if_match ? request_refuse(request, "precondition_required", NULL)
                                            : NEXT;
    if (slice_is(value, "*"))
        return NEXT;
    if (value.length < 3 || value.data[0] != '"' || value.data[value.length - 1] != '"' ||
        !slice_to_number((struct slice){value.data + 1, value.length - 2}, INT64_MAX, &version))
        return request_refuse(request, "precondition_failed", NULL);
    request->if_match = arena_format(request->arena, "%llu", (unsigned long long)version);
    return NEXT;
}

static enum step take_idempotency_key(struct request *request)
{
    struct slice value;

    if (!request->operation->keyed && !request->operation->keyed_optional)
        return NEXT;
    if (!http1_field(&request->head, "idempotency-key", &value))
        return request->operation->keyed ? request_refuse(request, "idempotency_key_missing", NULL)
                                         : NEXT;
    if (value.length == 0 || value.length > IDEMPOTENCY_KEY_LIMIT)
        return request_refuse(request, "idempotency_key_invalid", NULL);
    for (size_t i = 0; i < value.length; i++)
        if (value.data[i] <= ' ' || value.data[i] > '~')
            return request_refuse(request, "idempotency_key_invalid", NULL);
    request->idempotency_key = arena_copy(request->arena, value);
    return NEXT;
}

/* What the key stands for: the same key with another payload is refused. */
static void digest_payload(struct request *request, struct slice body)
{
    unsigned char digest[SHA256_SIZE];
    struct sha256 *sum = sha256_new();

    sha256_add(sum, request->operation->id, strlen(request->operation->id) + 1);
    sha256_add(sum, request->head.target.data, request->head.target.length);
    sha256_add(sum, "", 1);
    if (request->tenant != NULL)
        sha256_add(sum, request->tenant, strlen(request->tenant));
    sha256_add(sum, "", 1);
    sha256_add(sum, body.data, body.length);
    sha256_finish(&sum, digest);
    hex_write(digest, sizeof digest, request->idempotency_digest);
}

/* ---- Body ---- */

static enum step take_document(struct request *request, struct schema_errors *errors)
{
    struct json_error wrong;

    if (request->operation->body == NULL || !request->body_read ||
        !slice_is_caseless(request->media, "application/json"))
        return NEXT;
    request->document = json_read(buffer_slice(&request->body), &wrong);
    if (request->document == NULL)
        return request_refuse(request, wrong.code, arena_text(request->arena, wrong.message));
    if (!schema_validate(request->operation->body, request->document, request->language,
                         request->arena, errors))
        return request_refuse_at(request, "validation_failed", errors);
    return NEXT;
}

/* A tenant's credential acts for its own tenant and cannot name another: what is not its own
 * answers as what does not exist. */
static enum step take_tenant(struct request *request)
{
    const char *named = json_member_text(request->document, "tenant");

    if (named == NULL)
        named = request_parameter(request, "tenant");
    if (request->actor.side != ACTOR_TENANT) {
        request->tenant = named;
        return NEXT;
    }
    request->tenant = request->actor.tenant;
    if (named != NULL && strcmp(named, request->actor.tenant) != 0)
        return request_refuse(request, "not_found", NULL);
    return NEXT;
}

/* What is found here is told before anything else is validated, so one list serves all requests. */
enum step request_validate(struct request *request)
{
    static struct schema_errors list;
    struct schema_errors *errors = &list;
    enum step next;

    errors->count = errors->total = 0;
    if (!take_path(request))
        return request_refuse(request, "not_found", NULL);
    take_query(request, errors);
    fill_in(request, errors);
    if (errors->total > 0)
        return request_refuse_at(request, "invalid_parameter", errors);
    if (!cursor_good(request))
        return request_refuse(request, "cursor_invalid", NULL);
    if ((next = take_if_match(request)) != NEXT || (next = take_idempotency_key(request)) != NEXT ||
        (next = take_document(request, errors)) != NEXT || (next = take_tenant(request)) != NEXT)
        return next;
    if (request->idempotency_key != NULL)
        digest_payload(request, request->document == NULL
                                    ? buffer_slice(&request->body)
                                    : json_canonical(request->arena, request->document));
    return NEXT;
}
