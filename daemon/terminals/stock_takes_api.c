#include "daemon/http/request.h"
#include "operations.h"
#include "statements.h"

enum step operation_list_stock_takes(struct request *request)
{
    return request_run(request, &statement_list_stock_takes);
}

enum step operation_get_stock_take(struct request *request)
{
    return request_run(request, &statement_get_stock_take);
}

enum step operation_create_stock_take(struct request *request)
{
    return request_run(request, &statement_create_stock_take);
}

enum step operation_scan_stock_take(struct request *request)
{
    return request_run(request, &statement_scan_stock_take);
}

enum step operation_close_stock_take(struct request *request)
{
    return request_run(request, &statement_close_stock_take);
}

enum step operation_cancel_stock_take(struct request *request)
{
    return request_run(request, &statement_cancel_stock_take);
}

enum step operation_list_stock_take_differences(struct request *request)
{
    return request_run(request, &statement_list_stock_take_differences);
}
