#include "daemon/billing/account.h"
#include "daemon/db/session.h"
#include "daemon/http/request.h"
#include "operations.h"
#include "statements.h"

enum step operation_list_billing_runs(struct request *request)
{
    return request_run(request, &statement_list_billing_runs);
}

enum step operation_get_billing_run(struct request *request)
{
    return request_run(request, &statement_get_billing_run);
}

enum step operation_create_billing_run(struct request *request)
{
    return request_run(request, &statement_create_billing_run);
}

enum step operation_list_invoices(struct request *request)
{
    return request_run(request, &statement_list_invoices);
}

enum step operation_get_invoice(struct request *request)
{
    return request_run(request, &statement_get_invoice);
}

enum step operation_update_invoice(struct request *request)
{
    return request_run(request, &statement_update_invoice);
}

enum step operation_list_invoice_lines(struct request *request)
{
    return request_run(request, &statement_list_invoice_lines);
}

enum step operation_explain_invoice_line(struct request *request)
{
    return request_run(request, &statement_explain_invoice_line);
}

enum step operation_finalize_invoice(struct request *request)
{
    return request_run(request, &statement_queue_finalize_invoice);
}

enum step operation_create_credit_note(struct request *request)
{
    return request_run(request, &statement_create_credit_note);
}

enum step operation_list_credit_notes(struct request *request)
{
    return request_run(request, &statement_list_credit_notes);
}

enum step operation_get_credit_note(struct request *request)
{
    return request_run(request, &statement_get_credit_note);
}

enum step operation_list_credit_note_lines(struct request *request)
{
    return request_run(request, &statement_list_credit_note_lines);
}

enum step operation_list_periods(struct request *request)
{
    return request_run(request, &statement_list_periods);
}

enum step operation_get_period(struct request *request)
{
    return request_run(request, &statement_get_period);
}

enum step operation_close_period(struct request *request)
{
    return request_run(request, &statement_queue_close_period);
}

enum step operation_list_tax_rates(struct request *request)
{
    return request_run(request, &statement_list_tax_rates);
}

enum step operation_create_tax_rate(struct request *request)
{
    return request_run(request, &statement_create_tax_rate);
}

/* ---- Preview: a month's bill as it would be now, from the same lines as a run's ---- */

struct preview {
    json_t *lines;
    size_t size; /* of lines and steps so far */
    struct number net, tax;
};

static json_t *money(const char *amount)
{
    return json_pack("{s:s, s:s}", "amount", amount, "currency", "CNY");
}

static void add(struct number *sum, const char *text)
{
    struct number number;

    number_start(&number);
    number_parse_stored(&number, slice_of(text));
    number_add(sum, sum, &number);
    number_end(&number);
}

static bool take_line(void *context, const struct account_line *item)
{
    struct preview *preview = context;
    const struct line *line = &item->line;
    const char *unit_amount = line->unit_amount[0] == '\0' ? NULL : line->unit_amount;

    preview->size += 1 + json_array_size(line->steps);
    if (preview->size > ACCOUNT_AT_ONCE)
        return false;
    add(&preview->net, line->net);
    add(&preview->tax, line->tax);
    json_array_append_new(
        preview->lines,
        json_pack(
            "{s:i, s:s, s:s?, s:n, s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s?, "
            "s:s, s:o, s:s, s:s, s:o, s:O}",
            "line", (int)json_array_size(preview->lines) + 1, "kind", account_text(item, "kind"),
            "correction_of", account_text(item, "correction_of"), "credits_line", "resource_id",
            account_text(item, "resource_id"), "offering_id", account_text(item, "offering_id"),
            "plan_id", account_text(item, "plan_id"), "plan_version",
            (json_int_t)result_number(item->rows, item->base_row, "plan_version"), "charge_code",
            account_text(item, "charge_code"), "description", account_text(item, "description"),
            "description_en", account_text(item, "description_en"), "service_starts_at",
            account_text(item, "service_starts_at"), "service_ends_at",
            account_text(item, "service_ends_at"), "quantity", line->quantity, "unit",
            account_text(item, "unit"), "unit_amount", unit_amount, "billed_quantity",
            line->billed_quantity, "net", money(line->net), "tax_rate",
            account_text(item, "tax_rate"), "exact_amount", line->amount, "tax", money(line->tax),
            "steps", line->steps));
    return true;
}

static json_t *preview_document(struct request *request, struct preview *preview)
{
    char net[NUMBER_TEXT_SIZE], tax[NUMBER_TEXT_SIZE], total[NUMBER_TEXT_SIZE];

    number_write_fixed(&preview->net, CURRENCY_DIGITS, net);
    number_write_fixed(&preview->tax, CURRENCY_DIGITS, tax);
    number_add(&preview->net, &preview->net, &preview->tax);
    number_write_fixed(&preview->net, CURRENCY_DIGITS, total);
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:O}", "tenant_id", request_tenant(request),
                     "period", request_parameter(request, "period"), "net", money(net), "tax",
                     money(tax), "total", money(total), "lines", preview->lines);
}

static enum step answer_preview(struct request *request, const PGresult *rows)
{
    struct preview preview = {0};
    char problem[LINE_PROBLEM_SIZE];
    json_t *document;
    enum step next;

    if (account_too_large(rows))
        return request_refuse(request, "preview_too_large", NULL);
    preview.lines = json_array();
    number_start(&preview.net);
    number_start(&preview.tax);
    if (account_lines(rows, 0, PQntuples(rows), take_line, &preview, problem)) {
        document = preview_document(request, &preview);
        next = request_answer_json(request, 200, document);
        json_decref(document);
    } else if (preview.size > ACCOUNT_AT_ONCE) {
        next = request_refuse(request, "preview_too_large", NULL);
    } else {
        next = request_refuse(request, "account_failed", problem);
    }
    number_end(&preview.net);
    number_end(&preview.tax);
    json_decref(preview.lines);
    return next;
}

enum step operation_preview_invoice(struct request *request)
{
    if (request_tenant(request) == NULL)
        return request_refuse(request, "tenant_required", NULL);
    request_bind(request, "period",
                 json_string_value(json_object_get(request_body(request), "period")));
    request_prepend(request, &statement_require_tenant);
    return request_query(request, &statement_billable_charges_of_tenant, answer_preview);
}
