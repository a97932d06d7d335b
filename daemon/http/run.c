/*
 * query, the way back: rows into answers, and what PostgreSQL refuses into problems.
 */
#include "daemon/http/request_internal.h"

#include <stdlib.h>

#include "common/check.h"
#include "common/log.h"
#include "statements.h"

enum { ANSWERED_ATTEMPTS = 2 };

/* ---- Rows into answers ---- */

static const char *column(const PGresult *rows, const char *name)
{
    int number = PQfnumber(rows, name);

    return number < 0 || PQntuples(rows) == 0 || PQgetisnull(rows, 0, number)
               ? NULL
               : PQgetvalue(rows, 0, number);
}

/* {"data": [documents], "next_cursor": ...}; the statement gives one row more than the page where
 * there are more, and one without a cursor where nothing is below what the path names. */
static enum step answer_list(struct request *request, const PGresult *rows)
{
    const char *limit_text = request_parameter(request, "limit");
    int limit = limit_text == NULL ? LIST_LIMIT_DEFAULT : (int)strtol(limit_text, NULL, 10);
    int found = column(rows, "cursor") == NULL ? 0 : PQntuples(rows);
    int count = found > limit ? limit : found;
    int document = PQfnumber(rows, "document");
    struct buffer body = buffer_make(REQUEST_ANSWER_LIMIT);

    check(document >= 0 && PQfnumber(rows, "cursor") >= 0);
    buffer_append_text(&body, "{\"data\":[");
    for (int row = 0; row < count; row++) {
        if (row > 0)
            buffer_append_character(&body, ',');
        buffer_append_text(&body, PQgetvalue(rows, row, document));
    }
    buffer_append_text(&body, "],\"next_cursor\":");
    if (found > limit)
        buffer_append_format(&body, "\"%s\"}",
                             PQgetvalue(rows, count - 1, PQfnumber(rows, "cursor")));
    else
        buffer_append_text(&body, "null}");
    enum step next =
        buffer_overflowed(&body)
            ? request_refuse(request, "answer_too_large", NULL)
            : request_answer_bytes(request, 200, "application/json", buffer_slice(&body));
    buffer_free(&body);
    return next;
}

static enum step refuse_outcome(struct request *request, const char *outcome, const PGresult *rows)
{
    struct schema_errors *errors;
    const char *pointer = column(rows, "pointer");
    const char *detail = column(rows, "detail");

    if (strcmp(outcome, "absent") == 0)
        return request_refuse(request, "not_found", NULL);
    if (strcmp(outcome, "stale") == 0)
        return request_refuse(request, "precondition_failed", NULL);
    if (pointer == NULL)
        return request_refuse(request, outcome, detail);
    errors = arena_allocate(request->arena, 1, sizeof *errors);
    errors->count = errors->total = 1;
    strncpy(errors->list[0].pointer, pointer, sizeof errors->list[0].pointer - 1);
    errors->list[0].code = arena_text(request->arena, outcome);
    errors->list[0].detail = detail == NULL ? problem_find(outcome)->detail[request->language]
                                            : arena_text(request->arena, detail);
    return request_refuse_at(request, outcome, errors);
}

bool request_set_version(struct request *request, const char *version)
{
    struct slice value;

    request_add_field(request, "ETag", arena_format(request->arena, "\"%s\"", version));
    return request->head.method <= HTTP1_HEAD &&
           http1_field(&request->head, "if-none-match", &value) && value.length > 2 &&
           value.data[0] == '"' && value.data[value.length - 1] == '"' &&
           slice_is((struct slice){value.data + 1, value.length - 2}, version);
}

enum step request_answer_rows(struct request *request, const PGresult *rows)
{
    const struct contract_operation *operation = request->operation;
    const char *outcome = column(rows, "outcome");
    const char *document = column(rows, "document");
    const char *version = column(rows, "version");
    const char *location = column(rows, "location");

    if (PQntuples(rows) == 0 &&
        (operation->list == NULL || operation->parameters[0].place == CONTRACT_PATH))
        return request_refuse(request, "not_found", NULL);
    if (operation->list != NULL)
        return answer_list(request, rows);
    if (outcome != NULL && strcmp(outcome, "ok") != 0)
        return refuse_outcome(request, outcome, rows);
    bool held = version != NULL && request_set_version(request, version);
    if (location != NULL)
        request_add_field(request, "Location", location);
    if (held && column(rows, "changes") == NULL)
        return request_answer_empty(request, 304);
    if (document == NULL)
        return request_answer_empty(request, 204);
    return request_answer_bytes(request, 0, "application/json", slice_of(document));
}

/* ---- The idempotency key's second look ---- */

/* "" where it is NULL, which the table does not allow. */
static const char *sure(const PGresult *rows, const char *name)
{
    const char *text = column(rows, name);
    return text == NULL ? "" : text;
}

