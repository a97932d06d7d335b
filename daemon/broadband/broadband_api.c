#include "daemon/http/request.h"
#include "operations.h"
#include "statements.h"

enum step operation_list_broadband_sessions(struct request *request)
{
    return request_run(request, &statement_list_broadband_sessions);
}

enum step operation_list_line_samples(struct request *request)
{
    return request_run(request, &statement_list_line_samples);
}

enum step operation_send_line_counters(struct request *request)
{
    return request_run(request, &statement_send_line_counters);
}

enum step operation_list_radius_quarantine(struct request *request)
{
    return request_run(request, &statement_list_radius_quarantine);
}
