/*
 * What FreeRADIUS posts: the bodies of rlm_rest, {"Attribute": {"type": ..., "value": [...]}}, as
 * bytes in, values out. Enumerations come as names or as numbers (raw_value = yes), integer64 as a
 * string, texts byte by byte (each byte a character U+0000 to U+00FF).
 *
 * Invariants
 * - A text is printable: control characters, NUL, backslashes and what is not UTF-8 are spelled
 * \xHH, so that different bytes give different texts, and each can be stored and shown.
 * - The body may hold a password in clear. It is not read, and nothing of a body is ever logged.
 */
#ifndef PROTO_RADIUS_H
#define PROTO_RADIUS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/slice.h"

enum {
    RADIUS_BODY_LIMIT = 65536,                         /* bytes; a RADIUS packet has 4,096 */
    RADIUS_ATTRIBUTE_LIMIT = 253,                      /* bytes of a text (RFC 2865, 5) */
    RADIUS_TEXT_SIZE = 4 * RADIUS_ATTRIBUTE_LIMIT + 1, /* each byte spelled \xHH */
    RADIUS_ADDRESS_SIZE = 46,
    RADIUS_CAUSE_SIZE = 64,
};

/* Acct-Status-Type (RFC 2866, 5.1); others are kept as their number. */
enum radius_status {
    RADIUS_NO_STATUS = 0, /* no accounting */
    RADIUS_START = 1,
    RADIUS_STOP = 2,
    RADIUS_INTERIM = 3,
    RADIUS_ACCOUNTING_ON = 7,
    RADIUS_ACCOUNTING_OFF = 8,
};

/* Texts are "" where the attribute is absent. */
struct radius_request {
    uint32_t status;
    char user_name[RADIUS_TEXT_SIZE];
    char session_id[RADIUS_TEXT_SIZE];
    char server_identifier[RADIUS_TEXT_SIZE]; /* NAS-Identifier */
    char server_address[RADIUS_ADDRESS_SIZE]; /* NAS-IP-Address or NAS-IPv6-Address */
    char framed_address[RADIUS_ADDRESS_SIZE]; /* of the customer, v4 or v6 */
    char calling_station[RADIUS_TEXT_SIZE];
    char terminate_cause[RADIUS_CAUSE_SIZE]; /* name or number */
    uint64_t input_octets;                   /* from the customer, all 64 bits */
    uint64_t output_octets;                  /* to the customer */
    bool has_session_time;
    uint32_t session_time; /* seconds */
    uint32_t delay;        /* seconds since it happened, Acct-Delay-Time */
    int64_t event_at;      /* seconds since 1970 by the server's clock; 0: not given */
    int64_t received_at;   /* seconds since 1970 when FreeRADIUS took it; 0: not given */
};

/* NULL when the body was read, else what is wrong with it: "malformed_json", "too_large",
 * "attribute_too_long" (a name or session that identifies), "bad_status". Attributes that identify
 * nothing and are not well formed count as absent. */
const char *radius_read(struct slice body, struct radius_request *request);

#endif
