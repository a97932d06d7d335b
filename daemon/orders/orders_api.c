#include <string.h>

#include "common/identifier.h"
#include "common/instant.h"
#include "daemon/db/session.h"
#include "daemon/http/request.h"
#include "daemon/orders/quote.h"
#include "operations.h"
#include "proto/json.h"
#include "statements.h"

enum { ORDER_RESOURCES_LIMIT = 200 }; /* beginning an order makes all of them in one transaction */

enum step operation_list_orders(struct request *request)
{
    return request_run(request, &statement_list_orders);
}

enum step operation_get_order(struct request *request)
{
    return request_run(request, &statement_get_order);
}

enum step operation_list_order_history(struct request *request)
{
    return request_run(request, &statement_list_order_history);
}

/* ---- The cart ---- */

static const json_t *cart(const struct request *request)
{
    return json_object_get(request_body(request), "items");
}

/* How many resources a cart rents. */
static size_t resource_count(const json_t *items)
{
    size_t count = 0;

    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i);
        const json_t *times = json_object_get(item, "count");
        count += times == NULL ? 1 : (size_t)json_integer_value(times);
    }
    return count;
}

/* Binds :resource_ids, one for each resource of the cart; of one that is there already it is not
 * looked at. */
static void bind_resource_ids(struct request *request, size_t count)
{
    json_t *ids = json_array();
    char id[IDENTIFIER_SIZE];

    for (size_t i = 0; i < count; i++) {
        identifier_make("res", id);
        json_array_append_new(ids, json_string(id));
    }
    request_bind(request, "resource_ids",
                 arena_copy(request_arena(request), json_canonical(request_arena(request), ids)));
    json_decref(ids);
}

static enum step write_cart(struct request *request, const struct statement *statement)
{
    size_t count = resource_count(cart(request));

    if (count > ORDER_RESOURCES_LIMIT)
        return request_refuse(request, "order_too_large", NULL);
    bind_resource_ids(request, count);
    return request_run(request, statement);
}

enum step operation_create_order(struct request *request)
{
    return write_cart(request, &statement_create_order);
}

enum step operation_update_order(struct request *request)
{
    return write_cart(request, &statement_update_order);
}

/* ---- What it costs ---- */

/* The price of the rows; NULL with *next when there is none. */
static json_t *price(struct request *request, const PGresult *rows, enum step *next)
{
    char now[INSTANT_TEXT_SIZE], problem[LINE_PROBLEM_SIZE];
    json_t *quote = NULL;

    instant_write(instant_now(), now);
    if (PQntuples(rows) > QUOTE_LINES_LIMIT)
        *next = request_refuse(request, "order_too_large", NULL);
    else if ((quote = quote_make(rows, now, problem)) == NULL)
        *next = request_refuse(request, "price_unknown", problem);
    return quote;
}

static enum step answer_quote(struct request *request, json_t *quote)
{
    enum step next = request_answer_json(request, 0, quote);

    json_decref(quote);
    return next;
}

static enum step answer_cart(struct request *request, const PGresult *rows)
{
    enum step next;
    json_t *quote = price(request, rows, &next);

    return quote == NULL ? next : answer_quote(request, quote);
}

static enum step charge_cart(struct request *request, const PGresult *rows)
{
    (void)rows;
    return request_query(request, &statement_list_cart_charges, answer_cart);
}

enum step operation_quote_cart(struct request *request)
{
    if (resource_count(cart(request)) > ORDER_RESOURCES_LIMIT)
        return request_refuse(request, "order_too_large", NULL);
    request_bind(
        request, "items",
        arena_copy(request_arena(request), json_canonical(request_arena(request), cart(request))));
    return request_query(request, &statement_check_cart, charge_cart);
}

static enum step answer_order_quote(struct request *request, const PGresult *rows)
{
    if (PQntuples(rows) == 0)
        return request_refuse(request, "not_found", NULL);
    if (result_is_null(rows, 0, "quote"))
        return answer_cart(request, rows);
    return answer_quote(request, json_loads(result_text(rows, 0, "quote"), 0, NULL));
}

enum step operation_get_order_quote(struct request *request)
{
    return request_query(request, &statement_list_order_charges, answer_order_quote);
}

/* ---- Placing, approving, cancelling ---- */

/* True when the client did not say what the first bill comes to, or said what it does. */
static bool price_as_shown(const struct request *request, const json_t *quote)
{
    const char *shown = json_member_text(request_body(request), "first_bill_total");
    const json_t *total = json_object_get(json_object_get(quote, "first_bill"), "total");
    struct number one, other;

    if (shown == NULL)
        return true;
    number_start(&one);
    number_start(&other);
    bool same = number_parse_stored(&one, slice_of(shown)) &&
                number_parse_stored(&other, slice_of(json_member_text(total, "amount"))) &&
                number_compare(&one, &other) == 0;
    number_end(&one);
    number_end(&other);
    return same;
}

/* The order that was priced, as it was then: one that has changed meanwhile is stale. */
static enum step place(struct request *request, const PGresult *rows)
{
    struct arena *arena = request_arena(request);
    enum step next;
    json_t *quote;

    if (PQntuples(rows) == 0)
        return request_refuse(request, "not_found", NULL);
    if ((quote = price(request, rows, &next)) == NULL)
        return next;
    if (strcmp(result_text(rows, 0, "state"), "draft") == 0 && !price_as_shown(request, quote)) {
        json_decref(quote);
        return request_refuse(request, "price_changed", NULL);
    }
    request_bind(request, "quote", arena_copy(arena, json_canonical(arena, quote)));
    json_decref(quote);
    request_bind(request, "seen_version", arena_text(arena, result_text(rows, 0, "version")));
    request_bind(request, "actor_role", request_actor(request)->role);
    return request_run(request, &statement_place_order);
}

enum step operation_place_order(struct request *request)
{
    return request_query(request, &statement_list_order_charges, place);
}

static enum step decide(struct request *request, const char *decision)
{
    request_bind(request, "decision", decision);
    request_bind(request, "actor_role", request_actor(request)->role);
    return request_run(request, &statement_decide_order);
}

enum step operation_approve_order(struct request *request)
{
    return decide(request, "approve");
}

enum step operation_reject_order(struct request *request)
{
    return decide(request, "reject");
}

enum step operation_cancel_order(struct request *request)
{
    return request_run(request, &statement_cancel_order);
}
