#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <openssl/err.h>

#include "common/check.h"
#include "common/instant.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/metric.h"
#include "daemon/net/connection_internal.h"

enum {
    ACCEPTS_LIMIT = 16, /* before others have their turn */
    REARM_MILLISECONDS = 200,
    EXHAUSTED_LOG_MILLISECONDS = 10000, /* between two log lines */
};

struct network *network_new(struct event_base *base, const struct network_limits *limits,
                            const struct network_handler *handler)
{
    struct network *network = memory_allocate(1, sizeof *network);

    network->magic = NETWORK_MAGIC;
    network->base = base;
    network->limits = *limits;
    network->handler = handler;
    network->connections = registry_new();
    network->addresses = tally_new();
    return network;
}

static void free_listener(struct network_listener *listener)
{
    event_free(listener->acceptable);
    event_free(listener->rearm);
    SSL_CTX_free(listener->tls);
    listener->magic = 0;
    memory_free(listener);
}

static void end_connection(void *object, void *context)
{
    struct connection *connection = object;

    (void)context;
    if (connection->state != CONNECTION_CLOSED)
        connection_close(connection, false);
    connection_run(connection);
}

void network_free(struct network **pointer)
{
    struct network *network = *pointer;

    if (network == NULL)
        return;
    check_magic(network, NETWORK_MAGIC);
    registry_each(network->connections, end_connection, NULL);
    while (network->listeners != NULL) {
        struct network_listener *next = network->listeners->next;
        free_listener(network->listeners);
        network->listeners = next;
    }
    if (network->drained_event != NULL)
        event_free(network->drained_event);
    registry_free(&network->connections);
    tally_free(&network->addresses);
    network->magic = 0;
    memory_free(network);
    *pointer = NULL;
}

/* Accepting */

static SSL *tls_of(const struct network_listener *listener, int descriptor)
{
    SSL *tls = SSL_new(listener->tls);

    if (tls != NULL && SSL_set_fd(tls, descriptor) == 1) {
        SSL_set_accept_state(tls);
        return tls;
    }
    SSL_free(tls);
    ERR_clear_error();
    return NULL;
}

static void refuse(int descriptor)
{
    metric_add(METRIC_CONNECTIONS_REFUSED, 1);
    close(descriptor);
}

static bool admit(struct network *network, const struct sockaddr_storage *address)
{
    return (int64_t)registry_count(network->connections) < network->limits.connections &&
           tally_add(network->addresses, address_key(address), network->limits.connections_address);
}

static void take(struct network_listener *listener, int descriptor,
                 const struct sockaddr_storage *address)
{
    struct network *network = listener->network;
    SSL *tls = NULL;
    int on = 1;

    if (!admit(network, address))
        return refuse(descriptor);
    if (listener->tls != NULL) {
        tls = tls_of(listener, descriptor);
        if (tls == NULL) {
            tally_remove(network->addresses, address_key(address));
            return refuse(descriptor);
        }
    }
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    metric_add(METRIC_CONNECTIONS_TOTAL, 1);
    metric_add(METRIC_CONNECTIONS_OPEN, 1);
    connection_open(listener, descriptor, tls, address);
}

/* Out of descriptors the pending connection stays pending, and a listener left on would turn in
 * circles: it is off until a timer turns it on again. */
static void pause_listener(struct network_listener *listener, int error)
{
    static int64_t logged = -EXHAUSTED_LOG_MILLISECONDS;
    struct timeval delay = timeval_of(REARM_MILLISECONDS);
    int64_t now = monotonic_milliseconds();

    event_del(listener->acceptable);
    check(evtimer_add(listener->rearm, &delay) == 0);
    if (now - logged < EXHAUSTED_LOG_MILLISECONDS)
        return;
    logged = now;
    log_warning("accept_paused", log_text("reason", strerror(error)),
                log_text("remedy", "raise LimitNOFILE or lower the option connections"));
}

