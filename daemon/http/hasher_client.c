#include "daemon/http/hasher_client.h"

#include <sys/socket.h>

#include "common/check.h"
#include "common/digest.h"
#include "common/instant.h"
#include "common/memory.h"
#include "proto/message.h"

enum { HASHER_CLIENT_MAGIC = 0x68617368, EPOCH_SHIFT = 32, MILLISECONDS = 1000 };

_Static_assert((int)MESSAGE_PASSWORD_LIMIT == (int)PASSWORD_LIMIT, "any password fits");
_Static_assert((int)MESSAGE_HASH_LIMIT == (int)PASSWORD_HASH_SIZE - 1, "any hash fits");

/* A request that was not answered yet. Failed ones are answered from the loop, as if late. */
struct waiting {
    struct waiting *next;
    uint64_t sent_as; /* the message's number */
    uint64_t number;  /* the caller's */
    int64_t deadline;
    bool counted; /* holds a place in the queue */
};

/* Invariant: `list` is in the order of deadlines, and the timer is set to the first one. */
struct hasher_client {
    unsigned magic;
    int descriptor;
    int64_t timeout, queue, queued;
    uint64_t last; /* of the messages, by first_number */
    void (*done)(uint64_t number, enum hasher_outcome outcome, const char *hash);
    struct waiting *list;
    struct event *readable, *timer;
};

/* The socket outlives the worker, and with it answers that a former worker waited for: numbers
 * begin at random, so that none of them is taken for ours. */
static uint64_t first_number(void)
{
    uint32_t epoch;

    random_bytes(&epoch, sizeof epoch);
    return (uint64_t)epoch << EPOCH_SHIFT;
}

static void set_timer(struct hasher_client *client)
{
    int64_t left;
    struct timeval time;

    if (client->list == NULL) {
        evtimer_del(client->timer);
        return;
    }
    left = client->list->deadline - monotonic_milliseconds();
    left = left < 0 ? 0 : left;
    time.tv_sec = left / MILLISECONDS;
    time.tv_usec = left % MILLISECONDS * MILLISECONDS;
    check(evtimer_add(client->timer, &time) == 0);
}

static void remember(struct hasher_client *client, uint64_t number, int64_t deadline, bool counted)
{
    struct waiting *waiting = memory_allocate(1, sizeof *waiting);
    struct waiting **place = &client->list;

    *waiting = (struct waiting){NULL, client->last, number, deadline, counted};
    while (*place != NULL && (*place)->deadline <= deadline)
        place = &(*place)->next;
    waiting->next = *place;
    *place = waiting;
    client->queued += counted ? 1 : 0;
    set_timer(client);
}

/* Takes it out of the list first: `done` may ask for more. */
static void answer(struct hasher_client *client, struct waiting **place,
                   enum hasher_outcome outcome, const char *hash)
{
    struct waiting *waiting = *place;
    uint64_t number = waiting->number;

    *place = waiting->next;
    client->queued -= waiting->counted ? 1 : 0;
    memory_free(waiting);
    client->done(number, outcome, hash);
}

static void on_time(evutil_socket_t descriptor, short what, void *context)
{
    struct hasher_client *client = context;
    int64_t now = monotonic_milliseconds();

    (void)descriptor;
    (void)what;
    check_magic(client, HASHER_CLIENT_MAGIC);
    while (client->list != NULL && client->list->deadline <= now)
        answer(client, &client->list, HASHER_UNAVAILABLE, NULL);
    set_timer(client);
}

static void take_answer(struct hasher_client *client, const struct message_answer *message)
{
    static const enum hasher_outcome outcomes[] = {
        [MESSAGE_DONE] = HASHER_DONE,
        [MESSAGE_WRONG] = HASHER_WRONG,
        [MESSAGE_FAILED] = HASHER_UNAVAILABLE,
    };
    char hash[PASSWORD_HASH_SIZE] = "";
    struct waiting **place = &client->list;

    while (*place != NULL && ((*place)->sent_as != message->number || !(*place)->counted))
        place = &(*place)->next;
    if (*place == NULL)
        return;
    if (message->hash.length > 0)
        memcpy(hash, message->hash.data, message->hash.length);
    answer(client, place, outcomes[message->outcome], hash);
    set_timer(client);
}

static void on_readable(evutil_socket_t descriptor, short what, void *context)
{
    struct hasher_client *client = context;
    char bytes[MESSAGE_SIZE];
    struct message_answer message;
    ssize_t length;

    (void)what;
    check_magic(client, HASHER_CLIENT_MAGIC);
    while ((length = recv(descriptor, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
        if (message_read_answer((struct slice){bytes, (size_t)length}, &message))
            take_answer(client, &message);
    /* The other end stays open in the supervisor; should it be gone, do not spin. */
    if (length == 0)
        event_del(client->readable);
}

struct hasher_client *
hasher_client_new(struct event_base *base, int descriptor, int64_t timeout, int64_t queue,
                  void (*done)(uint64_t number, enum hasher_outcome outcome, const char *hash))
{
    struct hasher_client *client = memory_allocate(1, sizeof *client);

    *client = (struct hasher_client){
        .magic = HASHER_CLIENT_MAGIC,
        .descriptor = descriptor,
        .timeout = timeout,
        .queue = queue,
        .last = first_number(),
        .done = done,
    };
    client->readable = event_new(base, descriptor, EV_READ | EV_PERSIST, on_readable, client);
    client->timer = evtimer_new(base, on_time, client);
    check(client->readable != NULL && client->timer != NULL);
    check(event_add(client->readable, NULL) == 0);
    return client;
}

void hasher_client_free(struct hasher_client **client)
{
    struct waiting *waiting;

    if (*client == NULL)
        return;
    check_magic(*client, HASHER_CLIENT_MAGIC);
    while ((waiting = (*client)->list) != NULL) {
        (*client)->list = waiting->next;
        memory_free(waiting);
    }
    event_free((*client)->readable);
    event_free((*client)->timer);
    (*client)->magic = 0;
    memory_free(*client);
    *client = NULL;
}

static void ask(struct hasher_client *client, struct message_request *request, uint64_t number)
{
    char bytes[MESSAGE_SIZE];
    size_t length;
    bool sent;

    check_magic(client, HASHER_CLIENT_MAGIC);
    request->number = ++client->last;
    request->deadline = monotonic_milliseconds() + client->timeout;
    length = message_write_request(request, bytes);
    sent = length > 0 && client->queued < client->queue &&
           send(client->descriptor, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)length;
    memory_wipe(bytes, sizeof bytes);
    remember(client, number, sent ? request->deadline : 0, sent);
}

void hasher_client_hash(struct hasher_client *client, struct slice password, uint64_t number)
{
    struct message_request request = {.kind = MESSAGE_HASH, .password = password};

    ask(client, &request, number);
}

void hasher_client_verify(struct hasher_client *client, struct slice password, const char *hash,
                          uint64_t number)
{
    struct message_request request = {
        .kind = MESSAGE_VERIFY, .password = password, .hash = slice_of(hash)};

    ask(client, &request, number);
}
