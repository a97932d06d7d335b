#include "daemon/http/request.h"
#include "operations.h"
#include "statements.h"

enum step operation_list_operations(struct request *request)
{
    return request_run(request, &statement_list_operations);
}

enum step operation_get_operation(struct request *request)
{
    return request_run(request, &statement_get_operation);
}
