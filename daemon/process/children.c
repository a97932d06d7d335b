#include "daemon/process/children.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/check.h"
#include "common/log.h"
#include "common/metric.h"
#include "daemon/process/courier.h"
#include "daemon/process/hasher.h"
#include "daemon/process/jobs.h"
#include "daemon/process/worker.h"

enum { CHILDREN_MAGIC = 0x6368696c, FIRST_SLOT = 1, FORK_RETRY = 1000, WORKER_NAME_SIZE = 24 };

_Static_assert(FIRST_SLOT + CHILDREN_LIMIT <= METRIC_SLOTS_LIMIT, "a metric slot a child");

static void add(struct children *children, enum child_kind kind, unsigned number, const char *name)
{
    struct child *child = &children->list[children->count++];

    child->kind = kind;
    child->number = number;
    snprintf(child->name, sizeof child->name, "%.*s", CHILD_NAME_SIZE - 1, name);
}

void children_plan(struct children *children, const struct ground *ground,
                   const char *settings_path)
{
    char name[WORKER_NAME_SIZE];

    memset(children, 0, sizeof *children);
    children->magic = CHILDREN_MAGIC;
    children->supervisor = getpid();
    children->ground = ground;
    children->settings_path = settings_path;
    add(children, CHILD_HASHER, 0, "hasher");
    add(children, CHILD_JOBS, 0, "jobs");
    add(children, CHILD_PERIODIC, 0, "jobs-periodic");
    add(children, CHILD_COURIER, 0, "courier");
    for (unsigned i = 0; i < ground->workers; i++) {
        snprintf(name, sizeof name, "worker-%u", i + 1);
        add(children, CHILD_WORKER, i, name);
    }
}

/* The public socket of the worker whose helper this one is; -1 where it is its own as well. */
static int sibling_socket(const struct ground *ground, unsigned number)
{
    unsigned sibling = (number + 1) % ground->workers;
    int own = ground->listeners.sockets[number][WORKER_PUBLIC];
    int other = ground->listeners.sockets[sibling][WORKER_PUBLIC];

    return other == own ? -1 : other;
}

static void enter(const struct children *children, const struct child *child, const int *keep,
                  size_t count)
{
    child_enter(&(struct child_plan){
        .name = child->name,
        .metric_slot = FIRST_SLOT + (unsigned)(child - children->list),
        .log_level = (enum log_level)settings_log_level(children->ground->settings),
        .identity = &children->ground->identity,
        .supervisor = children->supervisor,
        .keep = keep,
        .keep_count = count,
    });
}

static int run_worker(const struct children *children, const struct child *child)
{
    const struct ground *ground = children->ground;
    struct worker_environment environment = {
        .number = child->number,
        .settings = ground->settings,
        .settings_path = children->settings_path,
        .database_uri = ground->database_uri,
        .sibling_listener = sibling_socket(ground, child->number),
        .hasher = ground->hashers[child->number][HASHER_END_WORKER],
        .ticket_keys = ground->ticket_keys.bytes,
    };
    int keep[WORKER_LISTENERS + 2];

    memcpy(environment.listeners, ground->listeners.sockets[child->number],
           sizeof environment.listeners);
    memcpy(keep, environment.listeners, sizeof environment.listeners);
    keep[WORKER_LISTENERS] = environment.sibling_listener;
    keep[WORKER_LISTENERS + 1] = environment.hasher;
    enter(children, child, keep, WORKER_LISTENERS + 2);
    return worker_run(&environment);
}

static int run_hasher(const struct children *children, const struct child *child)
{
    int descriptors[WORKERS_LIMIT];

    for (unsigned i = 0; i < children->ground->workers; i++)
        descriptors[i] = children->ground->hashers[i][HASHER_END_HASHER];
    enter(children, child, descriptors, children->ground->workers);
    return hasher_run(descriptors, children->ground->workers);
}

static _Noreturn void run(const struct children *children, const struct child *child)
{
    const struct ground *ground = children->ground;
    int status = EXIT_FAILURE;

    if (child->kind == CHILD_WORKER)
        exit(run_worker(children, child));
    if (child->kind == CHILD_HASHER)
        exit(run_hasher(children, child));
    enter(children, child, NULL, 0);
    if (child->kind == CHILD_COURIER)
        status = courier_run(ground->settings, ground->database_uri);
    else
        status = jobs_run(ground->settings, ground->database_uri, child->kind == CHILD_PERIODIC);
    exit(status);
}

static void start(struct children *children, struct child *child, int64_t now)
{
    pid_t process = fork();

    if (process == 0)
        run(children, child);
    if (process < 0) {
        log_error("fork_failed", log_text("child", child->name),
                  log_text("reason", strerror(errno)));
        child->start_at = now + FORK_RETRY;
        return;
    }
    child->process = process;
    child->started_at = now;
}

void children_start_due(struct children *children, int64_t now)
{
    check_magic(children, CHILDREN_MAGIC);
    for (unsigned i = 0; i < children->count; i++)
        if (children->list[i].process == 0 && children->list[i].start_at <= now)
            start(children, &children->list[i], now);
}

/* Only one that was told to ends with 0: runners do so to begin again with new settings. */
static void note_end(struct child *child, int status, int64_t now)
{
    int64_t delay = restart_note(&child->restart, now);

    child->start_at = now + delay;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS) {
        log_info("child_stopped", log_text("child", child->name));
        return;
    }
    metric_add(METRIC_CHILD_RESTARTS, 1);
    log_error("child_ended", log_text("child", child->name), log_number("pid", child->process),
              log_number("status", WIFEXITED(status) ? WEXITSTATUS(status) : -1),
              log_number("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0),
              log_number("restart_in_milliseconds", delay));
}

bool children_ended(struct children *children, pid_t process, int status, bool expected,
                    int64_t now)
{
    check_magic(children, CHILDREN_MAGIC);
    for (unsigned i = 0; i < children->count; i++) {
        struct child *child = &children->list[i];
        if (child->process != process)
            continue;
        if (expected)
            log_info("child_stopped", log_text("child", child->name));
        else
            note_end(child, status, now);
        child->process = 0;
        return true;
    }
    return false;
}

static bool runs(const struct child *child, bool with_hasher)
{
    return child->process != 0 && (with_hasher || child->kind != CHILD_HASHER);
}

unsigned children_running(const struct children *children, bool with_hasher)
{
    unsigned running = 0;

    for (unsigned i = 0; i < children->count; i++)
        running += runs(&children->list[i], with_hasher);
    return running;
}

void children_signal(const struct children *children, int number, bool with_hasher)
{
    for (unsigned i = 0; i < children->count; i++)
        if (runs(&children->list[i], with_hasher))
            kill(children->list[i].process, number);
}

bool children_settled(const struct children *children, int64_t now, int64_t time)
{
    for (unsigned i = 0; i < children->count; i++)
        if (children->list[i].process == 0 || children->list[i].started_at > now - time)
            return false;
    return true;
}

void children_help_loopers(const struct children *children, int64_t now)
{
    const struct child *workers = &children->list[children->count - children->ground->workers];
    unsigned count = children->ground->workers;

    for (unsigned i = 0; count > 1 && i < count; i++) {
        const struct child *helper = &workers[(i + count - 1) % count];
        if (restart_looping(&workers[i].restart, now) && helper->process != 0)
            kill(helper->process, SIGUSR1);
    }
}

int64_t children_next(const struct children *children, int64_t latest)
{
    for (unsigned i = 0; i < children->count; i++)
        if (children->list[i].process == 0 && children->list[i].start_at < latest)
            latest = children->list[i].start_at;
    return latest;
}
