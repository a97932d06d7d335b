/*
 * Password hashing, asked of the hasher over a SOCK_SEQPACKET pair. Every request has a deadline;
 * the queue is bounded. Answers go to a request by its number.
 */
#ifndef DAEMON_HTTP_HASHER_CLIENT_H
#define DAEMON_HTTP_HASHER_CLIENT_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/slice.h"

enum { PASSWORD_LIMIT = 256, PASSWORD_HASH_SIZE = 128 };

enum hasher_outcome { HASHER_DONE, HASHER_WRONG, HASHER_UNAVAILABLE };

struct hasher_client;

/* `done` gets the number given, the outcome and, of a hash, its text (valid during the call). */
struct hasher_client *
hasher_client_new(struct event_base *base, int descriptor, int64_t timeout, int64_t queue,
                  void (*done)(uint64_t number, enum hasher_outcome outcome, const char *hash));
void hasher_client_free(struct hasher_client **client);

/* Makes an argon2id hash; verifies one. HASHER_UNAVAILABLE comes through `done` too, never from
 * within the call. */
void hasher_client_hash(struct hasher_client *client, struct slice password, uint64_t number);
void hasher_client_verify(struct hasher_client *client, struct slice password, const char *hash,
                          uint64_t number);

#endif
