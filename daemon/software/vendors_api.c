/*
 * Vendors' brokers. A password is sealed before PostgreSQL sees it, bound to its broker; the
 * courier opens it.
 */
#include "common/check.h"
#include "common/digest.h"
#include "common/identifier.h"
#include "daemon/http/environment.h"
#include "daemon/http/request.h"
#include "daemon/software/vendors.h"
#include "operations.h"
#include "proto/json.h"
#include "statements.h"

enum step operation_list_vendor_brokers(struct request *request)
{
    return request_run(request, &statement_list_vendor_brokers);
}

enum step operation_get_vendor_broker(struct request *request)
{
    return request_run(request, &statement_get_vendor_broker);
}

static const char *seal_password(struct arena *arena, const char *broker, struct slice password)
{
    unsigned char sealed[VENDOR_PASSWORD_LIMIT + SEAL_OVERHEAD];
    size_t length = password.length + SEAL_OVERHEAD;
    char *hex = arena_allocate(arena, 2 * length + 1, 1);

    check(password.length <= VENDOR_PASSWORD_LIMIT);
    seal_close(http_environment()->seal_keys, slice_of(vendor_password_place(arena, broker)),
               password, sealed);
    hex_write(sealed, length, hex);
    return hex;
}

/* Binds :order, the body without the password, :secret and :secret_sent. */
static void bind_order(struct request *request, const char *broker)
{
    const char *password = json_member_text(request_body(request), "password");
    json_t *order = json_deep_copy(request_body(request));

    check(order != NULL);
    request_bind(request, "secret_sent",
                 json_object_get(order, "password") == NULL ? "false" : "true");
    request_bind(request, "secret",
                 password == NULL
                     ? NULL
                     : seal_password(request_arena(request), broker, slice_of(password)));
    json_object_del(order, "password");
    request_bind(request, "order",
                 arena_copy(request_arena(request), json_canonical(request_arena(request), order)));
    json_decref(order);
}

enum step operation_create_vendor_broker(struct request *request)
{
    char *id = arena_allocate(request_arena(request), 1, IDENTIFIER_SIZE);

    identifier_make("vbr", id);
    request_bind(request, "broker_id", id);
    bind_order(request, id);
    return request_run(request, &statement_create_vendor_broker);
}

enum step operation_update_vendor_broker(struct request *request)
{
    bind_order(request, request_parameter(request, "vendor_broker_id"));
    return request_run(request, &statement_update_vendor_broker);
}

enum step operation_refresh_vendor_broker(struct request *request)
{
    return request_run(request, &statement_refresh_vendor_broker);
}

enum step operation_list_vendor_plans(struct request *request)
{
    return request_run(request, &statement_list_vendor_plans);
}

enum step operation_get_vendor_plan(struct request *request)
{
    return request_run(request, &statement_get_vendor_plan);
}

enum step operation_put_vendor_plan(struct request *request)
{
    return request_run(request, &statement_put_vendor_plan);
}

enum step operation_delete_vendor_plan(struct request *request)
{
    return request_run(request, &statement_delete_vendor_plan);
}

enum step operation_list_vendor_operations(struct request *request)
{
    return request_run(request, &statement_list_vendor_operations);
}

enum step operation_get_vendor_operation(struct request *request)
{
    return request_run(request, &statement_get_vendor_operation);
}

enum step operation_retry_vendor_operation(struct request *request)
{
    request_bind(request, "action", "retry");
    return request_run(request, &statement_act_on_vendor_operation);
}

enum step operation_abandon_vendor_operation(struct request *request)
{
    request_bind(request, "action", "abandon");
    return request_run(request, &statement_act_on_vendor_operation);
}
