/*
 * Prices as data, and the arithmetic that turns a quantity into an amount. Pure: no database, no
 * clock, no rounding but the one that a price itself asks for. The eight models and their modifiers
 * are described in the contract (proto/openapi/price.yaml, schema Price).
 *
 * Order of the modifiers around every model: convert (divide_by), round, free units, price,
 * discount, minimum, maximum. A negative quantity is priced as zero.
 */
#ifndef DAEMON_RATING_PRICE_H
#define DAEMON_RATING_PRICE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/number.h"

enum {
    PRICE_TIERS_LIMIT = 100,
    PRICE_EVENTS_LIMIT = 1000000,
    PRICE_STEPS_LIMIT = 10000,
    PRICE_DIMENSIONS_LIMIT = 5,
    PRICE_CELLS_LIMIT = 1000,
    PRICE_GROUPS_LIMIT = 100000
};

struct price;

/* What is wrong with a price, for a problem document. */
struct price_error {
    const char *code; /* "tiers_not_ascending", "amount_negative", ... */
    char pointer[64]; /* JSON pointer into the price: "/tiers/1/up_to" */
    char detail[160]; /* English, complete sentence */
};

/* Reads a price that the schema has found well shaped (it stands any other document, too), and
 * checks what a schema cannot say: fields that the model needs or does not know, tiers ascending
 * with the last one open, no negative amounts. Numbers are strings or integers. NULL with *error
 * filled, by the first thing that is wrong. To be ended with price_free. */
struct price *price_read(const json_t *document, struct price_error *error);
void price_free(struct price **price);

/* What is priced: of `percentage` single events' values, of `matrix` quantities by dimensions. */
enum price_usage { PRICE_OF_QUANTITY, PRICE_OF_EVENTS, PRICE_OF_GROUPS };
enum price_usage price_usage(const struct price *price);

/* The dimensions of groups, and the name of each, which belongs to the price. */
size_t price_dimension_count(const struct price *price);
const char *price_dimension(const struct price *price, size_t i);

/* `steps` is the working (schema PriceStep), an array of objects {"step": "tier", "number": 1,
 * "from": "0", "to": "10", "quantity": "10", "unit_amount": "1.5", "flat_amount": "0", "amount":
 * "15"}; made for people and machines both. The steps' amounts add up to the amount exactly as
 * written: one that does not end is spelled so that no last digit is lost between the steps. */
struct price_result {
    struct number amount;          /* exact */
    struct number billed_quantity; /* after conversion, rounding and free units */
    json_t *steps;
};

/* Prices a quantity. For `flat` the quantity is the share of the period, 1 for a whole one. Only
 * for prices of one. The result is new, to be ended with price_result_end. */
void price_quantity(const struct price *price, const struct number *quantity,
                    struct price_result *result);

/* Prices events' values, at most PRICE_EVENTS_LIMIT, already in order of time, then id. Only for
 * prices of events. The first PRICE_STEPS_LIMIT events have a step each, the others one together.
 * The result as for price_quantity. */
void price_events(const struct price *price, const struct number *values, size_t count,
                  struct price_result *result);

/* What was used under the values of the price's dimensions, in their order; NULL where events had
 * none. */
struct price_group {
    const char *values[PRICE_DIMENSIONS_LIMIT];
    struct number quantity;
};

/* Prices groups, at most PRICE_GROUPS_LIMIT, in any order. Only for prices of groups. The result as
 * for price_quantity.
 */
void price_groups(const struct price *price, const struct price_group *groups, size_t count,
                  struct price_result *result);

void price_result_end(struct price_result *result);

/* The nominal price of one billed unit, before discount and limits, for documents that show one
 * (FOCUS): false, and *amount untouched, when the model has none (only flat and unit do). */
bool price_unit_amount(const struct price *price, struct number *amount);

#endif
