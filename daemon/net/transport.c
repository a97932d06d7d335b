#include "daemon/net/transport.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

#include "common/check.h"

/* SSL_get_error would take an older error for the call's own. */
static void forget_errors(void)
{
    if (ERR_peek_error() != 0)
        ERR_clear_error();
}

static enum transport_result result_of_tls(struct transport *transport, int returned)
{
    if (returned > 0)
        return TRANSPORT_DONE;

    int error = SSL_get_error(transport->tls, returned);

    ERR_clear_error();
    switch (error) {
    case SSL_ERROR_WANT_READ:
        return TRANSPORT_WANTS_READ;
    case SSL_ERROR_WANT_WRITE:
        return TRANSPORT_WANTS_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return TRANSPORT_END;
    default:
        transport->broken = true;
        return TRANSPORT_FAILED;
    }
}

static enum transport_result result_of_socket(ssize_t returned, enum transport_result wants,
                                              size_t *length)
{
    if (returned > 0) {
        *length = (size_t)returned;
        return TRANSPORT_DONE;
    }
    if (returned == 0)
        return TRANSPORT_END;
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
        return wants;
    return TRANSPORT_FAILED;
}

enum transport_result transport_handshake(struct transport *transport)
{
    if (transport->tls == NULL)
        return TRANSPORT_DONE;
    forget_errors();
    return result_of_tls(transport, SSL_do_handshake(transport->tls));
}

enum transport_result transport_read(struct transport *transport, void *data, size_t size,
                                     size_t *length)
{
    check(size >= TRANSPORT_READ_SIZE);
    if (transport->tls == NULL)
        return result_of_socket(recv(transport->descriptor, data, size, 0), TRANSPORT_WANTS_READ,
                                length);
    forget_errors();
    return result_of_tls(transport, SSL_read_ex(transport->tls, data, size, length));
}

bool transport_pending(const struct transport *transport)
{
    return transport->tls != NULL && SSL_has_pending(transport->tls) == 1;
}

enum transport_result transport_write(struct transport *transport, const void *data, size_t length,
                                      size_t *written)
{
    check(length > 0);
    if (transport->tls == NULL)
        return result_of_socket(send(transport->descriptor, data, length, MSG_NOSIGNAL),
                                TRANSPORT_WANTS_WRITE, written);
    forget_errors();
    return result_of_tls(transport, SSL_write_ex(transport->tls, data, length, written));
}

enum transport_result transport_discard(struct transport *transport, void *scratch, size_t size)
{
    size_t length;

    return result_of_socket(recv(transport->descriptor, scratch, size, 0), TRANSPORT_WANTS_READ,
                            &length);
}

void transport_finish(struct transport *transport)
{
    if (transport->tls != NULL && !transport->broken && SSL_is_init_finished(transport->tls)) {
        SSL_shutdown(transport->tls);
        ERR_clear_error();
    }
    shutdown(transport->descriptor, SHUT_WR);
}

void transport_close(struct transport *transport, bool reset)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    if (reset)
        setsockopt(transport->descriptor, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    SSL_free(transport->tls);
    close(transport->descriptor);
    *transport = (struct transport){.descriptor = -1};
}
