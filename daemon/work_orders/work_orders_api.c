#include "daemon/http/request.h"
#include "operations.h"
#include "proto/json.h"
#include "statements.h"

enum step operation_list_work_orders(struct request *request)
{
    return request_run(request, &statement_list_work_orders);
}

enum step operation_get_work_order(struct request *request)
{
    return request_run(request, &statement_get_work_order);
}

enum step operation_create_work_order(struct request *request)
{
    return request_run(request, &statement_create_work_order);
}

enum step operation_update_work_order(struct request *request)
{
    return request_run(request, &statement_update_work_order);
}

enum step operation_list_work_order_history(struct request *request)
{
    return request_run(request, &statement_list_work_order_history);
}

static enum step act(struct request *request, const char *action)
{
    request_bind(request, "action", action);
    return request_run(request, &statement_act_on_work_order);
}

enum step operation_schedule_work_order(struct request *request)
{
    return act(request, "schedule");
}

enum step operation_accept_work_order(struct request *request)
{
    return act(request, "accept");
}

/* To say from when it counts takes a permission, as it does of a resource. */
static enum step act_at(struct request *request, const char *action, const char *member)
{
    if (json_member_text(request_body(request), member) != NULL &&
        !actor_may(request_actor(request), "resources:backdate"))
        return request_refuse(request, "backdating_forbidden", NULL);
    return act(request, action);
}

enum step operation_start_work_order(struct request *request)
{
    return act_at(request, "start", "started_at");
}

enum step operation_pause_work_order(struct request *request)
{
    return act(request, "pause");
}

enum step operation_continue_work_order(struct request *request)
{
    return act(request, "continue");
}

enum step operation_complete_work_order(struct request *request)
{
    return act_at(request, "complete", "done_at");
}

enum step operation_stop_work_order(struct request *request)
{
    return act(request, "stop");
}

enum step operation_cancel_work_order(struct request *request)
{
    return act(request, "cancel");
}
