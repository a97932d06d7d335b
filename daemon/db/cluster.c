#include "daemon/db/cluster.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/buffer.h"
#include "common/check.h"
#include "common/instant.h"
#include "common/log.h"
#include "common/slice.h"
#include "config.h"
#include "daemon/db/cluster_files.h"
#include "daemon/db/connect.h"
#include "daemon/db/program.h"
#include "daemon/db/session.h"

/* Milliseconds, where nothing else is said. */
enum {
    START_LIMIT = 600000, /* recovery after a crash reads the log of a whole checkpoint */
    QUIT_LIMIT = 15000,   /* what has not gone after five seconds PostgreSQL itself kills */
    KILL_LIMIT = 10000,
    LOOK_INTERVAL = 50,
    PROGRESS_INTERVAL = 5000,
    ATTEMPTS = 3, /* backends of a killed postmaster hold its memory for a moment */
    ATTEMPT_INTERVAL = 1000,
    PIDS_LIMIT = 4194304, /* Linux's most */
    OUTPUT_SIZE = 4096,
    NAME_SIZE = 64,
};

enum readiness { READY, ENDED, LATE };

void cluster_describe(struct cluster *cluster, const char *state_directory, const char *programs,
                      uid_t user, gid_t group)
{
    *cluster = (struct cluster){.user = user, .group = group};
    size_t size = sizeof cluster->directory;
    int length = snprintf(cluster->directory, size, "%s/postgresql", state_directory);
    if (length < 0 || (size_t)length >= size)
        cluster->directory[0] = '\0';
    snprintf(cluster->programs, sizeof cluster->programs, "%s",
             programs == NULL ? POSTGRESQL_BINDIR : programs);
    cluster_find_socket(cluster);
}

static void wait_milliseconds(long milliseconds)
{
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};

    nanosleep(&time, NULL);
}

/* The working directory of a postmaster is its data directory; so a number that another process has
 * got since, or a dead child not yet reaped, is not mistaken for it. */
static bool postmaster_lives(const struct cluster *cluster, pid_t process)
{
    char data[CLUSTER_PATH_SIZE], place[NAME_SIZE];
    struct stat here, there;

    cluster_path(cluster, "data", data);
    snprintf(place, sizeof place, "/proc/%d/cwd", (int)process);
    return process > 0 && stat(data, &here) == 0 && stat(place, &there) == 0 &&
           here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

static bool cluster_adopt(struct cluster *cluster)
{
    char text[OUTPUT_SIZE];
    uint64_t process;

    cluster_read(cluster, "data/postmaster.pid", text, sizeof text);
    text[strcspn(text, "\n")] = '\0';
    if (!slice_to_number(slice_of(text), PIDS_LIMIT, &process) ||
        !postmaster_lives(cluster, (pid_t)process))
        return false;
    cluster->process = (pid_t)process;
    log_info("cluster_adopted", log_number("pid", process));
    return true;
}

static bool programs_there(const struct cluster *cluster, char problem[CLUSTER_PROBLEM_SIZE])
{
    static const char *const programs[] = {"initdb", "postgres"};
    char path[CLUSTER_PATH_SIZE];

    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        snprintf(path, sizeof path, "%s/%s", cluster->programs, programs[i]);
        if (access(path, X_OK) != 0) {
            return cluster_problem(
                problem, "%s is not there: apt-get install postgresql-15, or name a database",
                path);
        }
    }
    return true;
}

/* As root it gives a directory that it has just made to the cluster's user; everything below is
 * made by that user. */
static bool directory_ensure(const struct cluster *cluster, char problem[CLUSTER_PROBLEM_SIZE])
{
    const char *path = cluster->directory;
    struct stat status;
    bool made = mkdir(path, 0700) == 0;

    if (!made && errno != EEXIST) {
        return cluster_problem(
            problem,
            "%s cannot be made: %s; make the state directory and give it to the system user "
            "that runs bccd",
            path, strerror(errno));
    }
    bool given = !made || geteuid() != 0 || lchown(path, cluster->user, cluster->group) == 0;
    if (!given || lstat(path, &status) != 0 || !S_ISDIR(status.st_mode) ||
        status.st_uid != cluster->user) {
        return cluster_problem(
            problem, "%s is not a directory of the system user %u: chown -R it to that user", path,
            (unsigned)cluster->user);
    }
    return true;
}

