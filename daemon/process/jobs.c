#include "daemon/process/jobs.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/instant.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/metric.h"
#include "daemon/billing/billing.h"
#include "daemon/db/job.h"
#include "daemon/process/child.h"

enum {
    POLL_TIME = 1000, /* milliseconds; a notice wakes it earlier */
    ATTEMPTS_LIMIT = 10,
    RETRY_LIMIT = 300, /* seconds */
    OWNER_SIZE = 128,
    HOST_SIZE = 64,
};

static volatile sig_atomic_t stopping;

struct runner {
    bool periodic;
    char owner[OWNER_SIZE];
    struct job_environment environment;
    struct seal_keys keys;
    struct session *session;
};

static void note_stop(int number)
{
    (void)number;
    stopping = 1;
}

/* Sleeps until a notice, a signal or the time. Without a session it is the pause before the next
 * attempt to get one. */
static void wait_for_work(const struct runner *runner)
{
    PGconn *connection = runner->session == NULL ? NULL : session_connection(runner->session);
    struct pollfd polled = {.fd = connection == NULL ? -1 : PQsocket(connection), .events = POLLIN};
    PGnotify *notice;

    if (stopping != 0 || poll(&polled, 1, POLL_TIME) <= 0 || connection == NULL ||
        PQconsumeInput(connection) == 0)
        return;
    while ((notice = PQnotifies(connection)) != NULL)
        PQfreemem(notice);
}

static bool connect_database(struct runner *runner)
{
    char problem[SESSION_PROBLEM_SIZE];

    runner->session = session_open(runner->environment.database_uri, JOB_ROLE, problem);
    if (runner->session == NULL) {
        log_error("jobs_without_database", log_text("problem", problem));
        return false;
    }
    session_execute(runner->session, "listen bccd_jobs");
    billing_note_platform(runner->session, runner->environment.time_zone,
                          runner->environment.issuer_name, runner->environment.issuer_name_zh);
    if (runner->periodic)
        job_arm_periodic(runner->session);
    return true;
}

/* 2, 4, 8 ... seconds. */
static int64_t delay_of(int64_t attempt)
{
    int64_t delay = 1;

    while (attempt-- > 0 && delay < RETRY_LIMIT)
        delay *= 2;
    return delay < RETRY_LIMIT ? delay : RETRY_LIMIT;
}

/* The session may have been what failed. What cannot be noted is found by its lease's end. */
static void give_back(struct runner *runner, struct job *job)
{
    bool stopped = job_stopping(job);

    log_warning("job_failed", log_text("job", job->id), log_text("kind", job->kind->name),
                log_number("attempt", job->attempt),
                log_text("problem", session_problem(runner->session)));
    metric_add(METRIC_JOBS_FAILED, 1);
    if (session_lost(runner->session)) {
        session_close(&runner->session);
        if (!connect_database(runner))
            return;
        job->session = runner->session;
    }
    if (!stopped && job->attempt >= ATTEMPTS_LIMIT)
        (void)job_fail(job, "job_attempts_exhausted", "It was tried again and again in vain.");
    else
        (void)job_release(job, stopped ? 0 : delay_of(job->attempt), stopped);
}

static void run(struct runner *runner, struct job *job)
{
    int64_t begun = monotonic_milliseconds();
    bool good;

    /* One more than give_back lets pass: the process itself ended each time. */
    if (job->attempt > ATTEMPTS_LIMIT)
        good = job_fail(job, "job_crashed", "It ended the process that ran it, again and again.");
    else
        good = job->kind->run(job);
    if (good && !job->ended)
        good = job_complete(job, false, NULL);
    if (!good) {
        give_back(runner, job);
        return;
    }
    metric_add(METRIC_JOBS_DONE, 1);
    log_debug("job_ended", log_text("job", job->id), log_text("kind", job->kind->name),
              log_number("milliseconds", monotonic_milliseconds() - begun));
}

static bool run_one(struct runner *runner)
{
    struct job job;

    if (!job_claim(&job, runner->session, &runner->environment, runner->owner, runner->periodic))
        return false;
    run(runner, &job);
    job_end(&job);
    return true;
}

static void loop(struct runner *runner)
{
    while (stopping == 0) {
        if (runner->session != NULL && session_lost(runner->session))
            session_close(&runner->session);
        if ((runner->session == NULL && !connect_database(runner)) || !run_one(runner))
            wait_for_work(runner);
    }
}

static void start(struct runner *runner, const struct settings *settings, const char *database_uri)
{
    char host[HOST_SIZE] = "";

    (void)gethostname(host, sizeof host - 1);
    snprintf(runner->owner, sizeof runner->owner, "%s/%ld", host, (long)getpid());
    runner->environment = (struct job_environment){
        .database_uri = database_uri,
        .time_zone = settings->time_zone,
        .issuer_name = settings->issuer_name,
        .issuer_name_zh = settings->issuer_name_zh,
        .export_directory = settings->export_directory,
        .event_window = settings->event_window,
        .idempotency_time = settings->idempotency_time,
        .seal_keys = &runner->keys,
        .lease_seconds = settings->job_lease_time,
        .stopping = &stopping,
    };
}

int jobs_run(const struct settings *settings, const char *database_uri, bool periodic)
{
    struct runner runner = {.periodic = periodic};
    struct sigaction action = {.sa_handler = note_stop};
    char problem[OPTION_PROBLEM_SIZE];

    start(&runner, settings, database_uri);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    child_take_reloads();
    if (!seal_keys_read(settings->master_key_file, &runner.keys, problem, sizeof problem)) {
        log_error("jobs_without_keys", log_text("problem", problem));
        return EXIT_FAILURE;
    }
    loop(&runner);
    session_close(&runner.session);
    memory_wipe(&runner.keys, sizeof runner.keys);
    return EXIT_SUCCESS;
}
