/*
 * A credit for a missed service level, as a line of the bill. Pure.
 *
 * Units: minutes are whole, rounded down, of the calendar for interruptions and of business hours
 * for installations; percent is of the net that a resource's month costs for time (recurring
 * charges and days of seats, lines and terminals), up to two decimals.
 * Rounding: the amount is exact; net is it rounded once, half away from zero, to cents; tax is
 * computed on net at the rate of the lines that are credited.
 * Source: facts, which service_credits_due (deploy/schema/0035_service_credits.sql) finds in
 * tickets, maintenance and work orders, with the rule as it was applied. They are kept with the
 * line, so that a settled month gives the same again.
 */
#ifndef DAEMON_BILLING_SERVICE_CREDIT_H
#define DAEMON_BILLING_SERVICE_CREDIT_H

#include "daemon/billing/line.h"

/* What a bill comes to so far. */
struct bill_sum {
    struct number net, total;
};

struct service_credit_request {
    json_t *facts;
    json_t *base; /* [{"line", "charge_code", "net"}], at one rate of tax */
    const char *tax_rate;
    const struct number *percent;
    const struct bill_sum *bears; /* of a settled month: no more than this bill; else NULL */
};

/* The percent of the highest tier whose minutes were exceeded, at most `room`; 0: none was. */
void service_credit_percent(const json_t *facts, const struct number *room, struct number *percent);

/* False when nothing is to be credited, and there is no line: the base is nothing, or a settled
 * month was credited all before, or the bill bears no more (the rest waits for the next). */
bool service_credit_make(const struct service_credit_request *request, struct line *line);

#endif
