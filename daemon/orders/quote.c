#include "daemon/orders/quote.h"

#include <string.h>

#include "common/check.h"
#include "daemon/billing/account.h"
#include "daemon/db/session.h"

struct quote {
    json_t *lines;
    struct number one_off, recurring, first_net, first_tax;
};

static json_t *money(const struct number *amount)
{
    char text[NUMBER_TEXT_SIZE];

    number_write_fixed(amount, CURRENCY_DIGITS, text);
    return json_pack("{s:s, s:s}", "amount", text, "currency", "CNY");
}

/* An amount of one resource, times how many there are of it, less where it ends. */
static void multiply(struct number *amount, const char *text, const struct account_line *item)
{
    struct number times;

    number_start(&times);
    number_set_integer(&times, (long)(result_number(item->rows, item->row, "count") *
                                      result_number(item->rows, item->row, "sign")));
    check(number_parse_stored(amount, slice_of(text)));
    number_multiply(amount, amount, &times);
    number_end(&times);
}

static void add(struct quote *quote, const char *part, const struct number *net,
                const struct number *tax)
{
    struct number *sum = strcmp(part, "one_off") == 0     ? &quote->one_off
                         : strcmp(part, "recurring") == 0 ? &quote->recurring
                                                          : &quote->first_net;

    number_add(sum, sum, net);
    if (sum == &quote->first_net)
        number_add(&quote->first_tax, &quote->first_tax, tax);
}

static const char *text_of(const json_t *charge, const char *name)
{
    const char *text = json_string_value(json_object_get(charge, name));
    return text == NULL ? "" : text;
}

static bool take(void *context, const struct account_line *item)
{
    struct quote *quote = context;
    const char *part = result_text(item->rows, item->row, "part");
    struct number net, tax;

    number_start(&net);
    number_start(&tax);
    multiply(&net, item->line.net, item);
    multiply(&tax, item->line.tax, item);
    add(quote, part, &net, &tax);
    json_array_append_new(quote->lines,
                          json_pack("{s:I, s:s, s:s, s:s, s:s, s:I, s:o, s:o}", "item",
                                    (json_int_t)result_number(item->rows, item->row, "item"),
                                    "part", part, "charge_code", text_of(item->charge, "code"),
                                    "name", text_of(item->charge, "name"), "name_en",
                                    text_of(item->charge, "name_en"), "count",
                                    (json_int_t)result_number(item->rows, item->row, "count"),
                                    "net", money(&net), "tax", money(&tax)));
    number_end(&net);
    number_end(&tax);
    return true;
}

static json_t *document(struct quote *quote, const char *as_of)
{
    struct number total;

    number_start(&total);
    number_add(&total, &quote->first_net, &quote->first_tax);
    json_t *document =
        json_pack("{s:s, s:o, s:o, s:{s:o, s:o, s:o}, s:O}", "as_of", as_of, "one_off",
                  money(&quote->one_off), "recurring", money(&quote->recurring), "first_bill",
                  "net", money(&quote->first_net), "tax", money(&quote->first_tax), "total",
                  money(&total), "lines", quote->lines);
    number_end(&total);
    return document;
}

json_t *quote_make(const PGresult *rows, const char *as_of, char problem[LINE_PROBLEM_SIZE])
{
    struct quote quote = {.lines = json_array()};
    bool none = result_is_null(rows, 0, "item");
    json_t *made = NULL;

    number_start(&quote.one_off);
    number_start(&quote.recurring);
    number_start(&quote.first_net);
    number_start(&quote.first_tax);
    if (none || account_lines(rows, 0, PQntuples(rows), take, &quote, problem))
        made = document(&quote, as_of);
    number_end(&quote.one_off);
    number_end(&quote.recurring);
    number_end(&quote.first_net);
    number_end(&quote.first_tax);
    json_decref(quote.lines);
    return made;
}
