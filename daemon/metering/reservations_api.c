#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "daemon/metering/ingest.h"
#include "operations.h"
#include "proto/json.h"
#include "statements.h"

enum step operation_list_reservations(struct request *request)
{
    return request_run(request, &statement_list_reservations);
}

enum step operation_create_reservation(struct request *request)
{
    return request_run(request, &statement_create_reservation);
}

enum step operation_get_reservation(struct request *request)
{
    return request_run(request, &statement_get_reservation);
}

enum step operation_release_reservation(struct request *request)
{
    return request_run(request, &statement_release_reservation);
}

/* ---- Settling ---- */

/* Of the one event: it was stored, now or before. */
static enum step answer(struct request *request)
{
    const struct ingest *ingest = request_state(request);

    if (ingest->verdicts[0].state == CONFLICT)
        return request_refuse(request, "state_conflict", ingest->verdicts[0].detail);
    return request_run(request, &statement_get_reservation);
}

static const char *text_at(const PGresult *rows, const char *name)
{
    int column = PQfnumber(rows, name);

    check(column >= 0);
    return PQgetvalue(rows, 0, column);
}

/* The code of why it is not settled; NULL: nothing speaks against it. */
static const char *judge(const PGresult *rows)
{
    if (PQntuples(rows) == 0)
        return "not_found";
    if (strcmp(text_at(rows, "state"), "released") == 0)
        return "state_conflict";
    if (text_at(rows, "whole")[0] != 't')
        return "value_refused";
    return text_at(rows, "counts")[0] == 't' ? NULL : "reservation_not_counted";
}

/* Where in the request stands what is wrong with the event: in its data, of which the quantity is
 * what the meter reads. */
static const char *pointer_of(struct request *request, const struct verdict *verdict)
{
    const char *property = request_parameter(request, "value_property");
    const char *at = verdict->pointer + 1;

    if (strncmp(at, "data/", strlen("data/")) != 0 ||
        strcmp(at, ingest_data_attribute(request, property)) == 0)
        return "/quantity";
    return verdict->pointer;
}

static enum step refuse(struct request *request)
{
    const struct verdict *verdict = &((const struct ingest *)request_state(request))->verdicts[0];
    struct schema_errors *errors = arena_allocate(request_arena(request), 1, sizeof *errors);

    *errors = (struct schema_errors){
        .count = 1, .total = 1, .list = {{.code = verdict->reason, .detail = verdict->detail}}};
    snprintf(errors->list[0].pointer, sizeof errors->list[0].pointer, "%s",
             pointer_of(request, verdict));
    return request_refuse_at(request, verdict->reason, errors);
}

static enum step take_reservation(struct request *request, const PGresult *rows)
{
    const char *problem = judge(rows);
    struct ingest *ingest = ingest_new(request);

    if (problem != NULL)
        return request_refuse(request, problem, NULL);
    ingest->form = CLOUDEVENTS_ONE;
    ingest->answer = answer;
    ingest->refuse = refuse;
    ingest->reservation = request_parameter(request, "reservation_id");
    cloudevents_read(CLOUDEVENTS_ONE, slice_of(text_at(rows, "event")), request_language(request),
                     request_arena(request), &ingest->batch, ingest->errors);
    check(ingest->batch.problem == NULL && ingest->batch.count == 1);
    request_bind(request, "value_property",
                 arena_text(request_arena(request), text_at(rows, "value_property")));
    request_act_for(request, text_at(rows, "tenant_id"));
    return ingest_begin(request);
}

enum step operation_settle_reservation(struct request *request)
{
    const char *quantity = json_member_text(request_body(request), "quantity");

    request_bind(request, "quantity", quantity);
    return request_query(request, &statement_find_reservation, take_reservation);
}
