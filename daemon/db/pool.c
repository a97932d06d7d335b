#include "daemon/db/pool.h"

#include <sys/queue.h>

#include "common/check.h"
#include "common/instant.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/metric.h"
#include "daemon/db/backend.h"

enum { POOL_MAGIC = 0x504f4f4c };

struct task {
    TAILQ_ENTRY(task) link;
    struct segment segment;
    uint64_t ticket;
    int64_t expiry; /* of its waiting; monotonic milliseconds */
    bool retried;
};

TAILQ_HEAD(task_list, task);

/* A place for one connection, and what runs on it. */
struct slot {
    struct pool *pool;
    struct backend *backend;
    struct task *task; /* NULL while none runs */
};

struct pool {
    unsigned magic;
    const struct database_settings *settings;
    database_done *done;
    void *context;
    struct task_list queue, refused;
    size_t queue_length;
    struct event *timer; /* for the refused, and for the first of the queue to expire */
    size_t slot_count;
    struct slot slots[DATABASE_CONNECTIONS_LIMIT];
};

static void timer_set(struct pool *pool)
{
    const struct task *first = TAILQ_FIRST(&pool->queue);
    int64_t wait = 0;

    if (TAILQ_EMPTY(&pool->refused)) {
        if (first == NULL) {
            event_del(pool->timer);
            return;
        }
        wait = first->expiry - monotonic_milliseconds();
        wait = wait < 0 ? 0 : wait + 1;
    }
    struct timeval time = timeval_of(wait);
    event_add(pool->timer, &time);
}

static void queue_add(struct pool *pool, struct task *task, bool first)
{
    if (first)
        TAILQ_INSERT_HEAD(&pool->queue, task, link);
    else
        TAILQ_INSERT_TAIL(&pool->queue, task, link);
    pool->queue_length++;
    metric_add(METRIC_QUERIES_WAITING, 1);
}

static void queue_remove(struct pool *pool, struct task *task)
{
    TAILQ_REMOVE(&pool->queue, task, link);
    pool->queue_length--;
    metric_add(METRIC_QUERIES_WAITING, -1);
}

static void task_end(struct pool *pool, struct task *task, const struct database_answer *answer)
{
    uint64_t ticket = task->ticket;

    memory_free(task);
    pool->done(pool->context, ticket, answer);
}

static struct slot *slot_free(struct pool *pool)
{
    for (size_t i = 0; i < pool->slot_count; i++)
        if (backend_state(pool->slots[i].backend) == BACKEND_FREE)
            return &pool->slots[i];
    return NULL;
}

/* A backend that is found broken is free no more, so this ends. */
static void pool_dispatch(struct pool *pool)
{
    struct task *task;
    struct slot *slot;

    while ((task = TAILQ_FIRST(&pool->queue)) != NULL && (slot = slot_free(pool)) != NULL) {
        if (!backend_send(slot->backend, &task->segment))
            continue;
        queue_remove(pool, task);
        slot->task = task;
    }
    timer_set(pool);
}

static void on_freed(void *context, bool fresh)
{
    struct slot *slot = context;

    (void)fresh;
    check_magic(slot->pool, POOL_MAGIC);
    pool_dispatch(slot->pool);
}

static void on_answered(void *context, const struct database_answer *answer,
                        enum backend_retry retry)
{
    struct slot *slot = context;
    struct pool *pool = slot->pool;
    struct task *task = slot->task;

    check_magic(pool, POOL_MAGIC);
    check(task != NULL);
    slot->task = NULL;
    if (retry == BACKEND_RETRY_FRESH)
        for (size_t i = 0; i < pool->slot_count; i++)
            backend_replace(pool->slots[i].backend);
    if (retry == BACKEND_RETRY_NEVER || task->retried) {
        task_end(pool, task, answer);
        return;
    }
    log_info("database_segment_retried", log_text("sqlstate", answer->sqlstate));
    task->retried = true;
    queue_add(pool, task, true);
    pool_dispatch(pool);
}

