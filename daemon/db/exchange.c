#include "daemon/db/exchange.h"

#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/log.h"
#include "common/memory.h"

enum { NAME_SIZE = 64 };

void prepared_forget(struct prepared *prepared)
{
    memory_free(prepared->marks);
    *prepared = (struct prepared){0};
}

static bool *prepared_mark(struct prepared *prepared, size_t mark)
{
    if (mark >= prepared->count) {
        size_t known = statement_count * STATEMENT_VARIANTS;
        size_t count = mark < known ? known : mark + 1;
        prepared->marks = memory_resize(prepared->marks, count, sizeof *prepared->marks);
        for (size_t i = prepared->count; i < count; i++)
            prepared->marks[i] = false;
        prepared->count = count;
    }
    return &prepared->marks[mark];
}

/* Wordings with the same text share one prepared statement. */
static size_t wording_of(const struct segment_part *part)
{
    const char *const *text = part->statement->text;
    size_t wording = 0;

    while (text[wording] != text[part->variant])
        wording++;
    return wording;
}

static bool is_under_way(const struct exchange *exchange, size_t mark)
{
    for (size_t i = 0; i < exchange->step_count; i++)
        if (exchange->steps[i].preparation && exchange->steps[i].mark == mark)
            return true;
    return false;
}

static bool part_send(struct exchange *exchange, PGconn *connection, struct prepared *prepared,
                      const struct segment_part *part)
{
    const struct statement *statement = part->statement;
    char name[NAME_SIZE];
    size_t wording = wording_of(part);
    size_t mark = statement->number * STATEMENT_VARIANTS + wording;
    struct exchange_step step = {.part = exchange->count, .mark = mark, .preparation = true};

    snprintf(name, sizeof name, "%s_%zu", statement->name, wording);
    if (!*prepared_mark(prepared, mark) && !is_under_way(exchange, mark)) {
        if (PQsendPrepare(connection, name, part->statement->text[wording], 0, NULL) == 0)
            return false;
        exchange->steps[exchange->step_count++] = step;
    }
    step.preparation = false;
    exchange->steps[exchange->step_count++] = step;
    exchange->count++;
    return PQsendQueryPrepared(connection, name, (int)statement->parameter_count, part->values,
                               NULL, NULL, 0) != 0;
}

bool exchange_send(struct exchange *exchange, PGconn *connection, struct prepared *prepared,
                   const struct segment *segment)
{
    *exchange = (struct exchange){0};
    for (size_t i = 0; i < segment->count; i++)
        if (!part_send(exchange, connection, prepared, &segment->parts[i]))
            return false;
    return PQpipelineSync(connection) != 0;
}

/* An error that ended the statement and not the connection. */
static bool is_refusal(const PGresult *result)
{
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);

    return severity != NULL && strcmp(severity, "ERROR") == 0 &&
           PQresultErrorField(result, PG_DIAG_SQLSTATE) != NULL;
}

static enum exchange_progress result_take(struct exchange *exchange, PGresult *result,
                                          struct prepared *prepared)
{
    const struct exchange_step *step = &exchange->steps[exchange->step];
    bool within = exchange->step < exchange->step_count;

    switch (PQresultStatus(result)) {
    case PGRES_PIPELINE_SYNC:
        PQclear(result);
        return EXCHANGE_ENDED;
    case PGRES_PIPELINE_ABORTED:
        break;
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
        if (!within)
            break;
        if (step->preparation) {
            *prepared_mark(prepared, step->mark) = true;
            break;
        }
        PQclear(exchange->results[step->part]);
        exchange->results[step->part] = result;
        return EXCHANGE_WAITS;
    default:
        if (exchange->error == NULL && is_refusal(result)) {
            exchange->error = result;
            return EXCHANGE_WAITS;
        }
        if (exchange->error == NULL) {
            PQclear(result);
            return EXCHANGE_BROKEN;
        }
    }
    PQclear(result);
    return EXCHANGE_WAITS;
}

