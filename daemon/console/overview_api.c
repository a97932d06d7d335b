#include "daemon/http/request.h"
#include "operations.h"
#include "statements.h"

/* Parts of the overview that need a permission beyond overview:read. */
static const struct {
    const char *bind, *permission;
} parts[] = {
    {"invoices_shown", "invoices:read"},
    {"operations_shown", "operations:read"},
    {"broadband_shown", "broadband:read"},
};

enum step operation_get_overview(struct request *request)
{
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        request_bind(request, parts[i].bind,
                     actor_may(request_actor(request), parts[i].permission) ? "true" : "false");
    request_prepend(request, &statement_plan_each_time);
    return request_run(request, &statement_get_overview);
}
