#include <string.h>

#include "daemon/billing/account.h"
#include "daemon/db/session.h"
#include "daemon/http/request.h"
#include "operations.h"
#include "statements.h"

enum step operation_list_service_credit_rules(struct request *request)
{
    return request_run(request, &statement_list_service_credit_rules);
}

enum step operation_get_service_credit_rule(struct request *request)
{
    return request_run(request, &statement_get_service_credit_rule);
}

enum step operation_create_service_credit_rule(struct request *request)
{
    return request_run(request, &statement_create_service_credit_rule);
}

enum step operation_update_service_credit_rule(struct request *request)
{
    return request_run(request, &statement_update_service_credit_rule);
}

/* ---- What was credited; of a tenant's month that is not settled, what would be ---- */

struct listed {
    const struct request *request;
    const char *resource; /* this one's; NULL: all */
    json_t *data;
    size_t size; /* of lines and steps so far */
};

static json_t *money(const char *amount)
{
    return json_pack("{s:s, s:s}", "amount", amount, "currency", "CNY");
}

static bool take_line(void *context, const struct account_line *item)
{
    struct listed *listed = context;
    const char *resource = result_text(item->rows, item->row, "resource_id");
    const json_t *rule = json_object_get(item->credit, "rule");

    listed->size += 1 + json_array_size(item->line.steps);
    if (listed->size > ACCOUNT_AT_ONCE)
        return false;
    if (item->credit == NULL ||
        (listed->resource != NULL && strcmp(listed->resource, resource) != 0))
        return true;
    json_array_append_new(
        listed->data,
        json_pack("{s:s, s:s, s:s, s:s?, s:O, s:O, s:s, s:O, s:O, s:o, s:o, s:n, s:n}", "tenant_id",
                  request_tenant(listed->request), "resource_id", resource, "period",
                  request_parameter(listed->request, "period"), "correction_of",
                  account_text(item, "correction_of"), "measure",
                  json_object_get(item->credit, "measure"), "minutes",
                  json_object_get(item->credit, "minutes"), "percent", item->percent, "rule_id",
                  json_object_get(rule, "id"), "rule_version", json_object_get(rule, "version"),
                  "net", money(item->line.net), "tax", money(item->line.tax), "invoice_id",
                  "line"));
    return true;
}

static enum step answer_bill(struct request *request, const PGresult *rows)
{
    struct listed listed = {.request = request,
                            .resource = request_parameter(request, "resource_id")};
    char problem[LINE_PROBLEM_SIZE];
    enum step next;

    if (account_too_large(rows))
        return request_refuse(request, "preview_too_large", NULL);
    listed.data = json_array();
    if (account_lines(rows, 0, PQntuples(rows), take_line, &listed, problem)) {
        json_t *document = json_pack("{s:O, s:n}", "data", listed.data, "next_cursor");
        next = request_answer_json(request, 200, document);
        json_decref(document);
    } else if (listed.size > ACCOUNT_AT_ONCE) {
        next = request_refuse(request, "preview_too_large", NULL);
    } else {
        next = request_refuse(request, "account_failed", problem);
    }
    json_decref(listed.data);
    return next;
}

static enum step answer_month(struct request *request, const PGresult *rows)
{
    if (strcmp(result_text(rows, 0, "settled"), "true") == 0)
        return request_run(request, &statement_list_service_credits);
    return request_query(request, &statement_billable_charges_of_tenant, answer_bill);
}

enum step operation_list_service_credits(struct request *request)
{
    if (request_tenant(request) == NULL || request_parameter(request, "period") == NULL)
        return request_run(request, &statement_list_service_credits);
    return request_query(request, &statement_month_is_settled, answer_month);
}
