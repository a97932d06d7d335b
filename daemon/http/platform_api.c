/*
 * The operations of the platform itself: health, metrics, the contract.
 */
#include "common/metric.h"
#include "daemon/http/environment.h"
#include "daemon/http/request.h"
#include "operations.h"

enum { METRICS_TEXT_LIMIT = 256 * 1024 };

enum step operation_get_liveness(struct request *request)
{
    return request_answer_bytes(request, 200, "application/json", slice_of("{\"status\":\"ok\"}"));
}

enum step operation_get_readiness(struct request *request)
{
    const struct http_environment *environment = http_environment();

    if (environment->draining || !database_ready(environment->database)) {
        request_add_field(request, "Retry-After", "1");
        return request_refuse(request, "not_ready", NULL);
    }
    return request_answer_bytes(request, 200, "application/json", slice_of("{\"status\":\"ok\"}"));
}

enum step operation_get_metrics(struct request *request)
{
    struct buffer text;
    enum step next;

    if (http_environment()->metrics_listener != request_listener(request))
        return request_refuse(request, "not_found", NULL);
    text = buffer_make(METRICS_TEXT_LIMIT);
    metric_write_all(&text);
    next = request_answer_bytes(request, 200, "text/plain; version=0.0.4; charset=utf-8",
                                buffer_slice(&text));
    buffer_free(&text);
    return next;
}

enum step operation_get_contract(struct request *request)
{
    return request_answer_constant(request, 200, "application/json",
                                   (struct slice){contract_document, contract_document_length});
}
