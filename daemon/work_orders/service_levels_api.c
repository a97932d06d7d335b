#include "daemon/http/request.h"
#include "operations.h"
#include "statements.h"

enum step operation_list_service_levels(struct request *request)
{
    return request_run(request, &statement_list_service_levels);
}

enum step operation_update_service_level(struct request *request)
{
    return request_run(request, &statement_update_service_level);
}

enum step operation_get_business_days(struct request *request)
{
    return request_run(request, &statement_get_business_days);
}

enum step operation_put_business_days(struct request *request)
{
    return request_run(request, &statement_put_business_days);
}