static enum step replay(struct request *request, const PGresult *rows)
{
    if (PQntuples(rows) == 0) { /* the holder rolled back meanwhile */
        request_add_field(request, "Retry-After", "1");
        return request_refuse(request, "idempotency_in_progress", NULL);
    }
    if (strcmp(sure(rows, "digest"), request->idempotency_digest) != 0)
        return request_refuse(request, "idempotency_key_reused", NULL);
    request_add_field(request, "Idempotency-Replayed", "true");
    if (column(rows, "etag") != NULL)
        request_add_field(request, "ETag",
                          arena_format(request->arena, "\"%s\"", column(rows, "etag")));
    if (column(rows, "location") != NULL)
        request_add_field(request, "Location", column(rows, "location"));
    int status = (int)strtol(sure(rows, "status"), NULL, 10);
    return column(rows, "body") == NULL ? request_answer_empty(request, status)
                                        : request_answer_bytes(request, status, "application/json",
                                                               slice_of(column(rows, "body")));
}

/* ---- What PostgreSQL refuses ---- */

/* Errors of PostgreSQL that a client's values can bring about; by SQLSTATE or its class. */
static const struct {
    const char *state;
    const char *code;
} refusals[] = {
    {"23505", "conflict_unique"}, {"23503", "reference_unknown"}, {"23514", "value_refused"},
    {"23502", "value_refused"},   {"23P01", "conflict_unique"},   {"22", "value_refused"},
    {"53", "overloaded"},         {"57", "overloaded"},           {"40", "overloaded"},
    {"55P03", "overloaded"},      {"54", "overloaded"},
};

static enum step refuse_overloaded(struct request *request, const char *code)
{
    request_add_field(request, "Retry-After", "1");
    return request_refuse(request, code, NULL);
}

static enum step refuse_sqlstate(struct request *request, const struct database_answer *answer)
{
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        if (strncmp(answer->sqlstate, refusals[i].state, strlen(refusals[i].state)) == 0) {
            log_info("database_refused", log_text("sqlstate", answer->sqlstate),
                     log_text("constraint", answer->constraint),
                     log_text("statement", request->statement->name),
                     log_text("request_id", request->id));
            if (strcmp(refusals[i].code, "overloaded") == 0)
                return refuse_overloaded(request, "overloaded");
            return request_refuse(
                request, refusals[i].code,
                answer->constraint[0] == '\0'
                    ? NULL
                    : arena_format(request->arena, "%s (rule: %s)",
                                   problem_find(refusals[i].code)->detail[request->language],
                                   answer->constraint));
        }
    log_error("database_error", log_text("sqlstate", answer->sqlstate),
              log_text("message", answer->message), log_text("statement", request->statement->name),
              log_text("request_id", request->id));
    return request_refuse(request, "internal_error", NULL);
}

/* NULL: it is not one that the request takes. */
static const struct request_violation *find_violation(const struct request *request,
                                                      const char *constraint)
{
    const struct request_violation *violation = request->violations;

    while (violation != NULL && violation->constraint != NULL &&
           strcmp(violation->constraint, constraint) != 0)
        violation++;
    return violation != NULL && violation->constraint != NULL ? violation : NULL;
}

/* BC409 and BC208 are of the claim; BC422 carries a problem's code as its message, raised by a
 * trigger. */
static enum step take_refusal(struct request *request, const struct database_answer *answer)
{
    bool answered = strcmp(answer->sqlstate, "BC208") == 0 ||
                    strcmp(answer->constraint, "idempotency_keys_pkey") == 0;
    const struct request_violation *violation = find_violation(request, answer->constraint);

    if (violation != NULL)
        return violation->then(request);
    if (strcmp(answer->sqlstate, "BC409") == 0) {
        request_add_field(request, "Retry-After", "1");
        return request_refuse(request, "idempotency_in_progress", NULL);
    }
    if (answered && request->attempts++ < ANSWERED_ATTEMPTS)
        return request_send(request, request_role(request), &statement_find_idempotent_answer,
                            replay);
    if (strcmp(answer->sqlstate, "BC422") == 0)
        return request_refuse(
            request, arena_text(request->arena, answer->message),
            answer->detail[0] == '\0' ? NULL : arena_text(request->arena, answer->detail));
    return refuse_sqlstate(request, answer);
}

enum step request_take_answer(struct request *request, const struct database_answer *answer)
{
    switch (answer->outcome) {
    case DATABASE_OK:
        return request->rows(request, answer->results[answer->count - 1]);
    case DATABASE_REFUSED:
        return take_refusal(request, answer);
    case DATABASE_UNKNOWN:
        return refuse_overloaded(request, "commit_unknown");
    case DATABASE_UNAVAILABLE:
        return refuse_overloaded(request, "overloaded");
    }
    return request_refuse(request, "internal_error", NULL);
}

/* ---- What a domain does ---- */

enum step request_query_as(struct request *request, enum database_role role,
                           const struct statement *statement,
                           enum step (*rows)(struct request *request, const PGresult *result))
{
    return request_send(request, role, statement, rows);
}

enum step request_query(struct request *request, const struct statement *statement,
                        enum step (*rows)(struct request *request, const PGresult *result))
{
    return request_send(request, request_role(request), statement, rows);
}

enum step request_query_unless(struct request *request, const struct statement *statement,
                               enum step (*rows)(struct request *request, const PGresult *result),
                               const struct request_violation *violations)
{
    enum step next = request_query(request, statement, rows);

    request->violations = violations;
    return next;
}

enum step request_run_as(struct request *request, enum database_role role,
                         const struct statement *statement)
{
    return request_send(request, role, statement, request_answer_rows);
}

enum step request_run(struct request *request, const struct statement *statement)
{
    return request_send(request, request_role(request), statement, request_answer_rows);
}
