#include "daemon/http/request.h"
#include "operations.h"
#include "statements.h"

enum step operation_list_broadband_sessions(struct request *request)
{
    return request_run(request, &statement_list_broadband_sessions);
}

enum step operation_list_radius_quarantine(struct request *request)
{
    return request_run(request, &statement_list_radius_quarantine);
}
