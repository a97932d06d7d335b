/*
 * route and permit: which operation a request names, whether it may be asked for on this listener,
 * and whether this actor may do it. A path that the contract does not know may be a page.
 */
#include "daemon/http/request_internal.h"

static bool listener_serves(const struct request *request)
{
    const struct http_environment *environment = http_environment();
    bool certificate = request->operation->audience == CONTRACT_CERTIFICATE;

    if (request->listener == environment->public_listener)
        return !certificate;
    if (request->listener == environment->client_listener)
        return certificate || request->operation->audience == CONTRACT_PUBLIC;
    return request->operation->audience == CONTRACT_PUBLIC &&
           request->operation->method == HTTP1_GET;
}

enum step request_refuse_method(struct request *request, const char *allow)
{
    request_add_field(request, "Allow", allow);
    return request->head.method == HTTP1_OPTIONS
               ? request_answer_empty(request, 204)
               : request_refuse(request, "method_not_allowed", NULL);
}

static enum step answer_page(struct request *request)
{
    enum step next = NEXT;

    if (request->listener == http_environment()->public_listener)
        for (size_t i = 0; next == NEXT && page_handlers[i] != NULL; i++)
            next = page_handlers[i](request, request->head.method, request->head.path);
    return next;
}

enum step request_route(struct request *request)
{
    enum contract_match match =
        contract_find(request->head.method, request->head.path, &request->route);

    if (match == CONTRACT_NO_PATH)
        return answer_page(request) == NEXT ? request_refuse(request, "not_found", NULL) : DONE;
    if (match == CONTRACT_NO_METHOD)
        return request_refuse_method(request, request->route.allow);
    request->operation_number = request->route.operation;
    request->operation = &contract_operations[request->operation_number];
    return listener_serves(request) ? NEXT : request_refuse(request, "not_found", NULL);
}

static bool audience_holds(const struct request *request)
{
    switch (request->operation->audience) {
    case CONTRACT_PUBLIC:
        return true;
    case CONTRACT_SIGNED_IN:
        return request->actor.side != ACTOR_NOBODY;
    case CONTRACT_OPERATOR:
        return request->actor.side == ACTOR_OPERATOR;
    case CONTRACT_CERTIFICATE:
        return request->certificate_name != NULL;
    }
    return false;
}

enum step request_permit(struct request *request)
{
    if (!audience_holds(request) || (request->operation->audience != CONTRACT_PUBLIC &&
                                     request->operation->audience != CONTRACT_CERTIFICATE &&
                                     !actor_may(&request->actor, request->operation->permission)))
        return request_refuse(request, "forbidden", NULL);
    return NEXT;
}
