/*
 * Bytes to and from one connected, non-blocking socket: through TLS, or plain where `tls` is NULL.
 * OpenSSL's error queue is empty after each call. What came may wait in OpenSSL, where no event
 * tells of it: transport_pending does.
 */
#ifndef DAEMON_NET_TRANSPORT_H
#define DAEMON_NET_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/ssl.h>

struct transport {
    int descriptor;
    SSL *tls;
    bool broken; /* after a TLS failure nothing more may be sent */
};

enum transport_result {
    TRANSPORT_DONE,
    TRANSPORT_WANTS_READ, /* call again once the socket is readable */
    TRANSPORT_WANTS_WRITE,
    TRANSPORT_END, /* the other side will send no more */
    TRANSPORT_FAILED,
};

/* Holds any TLS record. */
enum { TRANSPORT_READ_SIZE = SSL3_RT_MAX_PLAIN_LENGTH };

enum transport_result transport_handshake(struct transport *transport); /* either side's */

/* `size` is TRANSPORT_READ_SIZE or more; *length > 0 when done. */
enum transport_result transport_read(struct transport *transport, void *data, size_t size,
                                     size_t *length);

/* Whether a read may find something though the socket is not readable. */
bool transport_pending(const struct transport *transport);

/* May write less than `length` > 0; *written > 0 when done. */
enum transport_result transport_write(struct transport *transport, const void *data, size_t length,
                                      size_t *written);

/* Takes what still comes, without decrypting it, and drops it. */
enum transport_result transport_discard(struct transport *transport, void *scratch, size_t size);

/* Tells the other side that nothing more follows; it may still be read. */
void transport_finish(struct transport *transport);

/* Frees and closes. `reset` drops what the kernel has not sent yet. */
void transport_close(struct transport *transport, bool reset);

#endif
