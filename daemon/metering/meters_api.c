#include "daemon/http/request.h"
#include "operations.h"
#include "statements.h"

enum step operation_list_meters(struct request *request)
{
    return request_run(request, &statement_list_meters);
}

enum step operation_get_meter(struct request *request)
{
    return request_run(request, &statement_get_meter);
}

enum step operation_create_meter(struct request *request)
{
    return request_run(request, &statement_create_meter);
}

enum step operation_back_compute_meter(struct request *request)
{
    return request_run(request, &statement_queue_back_computation);
}
