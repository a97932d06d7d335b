/*
 * One line of a bill: a charge of a plan and what it is charged for, turned into money. Pure.
 *
 * The amount is exact; net is it rounded once, half away from zero, to the currency's cents; tax is
 * computed on the rounded net, a line at a time, as fapiao store it.
 */
#ifndef DAEMON_BILLING_LINE_H
#define DAEMON_BILLING_LINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/number.h"

enum { CURRENCY_DIGITS = 2, LINE_PROBLEM_SIZE = 512 };

struct line_request {
    const json_t *charge; /* as the contract's schema Charge; a fee's has `working`, a step */
    int64_t active_days;  /* recurring: days to be paid for, */
    int64_t period_days;  /* of so many; both as the charge's proration counts them */
    const char *quantity; /* usage: what the meter counted */
    const char *already;  /* of a correction: what the month was billed for before; else NULL */
    const json_t *events; /* percentage: [value, billed before, counts now] of each, in order of
                             time, then id */
    const json_t *groups; /* matrix: [values of the price's dimensions, billed before, counts now]
                             of each */
    const char *tax_rate; /* "0.06" */
};

struct line {
    char quantity[NUMBER_TEXT_SIZE];        /* recurring: the share of the period */
    char billed_quantity[NUMBER_TEXT_SIZE]; /* after conversion, rounding and free units */
    char unit_amount[NUMBER_TEXT_SIZE];     /* "" where the price has none */
    char amount[NUMBER_TEXT_SIZE];          /* exact, or to 12 decimals where it does not end */
    char net[NUMBER_TEXT_SIZE];
    char tax[NUMBER_TEXT_SIZE];
    json_t *steps; /* the working; given back by line_end */
};

/* False with `problem` when the charge's price cannot be read, which a published plan's always can,
 * or what it is charged for is no number. */
bool line_make(const struct line_request *request, struct line *line,
               char problem[LINE_PROBLEM_SIZE]);
void line_end(struct line *line);

/* Writes amount, net and tax of an exact amount. */
void line_write_money(const struct number *amount, const char *tax_rate, struct line *line);

#endif