enum exchange_progress exchange_receive(struct exchange *exchange, PGconn *connection,
                                        struct prepared *prepared)
{
    enum exchange_progress progress = EXCHANGE_WAITS;

    while (progress == EXCHANGE_WAITS && PQisBusy(connection) == 0) {
        PGresult *result = PQgetResult(connection);
        if (result != NULL)
            progress = result_take(exchange, result, prepared);
        else if (exchange->step++ > exchange->step_count) /* libpq and we are out of step */
            progress = EXCHANGE_BROKEN;
    }
    return progress;
}

void exchange_notice(struct exchange *exchange, const PGresult *notice)
{
    const char *severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *function = PQresultErrorField(notice, PG_DIAG_SOURCE_FUNCTION);

    if (severity == NULL || strcmp(severity, "WARNING") != 0)
        return;
    log_warning("database_warning",
                log_text("message", PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY)));
    /* libpq hands a notice on before the results that stand before it in its buffer are taken, so
     * its place alone does not tell whether it belongs to the commit. */
    if (exchange->step >= exchange->step_count ||
        (function != NULL && strcmp(function, "SyncRepWaitForLSN") == 0))
        exchange->warned = true;
}

static const char *field_of(const PGresult *error, int code)
{
    const char *field = PQresultErrorField(error, code);

    return field == NULL ? "" : field;
}

struct database_answer exchange_answer(const struct exchange *exchange, bool ended)
{
    struct database_answer answer = {.count = exchange->count};
    const PGresult *error = exchange->error;

    if (error != NULL)
        answer.outcome = DATABASE_REFUSED;
    else if (ended)
        answer.outcome = exchange->warned ? DATABASE_UNKNOWN : DATABASE_OK;
    else
        answer.outcome = exchange->drained ? DATABASE_UNKNOWN : DATABASE_UNAVAILABLE;
    if (answer.outcome == DATABASE_OK)
        memcpy(answer.results, exchange->results, sizeof answer.results);
    snprintf(answer.sqlstate, sizeof answer.sqlstate, "%s", field_of(error, PG_DIAG_SQLSTATE));
    answer.constraint = field_of(error, PG_DIAG_CONSTRAINT_NAME);
    answer.table = field_of(error, PG_DIAG_TABLE_NAME);
    answer.message = field_of(error, PG_DIAG_MESSAGE_PRIMARY);
    answer.detail = field_of(error, PG_DIAG_MESSAGE_DETAIL);
    return answer;
}

/* The code that tells the state apart says "feature not supported" of much else, and the message
 * may be in any language; the function's name is the same in every version. */
static bool is_stale_plan(const PGresult *error)
{
    return strcmp(field_of(error, PG_DIAG_SQLSTATE), "0A000") == 0 &&
           strcmp(field_of(error, PG_DIAG_SOURCE_FUNCTION), "RevalidateCachedQuery") == 0;
}

enum backend_retry exchange_retry(const struct exchange *exchange,
                                  const struct database_answer *answer)
{
    static const struct {
        const char *sqlstate;
        enum backend_retry retry;
    } rules[] = {
        {"40001", BACKEND_RETRY},       /* serialization failure */
        {"40P01", BACKEND_RETRY},       /* deadlock */
        {"26000", BACKEND_RETRY_FRESH}, /* no such prepared statement */
        {"25006", BACKEND_RETRY_FRESH}, /* the server only reads */
    };

    if (answer->outcome != DATABASE_REFUSED)
        return answer->outcome == DATABASE_UNAVAILABLE ? BACKEND_RETRY : BACKEND_RETRY_NEVER;
    if (is_stale_plan(exchange->error))
        return BACKEND_RETRY_FRESH;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (strcmp(answer->sqlstate, rules[i].sqlstate) == 0)
            return rules[i].retry;
    return BACKEND_RETRY_NEVER;
}

void exchange_clear(struct exchange *exchange)
{
    for (size_t i = 0; i < exchange->count; i++)
        PQclear(exchange->results[i]);
    PQclear(exchange->error);
    *exchange = (struct exchange){0};
}