static bool exhausted(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static void accept_some(struct network_listener *listener, int most)
{
    for (int i = 0; i < most; i++) {
        struct sockaddr_storage address = {0};
        socklen_t length = sizeof address;
        int accepted = accept4(listener->descriptor, (struct sockaddr *)&address, &length,
                               SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted >= 0) {
            take(listener, accepted, &address);
            continue;
        }
        if (exhausted(errno))
            return pause_listener(listener, errno);
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return;
        /* Any other error is of that one connection (accept(2)). */
    }
}

static void on_acceptable(evutil_socket_t descriptor, short what, void *context)
{
    struct network_listener *listener = context;

    (void)descriptor;
    (void)what;
    check_magic(listener, LISTENER_MAGIC);
    accept_some(listener, ACCEPTS_LIMIT);
}

static void on_rearm(evutil_socket_t descriptor, short what, void *context)
{
    struct network_listener *listener = context;

    (void)descriptor;
    (void)what;
    check_magic(listener, LISTENER_MAGIC);
    check(event_add(listener->acceptable, NULL) == 0);
}

struct network_listener *network_listen(struct network *network, int descriptor, SSL_CTX *tls,
                                        int kind)
{
    check_magic(network, NETWORK_MAGIC);
    struct network_listener *listener = memory_allocate(1, sizeof *listener);

    listener->magic = LISTENER_MAGIC;
    listener->network = network;
    listener->descriptor = descriptor;
    listener->kind = kind;
    listener->acceptable =
        event_new(network->base, descriptor, EV_READ | EV_PERSIST, on_acceptable, listener);
    listener->rearm = evtimer_new(network->base, on_rearm, listener);
    check(listener->acceptable != NULL && listener->rearm != NULL);
    network_listener_set_tls(listener, tls);
    listener->next = network->listeners;
    network->listeners = listener;
    if (!network->draining)
        check(event_add(listener->acceptable, NULL) == 0);
    return listener;
}

void network_listener_set_tls(struct network_listener *listener, SSL_CTX *tls)
{
    check_magic(listener, LISTENER_MAGIC);
    if (tls != NULL)
        SSL_CTX_up_ref(tls);
    SSL_CTX_free(listener->tls);
    listener->tls = tls;
}

void network_set_limits(struct network *network, const struct network_limits *limits)
{
    check_magic(network, NETWORK_MAGIC);
    network->limits = *limits;
}

/* Draining */

static void on_drained(evutil_socket_t descriptor, short what, void *context)
{
    struct network *network = context;

    (void)descriptor;
    (void)what;
    check_magic(network, NETWORK_MAGIC);
    network->drained(network->drained_context);
}

static void note_drained(struct network *network)
{
    if (network->draining && registry_count(network->connections) == 0)
        event_active(network->drained_event, EV_TIMEOUT, 0);
}

/* One that has had an answer knows that an idle connection may close; a new one gets a moment for
 * its first request. */
static void drain_connection(void *object, void *context)
{
    struct connection *connection = object;

    (void)context;
    if (connection->state != CONNECTION_IDLE || connection->input.length > 0)
        return;
    if (connection->served) {
        transport_finish(&connection->transport);
        connection_close(connection, false);
    } else {
        connection_enter(connection, CONNECTION_IDLE);
    }
    connection_schedule(connection);
}

void network_drain(struct network *network, void (*drained)(void *context), void *context)
{
    check_magic(network, NETWORK_MAGIC);
    check(!network->draining);
    /* Whoever waits to be accepted believes to be connected. */
    for (struct network_listener *each = network->listeners; each != NULL; each = each->next)
        accept_some(each, ADDRESS_BACKLOG);
    network->draining = true;
    network->drained = drained;
    network->drained_context = context;
    network->drained_event = evtimer_new(network->base, on_drained, network);
    check(network->drained_event != NULL);
    for (struct network_listener *each = network->listeners; each != NULL; each = each->next) {
        event_del(each->acceptable);
        event_del(each->rearm);
    }
    registry_each(network->connections, drain_connection, NULL);
    note_drained(network);
}

void network_forget(struct connection *connection)
{
    struct network *network = connection->network;

    registry_remove(network->connections, connection->number);
    tally_remove(network->addresses, connection->address_key);
    metric_add(METRIC_CONNECTIONS_OPEN, -1);
    note_drained(network);
}

size_t network_connections(const struct network *network)
{
    check_magic(network, NETWORK_MAGIC);
    return registry_count(network->connections);
}
