/*
 * The state machine. connection_run calls the step of the current state again and again until one
 * waits, so neither pipelined requests nor handlers that answer at once ever nest.
 */
#include "daemon/net/connection.h"

#include "common/check.h"
#include "common/instant.h"
#include "common/memory.h"
#include "common/metric.h"
#include "daemon/net/connection_internal.h"

enum {
    OUTPUT_LIMIT = INT32_MAX, /* body_memory bounds it sooner */
    LINGER_MILLISECONDS = 2000,
    DRAIN_FIRST_REQUEST_MILLISECONDS = 1000, /* for those who have not asked anything yet */
    RATE_GRACE_MILLISECONDS = 5000,
    RATE_CHECK_MILLISECONDS = 1000,
    MILLISECONDS = 1000, /* in a second */
};

/* Deadlines */

/* Deadlines mostly move away before they are reached, so the timer is left alone where it fires
 * soon enough, and looks then. */
static void look_at_deadline(struct connection *connection, int64_t now)
{
    if (connection->deadline_looks <= connection->deadline_at)
        return;
    connection->deadline_looks = connection->deadline_at;
    struct timeval delay = timeval_of(connection->deadline_at - now);
    check(evtimer_add(connection->deadline, &delay) == 0);
}

static void set_deadline(struct connection *connection, int64_t milliseconds)
{
    int64_t now = monotonic_milliseconds();

    connection->deadline_at = now + milliseconds;
    look_at_deadline(connection, now);
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t idle_time(const struct connection *connection)
{
    int64_t time = connection->network->limits.idle_timeout;

    return connection->network->draining ? smaller(time, DRAIN_FIRST_REQUEST_MILLISECONDS) : time;
}

void connection_enter(struct connection *connection, enum connection_state state)
{
    const struct network_limits *limits = &connection->network->limits;

    check(connection->state != CONNECTION_CLOSED);
    connection->state = state;
    connection->wait = WAIT_FOR_NOTHING;
    connection->state_entered = monotonic_milliseconds();
    switch (state) {
    case CONNECTION_HANDSHAKE:
        return set_deadline(connection, limits->handshake_timeout);
    case CONNECTION_IDLE:
        return set_deadline(connection, idle_time(connection));
    case CONNECTION_HEAD:
        return set_deadline(connection, limits->head_timeout);
    case CONNECTION_BODY:
        return set_deadline(connection, smaller(limits->body_timeout, RATE_GRACE_MILLISECONDS));
    case CONNECTION_WRITE:
        return set_deadline(connection, limits->write_timeout);
    case CONNECTION_LINGER:
        return set_deadline(connection, LINGER_MILLISECONDS);
    case CONNECTION_WAIT:
    case CONNECTION_CLOSED:
        connection->deadline_at = INT64_MAX;
    }
}

void connection_close(struct connection *connection, bool reset)
{
    connection->reset = reset;
    connection_enter(connection, CONNECTION_CLOSED);
}

/* True when the body came too slowly, or not within its time; otherwise looks again later. */
static bool body_overdue(struct connection *connection)
{
    const struct network_limits *limits = &connection->network->limits;
    int64_t elapsed = monotonic_milliseconds() - connection->state_entered;

    if (elapsed >= limits->body_timeout)
        return true;
    if (elapsed >= RATE_GRACE_MILLISECONDS &&
        (int64_t)connection->body_received < limits->body_minimum_rate * elapsed / MILLISECONDS)
        return true;
    set_deadline(connection, smaller(limits->body_timeout - elapsed, RATE_CHECK_MILLISECONDS));
    return false;
}

static void expire(struct connection *connection)
{
    switch (connection->state) {
    case CONNECTION_HANDSHAKE:
        metric_add(METRIC_HANDSHAKES_FAILED, 1);
        return connection_close(connection, false);
    case CONNECTION_IDLE:
        transport_finish(&connection->transport);
        return connection_close(connection, false);
    case CONNECTION_HEAD:
        return connection_fail(connection, 408, "head_timeout");
    case CONNECTION_BODY:
        if (body_overdue(connection))
            connection_fail(connection, 408, "body_timeout");
        return;
    case CONNECTION_WRITE:
        return connection_close(connection, true);
    case CONNECTION_LINGER:
        return connection_close(connection, false);
    case CONNECTION_WAIT:
    case CONNECTION_CLOSED:
        return;
    }
}

static void on_deadline(evutil_socket_t descriptor, short what, void *context)
{
    struct connection *connection = context;

    (void)descriptor;
    (void)what;
    check_magic(connection, CONNECTION_MAGIC);
    int64_t now = monotonic_milliseconds();
    connection->deadline_looks = INT64_MAX;
    if (now < connection->deadline_at)
        return look_at_deadline(connection, now);
    expire(connection);
    connection_run(connection);
}

/* Running */

static void release(struct connection *connection)
{
    if (connection->owed) {
        connection->owed = false;
        connection->network->handler->closed(connection);
    }
    connection_hold(connection, 0);
    network_forget(connection);
    event_free(connection->readable);
    event_free(connection->writable);
    event_free(connection->deadline);
    transport_close(&connection->transport, connection->reset);
    connection_drop_request(connection);
    buffer_free(&connection->input);
    buffer_free(&connection->output);
    memory_free(connection->certificate_name);
    connection->magic = 0;
    memory_free(connection);
}

void connection_run(struct connection *connection)
{
    check_magic(connection, CONNECTION_MAGIC);
    check(!connection->running);
    connection->running = true;
    connection->transfers = 0;
    connection->wait = WAIT_FOR_NOTHING;
    while (connection->wait == WAIT_FOR_NOTHING && connection->state != CONNECTION_WAIT &&
           connection->state != CONNECTION_CLOSED)
        connection_step(connection);
    connection->running = false;
    if (connection->state == CONNECTION_CLOSED)
        release(connection);
    else if (connection->wait == WAIT_FOR_TURN)
        connection_schedule(connection);
    else if (connection->wait == WAIT_FOR_READ)
        check(event_add(connection->readable, NULL) == 0);
    else if (connection->wait == WAIT_FOR_WRITE)
        check(event_add(connection->writable, NULL) == 0);
}

void connection_schedule(struct connection *connection)
{
    if (!connection->running)
        event_active(connection->writable, EV_WRITE, 0);
}

/* The event stays armed while nothing is to be read, which is the rule between a request and its
 * answer; only when more comes meanwhile is it taken out. */
static void on_readable(evutil_socket_t descriptor, short what, void *context)
{
    struct connection *connection = context;

    (void)descriptor;
    (void)what;
    check_magic(connection, CONNECTION_MAGIC);
    if (connection->wait == WAIT_FOR_READ)
        connection_run(connection);
    else
        event_del(connection->readable);
}

static void on_writable(evutil_socket_t descriptor, short what, void *context)
{
    (void)descriptor;
    (void)what;
    connection_run(context);
}

static struct event *event_make(struct connection *connection, short what,
                                event_callback_fn callback)
{
    int descriptor = what == 0 ? -1 : connection->transport.descriptor;
    struct event *event =
        event_new(connection->network->base, descriptor, what, callback, connection);

    check(event != NULL);
    return event;
}

void connection_open(struct network_listener *listener, int descriptor, SSL *tls,
                     const struct sockaddr_storage *address)
{
    struct connection *connection = memory_allocate(1, sizeof *connection);

    connection->magic = CONNECTION_MAGIC;
    connection->network = listener->network;
    connection->kind = listener->kind;
    connection->deadline_looks = INT64_MAX;
    connection->number = registry_add(listener->network->connections, connection);
    connection->address_key = address_key(address);
    address_write(address, connection->address);
    connection->transport = (struct transport){.descriptor = descriptor, .tls = tls};
    connection->readable = event_make(connection, EV_READ | EV_PERSIST, on_readable);
    connection->writable = event_make(connection, EV_WRITE, on_writable);
    connection->deadline = event_make(connection, 0, on_deadline);
    connection->input = buffer_make(CONNECTION_INPUT_LIMIT);
    connection->output = buffer_make(OUTPUT_LIMIT);
    connection_enter(connection, CONNECTION_HANDSHAKE);
    connection_run(connection);
}

bool connection_hold(struct connection *connection, uint64_t bytes)
{
    struct network *network = connection->network;

    network->held += (int64_t)bytes - connection->held;
    connection->held = (int64_t)bytes;
    return network->held <= network->limits.body_memory;
}

/* What the layer above may ask */

uint64_t connection_number(const struct connection *connection)
{
    check_magic(connection, CONNECTION_MAGIC);
    return connection->number;
}

struct connection *connection_find(struct network *network, uint64_t number)
{
    check_magic(network, NETWORK_MAGIC);
    struct connection *connection = registry_find(network->connections, number);

    return connection != NULL && connection->owed ? connection : NULL;
}

int connection_listener(const struct connection *connection)
{
    check_magic(connection, CONNECTION_MAGIC);
    return connection->kind;
}

uint64_t connection_address_key(const struct connection *connection)
{
    check_magic(connection, CONNECTION_MAGIC);
    return connection->address_key;
}

const char *connection_address(const struct connection *connection)
{
    check_magic(connection, CONNECTION_MAGIC);
    return connection->address;
}

const char *connection_certificate_name(const struct connection *connection)
{
    check_magic(connection, CONNECTION_MAGIC);
    return connection->certificate_name;
}

uint64_t connection_exchange(const struct connection *connection)
{
    check_magic(connection, CONNECTION_MAGIC);
    return connection->exchange;
}

void connection_set_exchange(struct connection *connection, uint64_t exchange)
{
    check_magic(connection, CONNECTION_MAGIC);
    connection->exchange = exchange;
}
