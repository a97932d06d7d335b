#include "daemon/process/disconnect.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/check.h"
#include "common/digest.h"
#include "common/instant.h"
#include "common/memory.h"
#include "proto/radius_packet.h"

enum { DISCONNECT_MAGIC = 0x64697363, PORT_LIMIT = 65535, IDENTIFIERS = 256, MILLISECONDS = 1000 };

struct disconnect {
    unsigned magic;
    int64_t number, deadline, pause;
    int descriptor;
    size_t secret_length;
    char secret[RADIUS_SECRET_LIMIT];
    struct radius_packet packet;
    struct event *readable, *timer;
    const struct disconnect_handler *handler;
    void *context;
};

static struct slice secret_of(const struct disconnect *disconnect)
{
    return (struct slice){disconnect->secret, disconnect->secret_length};
}

static bool open_secret(struct disconnect *disconnect, const struct disconnect_order *order,
                        const struct seal_keys *keys)
{
    unsigned char sealed[RADIUS_SECRET_LIMIT + SEAL_OVERHEAD];
    struct slice text = slice_of(order->secret);
    size_t length = text.length / 2;

    if (length <= SEAL_OVERHEAD || length > sizeof sealed || !hex_read(text, sealed, length) ||
        !seal_open(keys, slice_of(order->secret_place), (struct slice){(char *)sealed, length},
                   disconnect->secret))
        return false;
    disconnect->secret_length = length - SEAL_OVERHEAD;
    return true;
}

static bool connect_socket(struct disconnect *disconnect, const struct disconnect_order *order)
{
    struct sockaddr_in four = {.sin_family = AF_INET};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    bool is_four = inet_pton(AF_INET, order->nas_address, &four.sin_addr) == 1;
    uint64_t port;

    if ((!is_four && inet_pton(AF_INET6, order->nas_address, &six.sin6_addr) != 1) ||
        !slice_to_number(slice_of(order->nas_port), PORT_LIMIT, &port) || port == 0)
        return false;
    four.sin_port = six.sin6_port = htons((uint16_t)port);
    disconnect->descriptor =
        socket(is_four ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return disconnect->descriptor >= 0 &&
           connect(disconnect->descriptor,
                   is_four ? (struct sockaddr *)&four : (struct sockaddr *)&six,
                   is_four ? sizeof four : sizeof six) == 0;
}

static bool write_packet(struct disconnect *disconnect, const struct disconnect_order *order)
{
    const struct radius_disconnect request = {
        .identifier = (uint8_t)(order->number % IDENTIFIERS),
        .time = (uint32_t)(instant_now() / INSTANT_SECOND),
        .user_name = slice_of(order->user_name),
        .session_id = slice_of(order->session_id),
    };

    return radius_write_disconnect(&request, secret_of(disconnect), &disconnect->packet);
}

/* Sends and waits; the packet is the same each time, so a NAS answers a repetition alike. An error
 * (nobody listens there now) counts as no answer. */
static void send_packet(struct disconnect *disconnect)
{
    int64_t left = disconnect->deadline - monotonic_milliseconds();
    int64_t wait = disconnect->pause * MILLISECONDS;

    (void)!send(disconnect->descriptor, disconnect->packet.bytes, disconnect->packet.length,
                MSG_NOSIGNAL);
    wait = wait < left ? wait : left;
    struct timeval time = timeval_of(wait > 0 ? wait : 0);
    check(evtimer_add(disconnect->timer, &time) == 0);
}

static void end(struct disconnect *disconnect, bool good, const char *answer, uint32_t cause)
{
    const struct disconnect_result result = {good, answer, cause};

    disconnect->handler->ended(disconnect->context, disconnect, &result);
}

static void on_time(evutil_socket_t descriptor, short what, void *context)
{
    struct disconnect *disconnect = context;

    (void)descriptor;
    (void)what;
    check_magic(disconnect, DISCONNECT_MAGIC);
    if (monotonic_milliseconds() >= disconnect->deadline) {
        end(disconnect, false, "none", 0);
        return;
    }
    disconnect->pause *= 2;
    send_packet(disconnect);
    disconnect->handler->sent_again(disconnect->context, disconnect, disconnect->pause);
}

static void on_readable(evutil_socket_t descriptor, short what, void *context)
{
    struct disconnect *disconnect = context;
    char bytes[RADIUS_PACKET_LIMIT];
    ssize_t length = recv(descriptor, bytes, sizeof bytes, 0);
    uint32_t cause;

    (void)what;
    check_magic(disconnect, DISCONNECT_MAGIC);
    if (length <= 0)
        return;
    switch (radius_read_reply((struct slice){bytes, (size_t)length}, &disconnect->packet,
                              secret_of(disconnect), &cause)) {
    case RADIUS_ACK:
        end(disconnect, true, "ack", 0);
        break;
    case RADIUS_NAK:
        /* Where there is no such session, none is left to end. */
        end(disconnect, cause == RADIUS_SESSION_NOT_FOUND, "nak", cause);
        break;
    case RADIUS_FOREIGN:
        break;
    }
}

struct disconnect *disconnect_new(struct event_base *base, const struct disconnect_order *order,
                                  const struct seal_keys *keys,
                                  const struct disconnect_handler *handler, void *context,
                                  const char **reason)
{
    struct disconnect *disconnect = memory_allocate(1, sizeof *disconnect);

    disconnect->magic = DISCONNECT_MAGIC;
    disconnect->number = order->number;
    disconnect->deadline = monotonic_milliseconds() + order->time_left;
    disconnect->pause = DISCONNECT_PAUSE;
    disconnect->descriptor = -1;
    disconnect->handler = handler;
    disconnect->context = context;
    *reason = NULL;
    if (!open_secret(disconnect, order, keys))
        *reason = "secret_does_not_open";
    else if (!connect_socket(disconnect, order))
        *reason = "bad_nas_address";
    else if (!write_packet(disconnect, order))
        *reason = "bad_session";
    if (*reason != NULL) {
        disconnect_free(&disconnect);
        return NULL;
    }
    disconnect->readable =
        event_new(base, disconnect->descriptor, EV_READ | EV_PERSIST, on_readable, disconnect);
    disconnect->timer = evtimer_new(base, on_time, disconnect);
    check(disconnect->readable != NULL && disconnect->timer != NULL &&
          event_add(disconnect->readable, NULL) == 0);
    send_packet(disconnect);
    return disconnect;
}

void disconnect_free(struct disconnect **disconnect)
{
    if (*disconnect == NULL)
        return;
    check_magic(*disconnect, DISCONNECT_MAGIC);
    if ((*disconnect)->readable != NULL)
        event_free((*disconnect)->readable);
    if ((*disconnect)->timer != NULL)
        event_free((*disconnect)->timer);
    if ((*disconnect)->descriptor >= 0)
        close((*disconnect)->descriptor);
    memory_wipe(*disconnect, sizeof **disconnect);
    memory_free(*disconnect);
    *disconnect = NULL;
}

int64_t disconnect_number(const struct disconnect *disconnect)
{
    check_magic(disconnect, DISCONNECT_MAGIC);
    return disconnect->number;
}
