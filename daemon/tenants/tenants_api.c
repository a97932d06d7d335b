#include "daemon/http/request.h"
#include "operations.h"
#include "statements.h"

enum step operation_list_parks(struct request *request)
{
    return request_run(request, &statement_list_parks);
}

enum step operation_get_park(struct request *request)
{
    return request_run(request, &statement_get_park);
}

enum step operation_create_park(struct request *request)
{
    return request_run(request, &statement_create_park);
}

enum step operation_update_park(struct request *request)
{
    return request_run(request, &statement_update_park);
}

enum step operation_list_tenants(struct request *request)
{
    return request_run(request, &statement_list_tenants);
}

enum step operation_get_tenant(struct request *request)
{
    return request_run(request, &statement_get_tenant);
}

enum step operation_create_tenant(struct request *request)
{
    return request_run(request, &statement_create_tenant);
}

enum step operation_update_tenant(struct request *request)
{
    return request_run(request, &statement_update_tenant);
}

static enum step set_state(struct request *request, const char *from, const char *to)
{
    request_bind(request, "from_states", from);
    request_bind(request, "to_state", to);
    return request_run(request, &statement_set_tenant_state);
}

enum step operation_suspend_tenant(struct request *request)
{
    return set_state(request, "active", "suspended");
}

enum step operation_resume_tenant(struct request *request)
{
    return set_state(request, "suspended", "active");
}

enum step operation_close_tenant(struct request *request)
{
    return set_state(request, "active,suspended", "closed");
}

enum step operation_list_tenant_certificates(struct request *request)
{
    return request_run(request, &statement_list_tenant_certificates);
}

enum step operation_get_tenant_certificate(struct request *request)
{
    return request_run(request, &statement_get_tenant_certificate);
}

enum step operation_add_tenant_certificate(struct request *request)
{
    return request_run(request, &statement_add_tenant_certificate);
}

enum step operation_remove_tenant_certificate(struct request *request)
{
    return request_run(request, &statement_remove_tenant_certificate);
}
