/*
 * How a price's fields are read and refused, shared by the files that read a price. A function that
 * reads answers false with the error filled.
 */
#ifndef DAEMON_RATING_PRICE_READER_H
#define DAEMON_RATING_PRICE_READER_H

#include <jansson.h>
#include <stdbool.h>

#include "common/number.h"
#include "daemon/rating/price.h"

enum price_problem {
    NO_PROBLEM,
    PRICE_NOT_OBJECT,
    MODEL_UNKNOWN,
    FIELD_UNKNOWN,
    FIELD_MISSING,
    NUMBER_REAL,
    NUMBER_INVALID,
    NUMBER_NEGATIVE,
    NUMBER_NOT_POSITIVE,
    PERCENT_ABOVE_HUNDRED,
    COUNT_INVALID,
    ROUND_UNKNOWN,
    MAXIMUM_BELOW_MINIMUM,
    TIERS_INVALID,
    TIERS_NOT_ASCENDING,
    TIER_OPEN_TOO_EARLY,
    TIERS_LAST_NOT_OPEN,
    DIMENSIONS_INVALID,
    CELLS_INVALID,
    CELL_VALUE_INVALID,
    CELL_GIVEN_TWICE,
    CELL_OPEN_TOO_EARLY,
    CELLS_LAST_NOT_OPEN
};

enum price_rule { NOT_NEGATIVE, POSITIVE, PERCENT, COUNT };

/* Where in the document a reader is. */
struct price_place {
    const char *parent; /* "", "/tiers/7" or "/cells/7/values" */
    const char *name;   /* NULL: the parent itself */
};

/* Fills the error and answers false. A name that is too long or would need escaping is left out:
 * the pointer then names the object that has it. */
bool price_refuse(struct price_error *error, enum price_problem problem, struct price_place place);

/* Reads a string or an integer that keeps to the rule. */
bool price_read_number(const json_t *value, enum price_rule rule, struct price_place place,
                       struct number *to, struct price_error *error);

/* Reads the tiers into a price whose model has them. */
bool price_read_tiers(struct price *price, const json_t *array, struct price_error *error);

/* Reads dimensions and cells into a matrix. */
bool price_read_matrix(struct price *price, const json_t *document, struct price_error *error);

#endif
