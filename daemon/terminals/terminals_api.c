#include "daemon/http/request.h"
#include "operations.h"
#include "statements.h"

enum step operation_list_terminals(struct request *request)
{
    return request_run(request, &statement_list_terminals);
}

enum step operation_get_terminal(struct request *request)
{
    return request_run(request, &statement_get_terminal);
}

enum step operation_create_terminal(struct request *request)
{
    return request_run(request, &statement_create_terminal);
}

enum step operation_update_terminal(struct request *request)
{
    return request_run(request, &statement_update_terminal);
}

enum step operation_list_terminal_history(struct request *request)
{
    return request_run(request, &statement_list_terminal_history);
}

static enum step act(struct request *request, const char *action)
{
    request_bind(request, "action", action);
    return request_run(request, &statement_act_on_terminal);
}

enum step operation_reserve_terminal(struct request *request)
{
    return act(request, "reserve");
}

enum step operation_release_terminal(struct request *request)
{
    return act(request, "release");
}

enum step operation_check_out_terminal(struct request *request)
{
    return act(request, "check-out");
}

enum step operation_check_in_terminal(struct request *request)
{
    return act(request, "check-in");
}

enum step operation_repair_terminal(struct request *request)
{
    return act(request, "repair");
}

enum step operation_restock_terminal(struct request *request)
{
    return act(request, "restock");
}

enum step operation_lose_terminal(struct request *request)
{
    return act(request, "lose");
}

enum step operation_retire_terminal(struct request *request)
{
    return act(request, "retire");
}

enum step operation_extend_terminal(struct request *request)
{
    return act(request, "extend");
}

enum step operation_swap_terminal(struct request *request)
{
    return request_run(request, &statement_swap_terminal);
}

enum step operation_reserve_any_terminal(struct request *request)
{
    return request_run(request, &statement_reserve_any_terminal);
}

enum step operation_list_deposits(struct request *request)
{
    return request_run(request, &statement_list_deposits);
}