static bool cluster_possible(const struct cluster *cluster, char problem[CLUSTER_PROBLEM_SIZE])
{
    const char *reason = NULL;

    if (cluster->directory[0] == '\0')
        reason = "the state directory's path is too long; take a shorter one";
    else if (cluster->user == 0)
        reason = "PostgreSQL does not run as root; name a system user for it";
    else if (geteuid() != 0 && geteuid() != cluster->user)
        reason = "only root can run PostgreSQL as another system user";
    else if (getpwuid(cluster->user) == NULL)
        reason = "the system user for PostgreSQL has no name; add it with adduser --system";
    if (reason != NULL)
        return cluster_problem(problem, "%s", reason);
    return programs_there(cluster, problem) && directory_ensure(cluster, problem);
}

/* In a child that is the cluster's user: makes its files, and says through the pipe what failed. */
_Noreturn static void make_and_tell(struct cluster *cluster, int end)
{
    char problem[CLUSTER_PROBLEM_SIZE] = "the system user of PostgreSQL cannot be taken on";

    if (program_user(cluster->user, cluster->group) && cluster_make(cluster, problem))
        _exit(0);
    ssize_t told = write(end, problem, strlen(problem));
    _exit(told < 0 ? 2 : 1);
}

static bool cluster_make_as_user(struct cluster *cluster, char problem[CLUSTER_PROBLEM_SIZE])
{
    int ends[2], status = -1;

    cluster_problem(problem, "no process for PostgreSQL can be made");
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    pid_t child = fork();
    if (child == 0)
        make_and_tell(cluster, ends[1]);
    close(ends[1]);
    if (child > 0) {
        ssize_t length;
        while ((length = read(ends[0], problem, CLUSTER_PROBLEM_SIZE - 1)) < 0 && errno == EINTR)
            continue;
        problem[length > 0 ? length : 0] = '\0';
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            continue;
    }
    close(ends[0]);
    cluster_find_socket(cluster);
    return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* A session of its own keeps it from the terminal's signals and from the supervisor's end. */
_Noreturn static void become_postmaster(const struct cluster *cluster)
{
    char program[CLUSTER_PATH_SIZE], data[CLUSTER_PATH_SIZE], said[CLUSTER_PATH_SIZE];
    const char *const arguments[] = {program, "-D", data, NULL};

    snprintf(program, sizeof program, "%s/postgres", cluster->programs);
    cluster_path(cluster, "data", data);
    cluster_path(cluster, "start.log", said);
    setsid();
    umask(0077);
    if (program_user(cluster->user, cluster->group)) {
        int nothing = open("/dev/null", O_RDONLY);
        int output = open(said, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
        if (nothing >= 0 && output >= 0) {
            dup2(nothing, STDIN_FILENO);
            dup2(output, STDOUT_FILENO);
            dup2(output, STDERR_FILENO);
            program_become(arguments);
        }
    }
    _exit(1);
}

static bool cluster_launch(struct cluster *cluster, char problem[CLUSTER_PROBLEM_SIZE])
{
    if (!cluster_make_as_user(cluster, problem))
        return false;
    cluster->process = fork();
    if (cluster->process == 0)
        become_postmaster(cluster);
    if (cluster->process < 0) {
        cluster->process = 0;
        return cluster_problem(problem, "no process for PostgreSQL can be made: %s",
                               strerror(errno));
    }
    log_info("cluster_started", log_number("pid", cluster->process));
    return true;
}

/* Notices the end of the postmaster, be it a child or adopted. */
static bool cluster_gone(struct cluster *cluster)
{
    pid_t reaped = waitpid(cluster->process, NULL, WNOHANG);
    bool gone = reaped == cluster->process ||
                (reaped < 0 && errno == ECHILD && !postmaster_lives(cluster, cluster->process));

    if (gone)
        cluster->process = 0;
    return gone;
}

static enum readiness cluster_await(struct cluster *cluster)
{
    char uri[CLUSTER_URI_SIZE], ping[CLUSTER_URI_SIZE + NAME_SIZE];
    int64_t start = monotonic_milliseconds(), told = start;

    cluster_uri(cluster, uri);
    snprintf(ping, sizeof ping, "%s user=" CLUSTER_ADMIN " connect_timeout=2", uri);
    while (!cluster_gone(cluster)) {
        int64_t now = monotonic_milliseconds();
        if (PQping(ping) == PQPING_OK)
            return READY;
        if (now - start > START_LIMIT)
            return LATE;
        if (now - told >= PROGRESS_INTERVAL) {
            log_info("cluster_waits", log_number("milliseconds", now - start));
            told = now;
        }
        wait_milliseconds(LOOK_INTERVAL);
    }
    return ENDED;
}

static bool database_there(struct session *session)
{
    PGresult *result =
        session_query(session, "select 1 as found from pg_database where datname = 'bccd'");
    bool found = PQntuples(result) > 0;

    PQclear(result);
    return found;
}

static bool database_ensure(const struct cluster *cluster, char problem[CLUSTER_PROBLEM_SIZE])
{
    char uri[CLUSTER_URI_SIZE], administrative[CLUSTER_URI_SIZE + NAME_SIZE];

    cluster_uri(cluster, uri);
    snprintf(administrative, sizeof administrative, "%s dbname=postgres", uri);
    struct session *session = session_open(administrative, CLUSTER_ADMIN, problem);
    if (session == NULL)
        return false;
    if (!database_there(session) && !session_failed(session)) {
        session_execute(session,
                        "do $$ begin"
                        " if not exists (select from pg_roles where rolname = 'bccd_owner')"
                        " then create role bccd_owner nologin; end if; end $$");
        if (!session_failed(session))
            session_execute(session, "create database bccd owner bccd_owner");
    }
    bool good = !session_failed(session);
    if (!good)
        cluster_problem(problem, "the database bccd cannot be made: %s", session_problem(session));
    session_close(&session);
    return good;
}

bool cluster_start(struct cluster *cluster, char problem[CLUSTER_PROBLEM_SIZE])
{
    char said[OUTPUT_SIZE];

    if (!cluster_possible(cluster, problem))
        return false;
    for (int attempt = 1; attempt <= ATTEMPTS; attempt++) {
        if (!cluster_adopt(cluster) && !cluster_launch(cluster, problem))
            return false;
        enum readiness readiness = cluster_await(cluster);
        if (readiness == READY)
            return database_ensure(cluster, problem);
        if (readiness == LATE) {
            return cluster_problem(
                problem,
                "PostgreSQL takes no connections after %d seconds; see the logs in %s and "
                "start again, to wait on",
                START_LIMIT / 1000, cluster->directory);
        }
        wait_milliseconds(ATTEMPT_INTERVAL);
    }
    cluster_read(cluster, "start.log", said, sizeof said);
    return cluster_explain(cluster, "postgres", said, problem);
}

void cluster_uri(const struct cluster *cluster, char uri[CLUSTER_URI_SIZE])
{
    const struct passwd *user = getpwuid(cluster->user);
    struct buffer text = buffer_make(CLUSTER_URI_SIZE - 1);

    connect_keyword(&text, "dbname", "bccd");
    connect_keyword(&text, "host", cluster->socket_directory);
    if (user != NULL)
        connect_keyword(&text, "requirepeer", user->pw_name);
    check(!buffer_overflowed(&text));
    snprintf(uri, CLUSTER_URI_SIZE, "%s", text.data);
    buffer_free(&text);
}

static bool cluster_goes(struct cluster *cluster, int64_t limit)
{
    int64_t start = monotonic_milliseconds(), told = start;

    while (!cluster_gone(cluster)) {
        int64_t now = monotonic_milliseconds();
        if (now - start >= limit)
            return false;
        if (now - told >= PROGRESS_INTERVAL) {
            log_info("cluster_stops", log_number("milliseconds", now - start));
            told = now;
        }
        wait_milliseconds(LOOK_INTERVAL);
    }
    log_info("cluster_stopped");
    return true;
}

/* After SIGQUIT and SIGKILL there was no checkpoint: the next start recovers from the log. One that
 * was stopped (SIGSTOP) sees no signal but SIGKILL until it may go on. */
void cluster_stop(struct cluster *cluster, int64_t patience)
{
    const struct {
        int number;
        int64_t limit;
    } signals[] = {{SIGINT, patience}, {SIGQUIT, QUIT_LIMIT}, {SIGKILL, KILL_LIMIT}};

    if (cluster->process == 0)
        return;
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        if (i > 0)
            log_warning("cluster_stop_forced", log_number("signal", signals[i].number));
        kill(cluster->process, signals[i].number);
        kill(cluster->process, SIGCONT);
        if (cluster_goes(cluster, signals[i].limit))
            return;
    }
    log_error("cluster_left", log_number("pid", cluster->process),
              log_text("remedy", "the kernel holds it; see whether its disk answers"));
}

bool cluster_ended(struct cluster *cluster, pid_t child)
{
    if (child <= 0 || child != cluster->process)
        return false;
    cluster->process = 0;
    return true;
}

bool cluster_running(const struct cluster *cluster)
{
    siginfo_t state;

    if (cluster->process == 0)
        return false;
    bool child = waitid(P_PID, (id_t)cluster->process, &state, WEXITED | WNOHANG | WNOWAIT) == 0;
    return child || postmaster_lives(cluster, cluster->process);
}
