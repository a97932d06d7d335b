#include "daemon/http/request.h"
#include "operations.h"
#include "statements.h"

enum step operation_list_terminal_fees(struct request *request)
{
    return request_run(request, &statement_list_terminal_fees);
}

enum step operation_get_terminal_fee(struct request *request)
{
    return request_run(request, &statement_get_terminal_fee);
}

enum step operation_charge_terminal_fee(struct request *request)
{
    return request_run(request, &statement_charge_terminal_fee);
}

enum step operation_dispute_terminal_fee(struct request *request)
{
    return request_run(request, &statement_dispute_terminal_fee);
}

enum step operation_decide_terminal_fee(struct request *request)
{
    return request_run(request, &statement_decide_terminal_fee);
}
