#include "daemon/http/request.h"
#include "operations.h"
#include "statements.h"

enum step operation_list_approval_rules(struct request *request)
{
    return request_run(request, &statement_list_approval_rules);
}

enum step operation_get_approval_rule(struct request *request)
{
    return request_run(request, &statement_get_approval_rule);
}

enum step operation_create_approval_rule(struct request *request)
{
    return request_run(request, &statement_create_approval_rule);
}

enum step operation_update_approval_rule(struct request *request)
{
    return request_run(request, &statement_update_approval_rule);
}
