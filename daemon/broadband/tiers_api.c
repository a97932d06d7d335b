#include "daemon/http/request.h"
#include "operations.h"
#include "statements.h"

enum step operation_list_broadband_tiers(struct request *request)
{
    return request_run(request, &statement_list_broadband_tiers);
}

enum step operation_get_broadband_tier(struct request *request)
{
    return request_run(request, &statement_get_broadband_tier);
}

enum step operation_create_broadband_tier(struct request *request)
{
    return request_run(request, &statement_create_broadband_tier);
}

enum step operation_update_broadband_tier(struct request *request)
{
    return request_run(request, &statement_update_broadband_tier);
}

static enum step set_state(struct request *request, const char *wanted)
{
    request_bind(request, "wanted", wanted);
    return request_run(request, &statement_set_broadband_tier_state);
}

enum step operation_retire_broadband_tier(struct request *request)
{
    return set_state(request, "retired");
}

enum step operation_reopen_broadband_tier(struct request *request)
{
    return set_state(request, "active");
}
