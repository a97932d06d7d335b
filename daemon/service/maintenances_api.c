#include "daemon/http/request.h"
#include "operations.h"
#include "statements.h"

enum step operation_list_maintenances(struct request *request)
{
    return request_run(request, &statement_list_maintenances);
}

enum step operation_get_maintenance(struct request *request)
{
    return request_run(request, &statement_get_maintenance);
}

enum step operation_create_maintenance(struct request *request)
{
    return request_run(request, &statement_create_maintenance);
}

static enum step act(struct request *request, const char *action)
{
    request_bind(request, "action", action);
    return request_run(request, &statement_act_on_maintenance);
}

enum step operation_announce_maintenance(struct request *request)
{
    return act(request, "announce");
}

enum step operation_finish_maintenance(struct request *request)
{
    return act(request, "finish");
}

enum step operation_cancel_maintenance(struct request *request)
{
    return act(request, "cancel");
}
