#include "daemon/http/request.h"
#include "operations.h"
#include "statements.h"

enum step operation_list_seats(struct request *request)
{
    return request_run(request, &statement_list_seats);
}

enum step operation_get_seat(struct request *request)
{
    return request_run(request, &statement_get_seat);
}

enum step operation_assign_seat(struct request *request)
{
    return request_run(request, &statement_assign_seat);
}

enum step operation_release_seat(struct request *request)
{
    return request_run(request, &statement_release_seat);
}
