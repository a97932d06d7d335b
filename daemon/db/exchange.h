/*
 * One pipeline segment on one connection, from its first message to the result of its Sync: which
 * result belongs to which part, and what they add up to.
 */
#ifndef DAEMON_DB_EXCHANGE_H
#define DAEMON_DB_EXCHANGE_H

#include "daemon/db/backend.h"

/* Which statements a connection has prepared, by number and wording. A mark is set only when the
 * preparation's own result has come: one behind an error was never made. */
struct prepared {
    bool *marks;
    size_t count;
};

void prepared_forget(struct prepared *prepared);

struct exchange_step {
    size_t part;
    size_t mark; /* of a preparation */
    bool preparation;
};

struct exchange {
    size_t count; /* of parts */
    size_t step_count, step;
    struct exchange_step steps[2 * SEGMENT_STATEMENTS_LIMIT];
    PGresult *results[SEGMENT_STATEMENTS_LIMIT];
    PGresult *error; /* the first */
    bool drained;    /* everything, the Sync too, was handed to the kernel */
    bool warned;     /* the server does not vouch for the commit */
};

/* Queues the messages of a segment and its Sync; false when libpq could not. */
bool exchange_send(struct exchange *exchange, PGconn *connection, struct prepared *prepared,
                   const struct segment *segment);

enum exchange_progress {
    EXCHANGE_WAITS,  /* for more from the server */
    EXCHANGE_ENDED,  /* with the result of the Sync */
    EXCHANGE_BROKEN, /* the server ended the connection, or libpq did */
};

/* Takes what has come, without blocking. */
enum exchange_progress exchange_receive(struct exchange *exchange, PGconn *connection,
                                        struct prepared *prepared);

/* Notes what the server said aside; in answer to a COMMIT it may say that it is not certain. */
void exchange_notice(struct exchange *exchange, const PGresult *notice);

/* The answer, once ENDED, or cut off at any time before. Its pointers are into the exchange. */
struct database_answer exchange_answer(const struct exchange *exchange, bool ended);

/* What may be done about an answer of this exchange. */
enum backend_retry exchange_retry(const struct exchange *exchange,
                                  const struct database_answer *answer);

void exchange_clear(struct exchange *exchange);

#endif
