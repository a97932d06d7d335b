/*
 * What workers and hasher say to each other: one message a SOCK_SEQPACKET packet. Pure: bytes in,
 * values out. Integers are big-endian.
 *
 *     request   kind (1), number (8), deadline (8), password (2 + n), hash (2 + n, empty to hash)
 *     answer    outcome (1), number (8), hash (2 + n, empty but after hashing)
 */
#ifndef PROTO_MESSAGE_H
#define PROTO_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/slice.h"

enum {
    MESSAGE_PASSWORD_LIMIT = 256,
    MESSAGE_HASH_LIMIT = 127,
    MESSAGE_SIZE = 17 + 2 + MESSAGE_PASSWORD_LIMIT + 2 + MESSAGE_HASH_LIMIT, /* the longest */
};

enum message_kind { MESSAGE_HASH = 1, MESSAGE_VERIFY = 2 };
enum message_outcome { MESSAGE_DONE = 1, MESSAGE_WRONG = 2, MESSAGE_FAILED = 3 };

struct message_request {
    enum message_kind kind;
    uint64_t number;
    int64_t deadline; /* monotonic milliseconds; later nobody waits for the answer */
    struct slice password;
    struct slice hash; /* of MESSAGE_VERIFY */
};

struct message_answer {
    enum message_outcome outcome;
    uint64_t number;
    struct slice hash; /* of a MESSAGE_HASH that is MESSAGE_DONE */
};

/* The length written; 0 when a text is longer than its limit. */
size_t message_write_request(const struct message_request *request, char bytes[MESSAGE_SIZE]);
size_t message_write_answer(const struct message_answer *answer, char bytes[MESSAGE_SIZE]);

/* Slices point into `bytes`. False for what is not exactly one well-formed message. */
bool message_read_request(struct slice bytes, struct message_request *request);
bool message_read_answer(struct slice bytes, struct message_answer *answer);

#endif
