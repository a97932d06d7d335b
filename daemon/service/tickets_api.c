#include "daemon/http/request.h"
#include "operations.h"
#include "statements.h"

enum step operation_list_tickets(struct request *request)
{
    return request_run(request, &statement_list_tickets);
}

enum step operation_get_ticket(struct request *request)
{
    return request_run(request, &statement_get_ticket);
}

enum step operation_create_ticket(struct request *request)
{
    return request_run(request, &statement_create_ticket);
}

enum step operation_list_ticket_entries(struct request *request)
{
    return request_run(request, &statement_list_ticket_entries);
}

static enum step act(struct request *request, const char *action)
{
    request_bind(request, "action", action);
    return request_run(request, &statement_act_on_ticket);
}

enum step operation_note_ticket(struct request *request)
{
    bool internal = json_is_true(json_object_get(request_body(request), "internal"));

    if (internal && request_actor(request)->side != ACTOR_OPERATOR)
        return request_refuse(request, "forbidden", NULL);
    return act(request, "note");
}

enum step operation_acknowledge_ticket(struct request *request)
{
    return act(request, "acknowledge");
}

enum step operation_resolve_ticket(struct request *request)
{
    return act(request, "resolve");
}

enum step operation_reopen_ticket(struct request *request)
{
    return act(request, "reopen");
}

enum step operation_close_ticket(struct request *request)
{
    return act(request, "close");
}
