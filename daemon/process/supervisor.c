#include "daemon/process/supervisor.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/check.h"
#include "common/instant.h"
#include "common/log.h"
#include "common/metric.h"
#include "daemon/process/children.h"
#include "daemon/process/command.h"
#include "daemon/process/notify.h"
#include "daemon/process/prepare.h"

enum {
    TICK = 1000,         /* milliseconds between two looks at what sends no signal */
    SETTLE_TIME = 250,   /* milliseconds that every child has run before we are ready */
    DRAIN_MARGIN = 2000, /* milliseconds for workers to cut what is left by themselves */
    MILLISECONDS = 1000,
    NANOSECONDS = 1000000,
};

enum state { STARTING, SERVING, DRAINING, HASHER_LAST };

struct supervisor {
    enum state state;
    int64_t deadline; /* of the drain */
    struct settings settings;
    const char *settings_path;
    struct ground ground;
    struct children children;
    struct restart cluster_restart;
    int64_t cluster_start_at;
    sigset_t signals;
};

static void enter_state(struct supervisor *supervisor, enum state state, int64_t now)
{
    static const char *const names[] = {"starting", "ready", "draining", "stopping"};

    supervisor->state = state;
    log_info(names[state], log_number("pid", getpid()),
             log_number("workers", supervisor->ground.workers));
    switch (state) {
    case STARTING:
        break;
    case SERVING:
        notify_send("READY=1");
        break;
    case DRAINING:
        notify_send("STOPPING=1");
        supervisor->deadline = now + supervisor->settings.drain_time * MILLISECONDS + DRAIN_MARGIN;
        listeners_close(&supervisor->ground.listeners);
        children_signal(&supervisor->children, SIGTERM, false);
        break;
    case HASHER_LAST:
        children_signal(&supervisor->children, SIGTERM, true);
        break;
    }
}

static void stop(struct supervisor *supervisor, int64_t now)
{
    if (supervisor->state < DRAINING)
        enter_state(supervisor, DRAINING, now);
    else
        supervisor->deadline = now;
}

static void warn_of_restart(const struct option *option)
{
    log_warning("restart_needed", log_text("option", option->name));
}

static void reload(struct supervisor *supervisor)
{
    char problem[OPTION_PROBLEM_SIZE];

    if (!settings_reload(&supervisor->settings, supervisor->settings_path, warn_of_restart,
                         problem)) {
        log_error("reload_refused", log_text("problem", problem));
        return;
    }
    log_set_level((enum log_level)settings_log_level(&supervisor->settings));
    children_signal(&supervisor->children, SIGHUP, true);
    log_info("reloaded");
}

static void reap(struct supervisor *supervisor, int64_t now)
{
    int status;
    pid_t process;

    while ((process = waitpid(-1, &status, WNOHANG)) > 0) {
        bool known = children_ended(&supervisor->children, process, status,
                                    supervisor->state >= DRAINING, now);
        if (!known && supervisor->ground.embedded &&
            cluster_ended(&supervisor->ground.cluster, process))
            log_error("cluster_ended", log_number("pid", process));
    }
}

static void keep_cluster(struct supervisor *supervisor, int64_t now)
{
    char problem[CLUSTER_PROBLEM_SIZE];

    if (!supervisor->ground.embedded || cluster_running(&supervisor->ground.cluster) ||
        now < supervisor->cluster_start_at)
        return;
    supervisor->cluster_start_at = now + restart_note(&supervisor->cluster_restart, now);
    if (cluster_start(&supervisor->ground.cluster, problem))
        log_info("cluster_restarted");
    else
        log_error("cluster_failed", log_text("problem", problem));
}

static void keep_serving(struct supervisor *supervisor, int64_t now)
{
    keep_cluster(supervisor, now);
    children_start_due(&supervisor->children, now);
    children_help_loopers(&supervisor->children, now);
    if (supervisor->state == STARTING && children_settled(&supervisor->children, now, SETTLE_TIME))
        enter_state(supervisor, SERVING, now);
}