static void on_timer(evutil_socket_t descriptor, short what, void *context)
{
    static const struct database_answer unavailable = {.outcome = DATABASE_UNAVAILABLE,
                                                       .constraint = "",
                                                       .table = "",
                                                       .message = "",
                                                       .detail = ""};
    struct pool *pool = context;
    struct task_list ended = TAILQ_HEAD_INITIALIZER(ended);
    struct task *task;
    int64_t now = monotonic_milliseconds();

    (void)descriptor, (void)what;
    check_magic(pool, POOL_MAGIC);
    /* Taken aside first, since those who are told may submit again. */
    TAILQ_CONCAT(&ended, &pool->refused, link);
    while ((task = TAILQ_FIRST(&pool->queue)) != NULL && task->expiry <= now) {
        queue_remove(pool, task);
        TAILQ_INSERT_TAIL(&ended, task, link);
    }
    while ((task = TAILQ_FIRST(&ended)) != NULL) {
        TAILQ_REMOVE(&ended, task, link);
        task_end(pool, task, &unavailable);
    }
    timer_set(pool);
}

struct pool *pool_new(struct event_base *base, const struct database_settings *settings,
                      const char *role, database_done *done, void *context)
{
    static const struct backend_user user = {.freed = on_freed, .answered = on_answered};
    struct pool *pool = memory_allocate(1, sizeof *pool);

    check(settings->connections > 0 && settings->connections <= DATABASE_CONNECTIONS_LIMIT);
    pool->magic = POOL_MAGIC;
    pool->settings = settings;
    pool->done = done;
    pool->context = context;
    TAILQ_INIT(&pool->queue);
    TAILQ_INIT(&pool->refused);
    pool->timer = evtimer_new(base, on_timer, pool);
    check(pool->timer != NULL);
    pool->slot_count = (size_t)settings->connections;
    for (size_t i = 0; i < pool->slot_count; i++) {
        struct slot *slot = &pool->slots[i];
        slot->pool = pool;
        slot->backend = backend_new(base, settings, role, &user, slot);
    }
    return pool;
}

static void tasks_free(struct task_list *list)
{
    struct task *task;

    while ((task = TAILQ_FIRST(list)) != NULL) {
        TAILQ_REMOVE(list, task, link);
        memory_free(task);
    }
}

void pool_free(struct pool **pool)
{
    if (*pool == NULL)
        return;
    check_magic(*pool, POOL_MAGIC);
    for (size_t i = 0; i < (*pool)->slot_count; i++) {
        backend_free(&(*pool)->slots[i].backend);
        memory_free((*pool)->slots[i].task);
    }
    metric_add(METRIC_QUERIES_WAITING, -(int64_t)(*pool)->queue_length);
    tasks_free(&(*pool)->queue);
    tasks_free(&(*pool)->refused);
    event_free((*pool)->timer);
    (*pool)->magic = 0;
    memory_free(*pool);
    *pool = NULL;
}

void pool_submit(struct pool *pool, const struct segment *segment, uint64_t ticket)
{
    struct task *task = memory_allocate(1, sizeof *task);

    check_magic(pool, POOL_MAGIC);
    task->segment = *segment;
    task->ticket = ticket;
    task->expiry = monotonic_milliseconds() + pool->settings->queue_timeout;
    if (pool->queue_length >= DATABASE_QUEUE_LIMIT) {
        TAILQ_INSERT_TAIL(&pool->refused, task, link);
        timer_set(pool);
        return;
    }
    queue_add(pool, task, false);
    pool_dispatch(pool);
}

bool pool_ready(const struct pool *pool)
{
    check_magic(pool, POOL_MAGIC);
    for (size_t i = 0; i < pool->slot_count; i++)
        if (backend_state(pool->slots[i].backend) >= BACKEND_FREE)
            return true;
    return false;
}
