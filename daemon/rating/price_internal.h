/*
 * What the files of the price engine share, and nobody else: the price as it was read, and the
 * working, which is the one place where an amount grows.
 *
 * Invariants
 * - A field that was not given is 0 and `given` says so; no field is negative.
 * - `tiers` ascend strictly by `up_to`; the last one alone is open.
 * - No two `cells` say the same; the last one alone takes everything.
 */
#ifndef DAEMON_RATING_PRICE_INTERNAL_H
#define DAEMON_RATING_PRICE_INTERNAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/number.h"
#include "daemon/rating/price.h"

enum price_model {
    MODEL_FLAT,
    MODEL_UNIT,
    MODEL_GRADUATED,
    MODEL_VOLUME,
    MODEL_PACKAGE,
    MODEL_PERCENTAGE,
    MODEL_GRADUATED_PERCENTAGE,
    MODEL_MATRIX,
    MODEL_COUNT
};

enum price_field {
    FIELD_AMOUNT,
    FIELD_UNIT_AMOUNT,
    FIELD_PACKAGE_SIZE,
    FIELD_PACKAGE_AMOUNT,
    FIELD_RATE, /* per cent */
    FIELD_FIXED_AMOUNT,
    FIELD_FREE_EVENTS, /* whole; 0 is no freedom, as for free_amount */
    FIELD_FREE_AMOUNT,
    FIELD_PER_EVENT_MIN,
    FIELD_PER_EVENT_MAX,
    FIELD_FREE_UNITS,
    FIELD_DIVIDE_BY,
    FIELD_MINIMUM_AMOUNT,
    FIELD_MAXIMUM_AMOUNT,
    FIELD_DISCOUNT_PERCENT,
    FIELD_COUNT
};

struct price_tier {
    bool open;
    struct number up_to; /* inclusive; 0 where open */
    struct number each;  /* unit_amount, or rate in per cent (graduated_percentage) */
    struct number flat_amount;
};

/* What a cell wants of a dimension: anything, one text, or that events had none. */
struct price_match {
    bool any;
    char *text; /* owned; NULL: none */
};

struct price_cell {
    struct price_match matches[PRICE_DIMENSIONS_LIMIT];
    struct number unit_amount;
};

struct price {
    unsigned magic;
    enum price_model model;
    bool given[FIELD_COUNT];
    struct number fields[FIELD_COUNT];
    bool rounded; /* `round` was given */
    enum rounding rounding;
    size_t tier_count;
    struct price_tier *tiers; /* owned */
    size_t dimension_count;
    char *dimensions[PRICE_DIMENSIONS_LIMIT]; /* owned */
    size_t cell_count;
    struct price_cell *cells; /* owned */
};

enum { PRICE_MAGIC = 0x50524943 };

/*
 * The working. Every amount enters through working_charge, so the steps' amounts add up to the
 * total; written amounts are differences of the rounded running total, so they add up as written
 * too, even where an amount does not end.
 */
struct working {
    json_t *steps;
    struct number total; /* exact */
    struct number shown; /* the total as the steps so far spell it */
};

void working_start(struct working *working);

/* Appends an empty step of that name; the reference is borrowed from the working. */
json_t *working_step(struct working *working, const char *name);

/* Adds an amount, negative for a deduction, and writes it into `step` unless that is NULL; such
 * silent amounts appear in the next step that is written. */
void working_charge(struct working *working, json_t *step, const struct number *amount);

void step_text(json_t *step, const char *name, const char *text);
void step_number(json_t *step, const char *name, const struct number *value);
void step_count(json_t *step, const char *name, size_t count);
void step_null(json_t *step, const char *name);

/* part = whole * rate / 100 */
void number_percent(struct number *part, const struct number *whole, const struct number *rate);

const char *price_rounding_name(enum rounding rounding);

/* Conversion, rounding and free units, in this order, with a step each unless `working` is NULL.
 * What is negative becomes 0. `free_units` is what is left of them, and is diminished by those
 * used. */
void price_convert(const struct price *price, struct number *quantity, struct number *free_units,
                   struct working *working);

/* Discount, minimum and maximum, in this order, with a step for each that changes the total. */
void price_adjust(const struct price *price, struct working *working);

/* The models: each prices a quantity, 0 or more, into the working. */
void price_graduated(const struct price *price, const struct number *quantity,
                     struct working *working);
void price_volume(const struct price *price, const struct number *quantity,
                  struct working *working);

/* Prices the groups, by cells, into the working; `billed` becomes the sum of what was priced. */
void price_matrix(const struct price *price, const struct price_group *groups, size_t count,
                  struct number *billed, struct working *working);

/* Prices the events into the working; `billed` becomes the sum of what was priced. */
void price_percentage(const struct price *price, const struct number *values, size_t count,
                      struct number *billed, struct working *working);

#endif