/* True when all have ended. */
static bool keep_draining(struct supervisor *supervisor, int64_t now)
{
    if (supervisor->state == DRAINING && children_running(&supervisor->children, false) == 0)
        enter_state(supervisor, HASHER_LAST, now);
    if (now >= supervisor->deadline && children_running(&supervisor->children, true) > 0)
        children_signal(&supervisor->children, SIGKILL, true);
    return children_running(&supervisor->children, true) == 0;
}

static int wait_signal(struct supervisor *supervisor, int64_t now)
{
    int64_t until = now + TICK;
    struct timespec time;

    if (supervisor->state == STARTING)
        until = now + SETTLE_TIME;
    if (supervisor->state < DRAINING)
        until = children_next(&supervisor->children, until);
    else if (supervisor->deadline > now && supervisor->deadline < until)
        until = supervisor->deadline;
    until = until > now ? until - now : 1;
    time.tv_sec = until / MILLISECONDS;
    time.tv_nsec = until % MILLISECONDS * NANOSECONDS;
    return sigtimedwait(&supervisor->signals, NULL, &time);
}

static void handle(struct supervisor *supervisor, int number, int64_t now)
{
    if (number == SIGTERM || number == SIGINT)
        stop(supervisor, now);
    else if (number == SIGHUP && supervisor->state < DRAINING)
        reload(supervisor);
}

static void loop(struct supervisor *supervisor)
{
    bool ended = false;

    while (!ended) {
        int number = wait_signal(supervisor, monotonic_milliseconds());
        int64_t now = monotonic_milliseconds();
        handle(supervisor, number, now);
        reap(supervisor, now);
        if (supervisor->state < DRAINING)
            keep_serving(supervisor, now);
        else
            ended = keep_draining(supervisor, now);
    }
}

/* Blocked and taken one at a time by sigtimedwait, so that no handler ever runs. SIGUSR1 is for the
 * children, and blocked until they are there for it: a worker is told to help its sibling by it,
 * and one that has just been forked would end of it. */
static void block_signals(struct supervisor *supervisor)
{
    static const int taken[] = {SIGCHLD, SIGHUP, SIGTERM, SIGINT, SIGUSR1};

    sigemptyset(&supervisor->signals);
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++)
        sigaddset(&supervisor->signals, taken[i]);
    check(sigprocmask(SIG_BLOCK, &supervisor->signals, NULL) == 0);
    signal(SIGPIPE, SIG_IGN);
}

static void warn_of_descriptors(const struct settings *settings)
{
    enum { SPARE = 256 };
    long limit = sysconf(_SC_OPEN_MAX);

    if (limit > 0 && settings->connections + SPARE > limit)
        log_warning("few_descriptors", log_number("limit", limit),
                    log_number("connections", settings->connections),
                    log_text("remedy", "raise the hard limit of open files (LimitNOFILE=)"));
}

int supervisor_run(struct settings *settings, const char *settings_path)
{
    static struct supervisor supervisor; /* large, and one a process */
    char problem[OPTION_PROBLEM_SIZE];

    supervisor.settings = *settings;
    memset(settings, 0, sizeof *settings);
    supervisor.settings_path = settings_path;
    block_signals(&supervisor);
    metric_start();
    metric_use_slot(0);
    log_start("supervisor", (enum log_level)settings_log_level(&supervisor.settings));
    bool good = ground_prepare(&supervisor.ground, &supervisor.settings, problem);
    if (good) {
        warn_of_descriptors(&supervisor.settings);
        children_plan(&supervisor.children, &supervisor.ground, settings_path);
        children_start_due(&supervisor.children, monotonic_milliseconds());
        loop(&supervisor);
    } else {
        command_failed(problem);
    }
    ground_leave(&supervisor.ground);
    if (good)
        log_info("stopped");
    settings_free(&supervisor.settings);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
