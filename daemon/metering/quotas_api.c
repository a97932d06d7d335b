#include "daemon/http/request.h"
#include "operations.h"
#include "statements.h"

enum step operation_list_quotas(struct request *request)
{
    return request_run(request, &statement_list_quotas);
}

enum step operation_create_quota(struct request *request)
{
    return request_run(request, &statement_create_quota);
}

enum step operation_get_quota(struct request *request)
{
    return request_run(request, &statement_get_quota);
}

enum step operation_update_quota(struct request *request)
{
    return request_run(request, &statement_update_quota);
}

enum step operation_delete_quota(struct request *request)
{
    return request_run(request, &statement_delete_quota);
}

enum step operation_list_quota_alerts(struct request *request)
{
    return request_run(request, &statement_list_quota_alerts);
}
