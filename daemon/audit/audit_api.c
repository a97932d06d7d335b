#include "daemon/http/request.h"
#include "operations.h"
#include "statements.h"

enum step operation_list_audit_events(struct request *request)
{
    /* The filter is called "actor"; in statements that name is of whoever asks. */
    request_bind(request, "actor_id", request_parameter(request, "actor"));
    return request_run(request, &statement_list_audit_events);
}
