/*
 * Network access servers. The secret for disconnects is sealed before PostgreSQL sees it, bound to
 * its server; the courier opens it.
 */
#include "common/check.h"
#include "common/identifier.h"
#include "daemon/http/environment.h"
#include "daemon/http/request.h"
#include "operations.h"
#include "proto/json.h"
#include "statements.h"

enum { SECRET_LIMIT = 4 * 64 }; /* bytes; the contract bounds it to as many characters */

enum step operation_list_network_access_servers(struct request *request)
{
    return request_run(request, &statement_list_network_access_servers);
}

enum step operation_get_network_access_server(struct request *request)
{
    return request_run(request, &statement_get_network_access_server);
}

/* As order_disconnect of the schema names the place. */
static const char *seal_secret(struct arena *arena, const char *server, struct slice secret)
{
    const char *place = arena_format(arena, "/radius_servers/coa_secret/%s", server);

    check(secret.length <= SECRET_LIMIT);
    return seal_close_text(http_environment()->seal_keys, arena, slice_of(place), secret);
}

/* Binds :order, the body without the secret, :secret and :secret_sent. */
static void bind_order(struct request *request, const char *server)
{
    const char *secret = json_member_text(request_body(request), "coa_secret");
    json_t *order = json_deep_copy(request_body(request));

    check(order != NULL);
    request_bind(request, "secret_sent",
                 json_object_get(order, "coa_secret") == NULL ? "false" : "true");
    request_bind(request, "secret",
                 secret == NULL ? NULL
                                : seal_secret(request_arena(request), server, slice_of(secret)));
    json_object_del(order, "coa_secret");
    request_bind(request, "order",
                 arena_copy(request_arena(request), json_canonical(request_arena(request), order)));
    json_decref(order);
}

enum step operation_create_network_access_server(struct request *request)
{
    char *id = arena_allocate(request_arena(request), 1, IDENTIFIER_SIZE);

    identifier_make("nas", id);
    request_bind(request, "server_id", id);
    bind_order(request, id);
    return request_run(request, &statement_create_network_access_server);
}

enum step operation_update_network_access_server(struct request *request)
{
    bind_order(request, request_parameter(request, "network_access_server_id"));
    return request_run(request, &statement_update_network_access_server);
}
