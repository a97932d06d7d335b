/*
 * Rows of FOCUS 1.3, the FinOps Open Cost and Usage Specification, as CSV; its metadata as JSON.
 * Pure.
 *
 * Invariants
 * - A line of a bill is two rows: the charge (ChargeCategory Usage, also for a monthly fee, whose
 *   ChargeFrequency is Recurring; or Credit, which has neither price nor quantity, and whose costs
 *   are all what was billed) and the tax on it.
 * - ContractedCost = ContractedUnitPrice x PricingQuantity and ListCost = ListUnitPrice x
 *   PricingQuantity hold exactly; BilledCost and EffectiveCost are what was billed, in cents.
 * - What is not there is written NULL; an empty text is never written. A text that a spreadsheet
 *   would take for a formula gets a guard (proto/csv.h).
 */
#ifndef PROTO_FOCUS_H
#define PROTO_FOCUS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/number.h"
#include "proto/csv.h"

enum {
    FOCUS_COLUMN_COUNT = 57,
    FOCUS_UNIT_SIZE = 96,
};

enum focus_origin {
    FOCUS_GIVEN,     /* as the caller gives it, in both rows */
    FOCUS_OF_CHARGE, /* as the caller gives it; NULL in the row of tax, and of a credit */
    FOCUS_CATEGORY,  /* the others are computed */
    FOCUS_DESCRIPTION,
    FOCUS_DESCRIPTION_ZH,
    FOCUS_BILLED,
    FOCUS_PRICED,
    FOCUS_UNIT_PRICE,
    FOCUS_PRICING_QUANTITY,
    FOCUS_PRICING_UNIT,
    FOCUS_CONSUMED_UNIT,
    FOCUS_PRICING_CATEGORY,
    FOCUS_ORIGIN_COUNT,
};

enum focus_type { FOCUS_STRING, FOCUS_DECIMAL, FOCUS_DATETIME, FOCUS_JSON };

struct focus_column {
    const char *name;
    enum focus_type type;
    enum focus_origin origin;
};

extern const struct focus_column focus_columns[FOCUS_COLUMN_COUNT];

/* Amounts and quantities are spelled as number_parse_stored takes them; NULL where there is none.
 */
struct focus_line {
    const char *given[FOCUS_COLUMN_COUNT]; /* by column; that of a computed one is not read */
    const char *description, *description_zh, *tax_description, *tax_description_zh;
    const char *net, *tax;       /* rounded to the currency */
    const char *amount;          /* exact, before rounding */
    const char *billed_quantity; /* what the price was put on */
    const char *unit_amount;     /* the price's own, where it has one */
    const char *unit;            /* what is metered, in any words */
    const char *divide_by; /* how many of them are one billed unit, where they were converted */
    bool credit;           /* given for something that was missed */
};

struct focus_pricing {
    char quantity[NUMBER_TEXT_SIZE];
    char unit[FOCUS_UNIT_SIZE];
    char unit_price[NUMBER_TEXT_SIZE]; /* never negative */
    char cost[NUMBER_TEXT_SIZE];       /* exactly their product */
};

/* The price's own unit amount and quantity where their product is the exact amount; else the whole
 * charge as one (or, of a credit, minus one) at its amount. */
void focus_price(const struct focus_line *line, struct focus_pricing *pricing);

/* The unit as FOCUS's unit format has it: taken over when it conforms; else its words, capitalised;
 * "Units" when that leaves nothing. */
void focus_unit(const char *unit, char text[FOCUS_UNIT_SIZE]);
bool focus_unit_valid(const char *unit);

void focus_write_header(struct csv_writer *writer);
void focus_write_charge(struct csv_writer *writer, const struct focus_line *line);
void focus_write_tax(struct csv_writer *writer, const struct focus_line *line);

/* Schema and generator. `created_at` is RFC 3339; `complete`: nothing will be added any more. */
void focus_write_metadata(struct buffer *buffer, const char *generator, const char *schema_id,
                          const char *created_at, bool complete);

#endif
