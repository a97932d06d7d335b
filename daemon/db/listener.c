#include "daemon/db/listener.h"

#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/memory.h"
#include "daemon/db/backend.h"

enum {
    LISTENER_MAGIC = 0x4c495354,
    TEXT_SIZE = 80,
    CHANNEL_LIMIT = 63, /* PostgreSQL's identifiers */
    REPEAT_SECONDS = 5,
    ANSWER_TIMEOUT = 3000, /* milliseconds */
};

struct listener {
    unsigned magic;
    struct backend *backend;
    struct statement listen; /* the only one on this connection, so its number does not matter */
    struct segment segment;
    char text[TEXT_SIZE];
    bool listening;
    struct event *timer;
    void (*heard)(void *context, const char *payload);
    void *context;
};

static void on_freed(void *context, bool fresh)
{
    struct listener *listener = context;
    struct timeval time = {REPEAT_SECONDS, 0};

    check_magic(listener, LISTENER_MAGIC);
    if (!fresh) {
        event_add(listener->timer, &time);
        return;
    }
    listener->listening = false;
    backend_send(listener->backend, &listener->segment);
}

static void on_answered(void *context, const struct database_answer *answer,
                        enum backend_retry retry)
{
    struct listener *listener = context;
    bool began = answer->outcome == DATABASE_OK && !listener->listening;

    (void)retry;
    check_magic(listener, LISTENER_MAGIC);
    listener->listening = answer->outcome == DATABASE_OK;
    if (began)
        listener->heard(listener->context, NULL);
}

static void on_notified(void *context, const char *payload)
{
    struct listener *listener = context;

    check_magic(listener, LISTENER_MAGIC);
    listener->heard(listener->context, payload);
}

static void on_timer(evutil_socket_t descriptor, short what, void *context)
{
    struct listener *listener = context;

    (void)descriptor, (void)what;
    check_magic(listener, LISTENER_MAGIC);
    if (backend_state(listener->backend) == BACKEND_FREE)
        backend_send(listener->backend, &listener->segment);
}

bool listener_ready(const struct listener *listener)
{
    check_magic(listener, LISTENER_MAGIC);
    return backend_state(listener->backend) >= BACKEND_FREE;
}

struct listener *listener_new(struct event_base *base, const struct database_settings *settings,
                              const char *role, const char *channel,
                              void (*heard)(void *context, const char *payload), void *context)
{
    static const struct backend_user user = {
        .freed = on_freed, .answered = on_answered, .notified = on_notified};
    struct listener *listener = memory_allocate(1, sizeof *listener);
    size_t length = strspn(channel, "abcdefghijklmnopqrstuvwxyz_");

    check(length > 0 && length <= CHANNEL_LIMIT && channel[length] == '\0');
    snprintf(listener->text, sizeof listener->text, "listen %s", channel);
    listener->magic = LISTENER_MAGIC;
    listener->heard = heard;
    listener->context = context;
    listener->listen = (struct statement){
        .name = "listen", .file = "daemon/db/listener.c", .text = {listener->text}};
    listener->segment = (struct segment){
        .count = 1,
        .parts = {{.statement = &listener->listen, .variant = STATEMENT_TENANT}},
        .timeout = ANSWER_TIMEOUT,
    };
    listener->timer = evtimer_new(base, on_timer, listener);
    check(listener->timer != NULL);
    listener->backend = backend_new(base, settings, role, &user, listener);
    return listener;
}

void listener_free(struct listener **listener)
{
    if (*listener == NULL)
        return;
    check_magic(*listener, LISTENER_MAGIC);
    backend_free(&(*listener)->backend);
    event_free((*listener)->timer);
    (*listener)->magic = 0;
    memory_free(*listener);
    *listener = NULL;
}
