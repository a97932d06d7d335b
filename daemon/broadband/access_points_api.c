#include "daemon/http/request.h"
#include "operations.h"
#include "statements.h"

enum step operation_list_access_points(struct request *request)
{
    return request_run(request, &statement_list_access_points);
}

enum step operation_get_access_point(struct request *request)
{
    return request_run(request, &statement_get_access_point);
}

enum step operation_create_access_point(struct request *request)
{
    return request_run(request, &statement_create_access_point);
}

enum step operation_update_access_point(struct request *request)
{
    return request_run(request, &statement_update_access_point);
}

static enum step set_state(struct request *request, const char *wanted)
{
    request_bind(request, "wanted", wanted);
    return request_run(request, &statement_set_access_point_state);
}

enum step operation_retire_access_point(struct request *request)
{
    return set_state(request, "retired");
}

enum step operation_reopen_access_point(struct request *request)
{
    return set_state(request, "active");
}
