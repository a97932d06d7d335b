#include "daemon/http/request.h"
#include "operations.h"
#include "statements.h"

enum step operation_list_terminal_models(struct request *request)
{
    return request_run(request, &statement_list_terminal_models);
}

enum step operation_get_terminal_model(struct request *request)
{
    return request_run(request, &statement_get_terminal_model);
}

enum step operation_create_terminal_model(struct request *request)
{
    return request_run(request, &statement_create_terminal_model);
}

enum step operation_update_terminal_model(struct request *request)
{
    return request_run(request, &statement_update_terminal_model);
}

static enum step set_state(struct request *request, const char *state)
{
    request_bind(request, "new_state", state);
    return request_run(request, &statement_set_terminal_model_state);
}

enum step operation_retire_terminal_model(struct request *request)
{
    return set_state(request, "retired");
}

enum step operation_restore_terminal_model(struct request *request)
{
    return set_state(request, "active");
}

enum step operation_list_terminal_locations(struct request *request)
{
    return request_run(request, &statement_list_terminal_locations);
}

enum step operation_get_terminal_location(struct request *request)
{
    return request_run(request, &statement_get_terminal_location);
}

enum step operation_create_terminal_location(struct request *request)
{
    return request_run(request, &statement_create_terminal_location);
}

enum step operation_update_terminal_location(struct request *request)
{
    return request_run(request, &statement_update_terminal_location);
}
