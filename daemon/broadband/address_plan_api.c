#include "daemon/http/request.h"
#include "operations.h"
#include "statements.h"

enum step operation_list_address_pools(struct request *request)
{
    return request_run(request, &statement_list_address_pools);
}

enum step operation_get_address_pool(struct request *request)
{
    return request_run(request, &statement_get_address_pool);
}

enum step operation_create_address_pool(struct request *request)
{
    return request_run(request, &statement_create_address_pool);
}

enum step operation_update_address_pool(struct request *request)
{
    return request_run(request, &statement_update_address_pool);
}

static enum step set_state(struct request *request, const char *wanted)
{
    request_bind(request, "wanted", wanted);
    return request_run(request, &statement_set_address_pool_state);
}

enum step operation_retire_address_pool(struct request *request)
{
    return set_state(request, "retired");
}

enum step operation_reopen_address_pool(struct request *request)
{
    return set_state(request, "active");
}

enum step operation_list_address_prefixes(struct request *request)
{
    return request_run(request, &statement_list_address_prefixes);
}

enum step operation_get_address_prefix(struct request *request)
{
    return request_run(request, &statement_get_address_prefix);
}

enum step operation_add_address_prefix(struct request *request)
{
    return request_run(request, &statement_add_address_prefix);
}

enum step operation_withdraw_address_prefix(struct request *request)
{
    return request_run(request, &statement_withdraw_address_prefix);
}

enum step operation_list_address_assignments(struct request *request)
{
    request_bind(request, "named", request_parameter(request, "address"));
    return request_run(request, &statement_list_address_assignments);
}

enum step operation_list_resource_addresses(struct request *request)
{
    return request_run(request, &statement_list_resource_addresses);
}

enum step operation_get_resource_address(struct request *request)
{
    return request_run(request, &statement_get_resource_address);
}

enum step operation_add_resource_address(struct request *request)
{
    return request_run(request, &statement_add_resource_address);
}

enum step operation_drop_resource_address(struct request *request)
{
    return request_run(request, &statement_drop_resource_address);
}
