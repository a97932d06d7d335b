#include "daemon/http/request.h"
#include "operations.h"
#include "statements.h"

enum step operation_list_waiting_list_entries(struct request *request)
{
    return request_run(request, &statement_list_waiting_list_entries);
}

enum step operation_get_waiting_list_entry(struct request *request)
{
    return request_run(request, &statement_get_waiting_list_entry);
}

enum step operation_join_waiting_list(struct request *request)
{
    return request_run(request, &statement_join_waiting_list);
}

enum step operation_cancel_waiting_list_entry(struct request *request)
{
    return request_run(request, &statement_cancel_waiting_list_entry);
}
