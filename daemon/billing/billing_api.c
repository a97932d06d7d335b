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

/* Lines, single events and steps of the working, together: pricing them holds the event loop for
 * some 20 ms. */
enum { PREVIEW_LIMIT = 3000 };

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
    const char *correction = result_is_null(item->rows, item->row, "correction_of")
                                 ? NULL
                                 : result_text(item->rows, item->row, "correction_of");

    preview->size += 1 + json_array_size(line->steps);
    if (preview->size > PREVIEW_LIMIT)
        return false;
    add(&preview->net, line->net);
    add(&preview->tax, line->tax);
    json_array_append_new(
        preview->lines,
        json_pack(
            "{s:i, s:s, s:s?, s:n, s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s?, "
            "s:s, s:o, s:s, s:s, s:o, s:O}",
            "line", (int)json_array_size(preview->lines) + 1, "kind",
            result_text(item->rows, item->row, "kind"), "correction_of", correction, "credits_line",
            "resource_id", result_text(item->rows, item->row, "resource_id"), "offering_id",
            result_text(item->rows, item->row, "offering_id"), "plan_id",
            result_text(item->rows, item->row, "plan_id"), "plan_version",
            (json_int_t)result_number(item->rows, item->row, "plan_version"), "charge_code",
            result_text(item->rows, item->row, "charge_code"), "description",
            result_text(item->rows, item->row, "description"), "description_en",
            result_text(item->rows, item->row, "description_en"), "service_starts_at",
            result_text(item->rows, item->row, "service_starts_at"), "service_ends_at",
            result_text(item->rows, item->row, "service_ends_at"), "quantity", line->quantity,
            "unit", result_text(item->rows, item->row, "unit"), "unit_amount", unit_amount,
            "billed_quantity", line->billed_quantity, "net", money(line->net), "tax_rate",
            result_text(item->rows, item->row, "tax_rate"), "exact_amount", line->amount, "tax",
            money(line->tax), "steps", line->steps));
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

/* Rows and single events, seen before any is read: an event is an array within its column's. */
static bool too_large(const PGresult *rows)
{
    size_t size = (size_t)PQntuples(rows);

    for (int row = 0; row < PQntuples(rows); row++)
        for (const char *at = result_text(rows, row, "events"); (at = strchr(at, '[')) != NULL;
             at++)
            size++;
    return size > PREVIEW_LIMIT;
}

static enum step answer_preview(struct request *request, const PGresult *rows)
{
    struct preview preview = {0};
    char problem[LINE_PROBLEM_SIZE];
    json_t *document;
    enum step next;

    if (too_large(rows))
        return request_refuse(request, "preview_too_large", NULL);
    preview.lines = json_array();
    number_start(&preview.net);
    number_start(&preview.tax);
    if (account_lines(rows, take_line, &preview, problem)) {
        document = preview_document(request, &preview);
        next = request_answer_json(request, 200, document);
        json_decref(document);
    } else if (preview.size > PREVIEW_LIMIT) {
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
    return request_query(request, &statement_billable_charges, answer_preview);
}
