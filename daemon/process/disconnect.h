/*
 * One RADIUS Disconnect-Request under way: sent, sent again after 2, 4, 8 ... seconds, until the
 * NAS answers or the time is over. Each has a connected UDP socket of its own, so that the kernel
 * keeps other senders away.
 */
#ifndef DAEMON_PROCESS_DISCONNECT_H
#define DAEMON_PROCESS_DISCONNECT_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/seal.h"

enum { DISCONNECT_PAUSE = 2 }; /* seconds before the first repetition; each is twice the last */

/* Texts as the message's payload has them (courier.h); read during disconnect_new only. */
struct disconnect_order {
    int64_t number; /* of the message */
    const char *nas_address, *nas_port, *secret, *secret_place, *user_name, *session_id;
    int64_t time_left; /* milliseconds */
};

struct disconnect_result {
    bool good;
    const char *answer; /* "ack", "nak", "none", or what was wrong with the order */
    uint32_t error_cause;
};

struct disconnect;

struct disconnect_handler {
    /* It was sent once more, and will be again in `pause` seconds. */
    void (*sent_again)(void *context, struct disconnect *disconnect, int64_t pause);
    /* It is over; the handler frees it. */
    void (*ended)(void *context, struct disconnect *disconnect,
                  const struct disconnect_result *result);
};

/* Sends the first. NULL with the reason in *reason when the order cannot be carried out. */
struct disconnect *disconnect_new(struct event_base *base, const struct disconnect_order *order,
                                  const struct seal_keys *keys,
                                  const struct disconnect_handler *handler, void *context,
                                  const char **reason);
void disconnect_free(struct disconnect **disconnect);

int64_t disconnect_number(const struct disconnect *disconnect);

#endif
