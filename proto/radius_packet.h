/*
 * RADIUS packets of dynamic authorization (RFC 5176): the Disconnect-Request that ends a session,
 * and what the NAS answers. Pure: bytes in, values out. MD5 is what the protocol has; the shared
 * secret must be long and random, and the path to the NAS a trusted network.
 */
#ifndef PROTO_RADIUS_PACKET_H
#define PROTO_RADIUS_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/slice.h"

enum {
    RADIUS_PACKET_LIMIT = 4096,
    RADIUS_TEXT_LIMIT = 253, /* of one attribute */
    RADIUS_SECRET_LIMIT = 128,
    RADIUS_SESSION_NOT_FOUND = 503, /* Error-Cause: there is nothing to end */
};

struct radius_packet {
    size_t length;
    unsigned char bytes[RADIUS_PACKET_LIMIT];
};

struct radius_disconnect {
    uint8_t identifier;
    uint32_t time;           /* seconds since 1970, for Event-Timestamp: against replays */
    struct slice user_name;  /* may be empty */
    struct slice session_id; /* Acct-Session-Id; may be empty */
};

/* With Message-Authenticator. False when a text is too long, the secret is empty or too long, or
 * the session is named by nothing. */
bool radius_write_disconnect(const struct radius_disconnect *disconnect, struct slice secret,
                             struct radius_packet *packet);

enum radius_reply {
    RADIUS_FOREIGN, /* malformed, or not an authentic answer to the request: as if it had not come
                     */
    RADIUS_ACK,
    RADIUS_NAK,
};

/* *error_cause gets the Error-Cause of a NAK, or 0. */
enum radius_reply radius_read_reply(struct slice bytes, const struct radius_packet *request,
                                    struct slice secret, uint32_t *error_cause);

#endif
