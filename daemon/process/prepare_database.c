#include "daemon/process/prepare_database.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/db/migration.h"
#include "daemon/db/session.h"

_Static_assert((int)CLUSTER_URI_SIZE <= (int)CONNECT_URI_SIZE, "the cluster's URI fits");
_Static_assert((int)CLUSTER_PROBLEM_SIZE == (int)CONNECT_PROBLEM_SIZE, "and either's problem");

void database_describe(struct ground *ground)
{
    const struct settings *settings = ground->settings;

    cluster_describe(&ground->cluster, settings->state_directory,
                     settings->postgresql_programs[0] == '\0' ? NULL
                                                              : settings->postgresql_programs,
                     ground->identity.user, ground->identity.group);
    ground->embedded = true;
    cluster_uri(&ground->cluster, ground->database_uri);
}

/* Only the start of the cluster chooses where its socket is. */
bool database_prepare(struct ground *ground, char problem[OPTION_PROBLEM_SIZE])
{
    const char *configured = ground->settings->database;
    char reason[CLUSTER_PROBLEM_SIZE];

    if (configured[0] != '\0' && connect_resolve(configured, ground->database_uri, reason))
        return true;
    if (configured[0] != '\0') {
        snprintf(problem, OPTION_PROBLEM_SIZE, "database: %s", reason);
        return false;
    }
    database_describe(ground);
    if (!cluster_start(&ground->cluster, reason)) {
        snprintf(problem, OPTION_PROBLEM_SIZE, "embedded database: %s", reason);
        return false;
    }
    cluster_uri(&ground->cluster, ground->database_uri);
    return true;
}

static bool with_session(const struct ground *ground, const char *role,
                         bool (*use)(struct session *session, char *problem), char *problem)
{
    char reason[SESSION_PROBLEM_SIZE];
    struct session *session = session_open(ground->database_uri, role, reason);
    bool good = session != NULL && use(session, reason);

    if (!good)
        snprintf(problem, OPTION_PROBLEM_SIZE, "database: %s%s", reason,
                 session == NULL ? "; correct the option database and see that the server runs"
                                 : "");
    session_close(&session);
    return good;
}

static bool apply(const struct ground *ground, void *context, char problem[OPTION_PROBLEM_SIZE])
{
    (void)context;
    return with_session(ground, ground->embedded ? CLUSTER_ADMIN : NULL, migration_apply_all,
                        problem);
}

static bool look(const struct ground *ground, void *context, char problem[OPTION_PROBLEM_SIZE])
{
    (void)context;
    return with_session(ground, "bccd_jobs", migration_check, problem);
}

bool ground_migrate(const struct ground *ground, char problem[OPTION_PROBLEM_SIZE])
{
    return ground_run(ground, apply, NULL, problem);
}

bool database_ready_check(const struct ground *ground, char problem[OPTION_PROBLEM_SIZE])
{
    return ground_run(ground, ground->embedded ? apply : look, NULL, problem);
}

static _Noreturn void run_child(const struct ground *ground,
                                bool (*work)(const struct ground *, void *, char *), void *context,
                                int report)
{
    char problem[OPTION_PROBLEM_SIZE] = "";
    bool good = identity_assume(&ground->identity);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!good)
        snprintf(problem, sizeof problem, "%s: %s", ground->identity.name, strerror(errno));
    else
        good = work(ground, context, problem);
    if (!good)
        (void)!write(report, problem, strlen(problem));
    exit(good ? EXIT_SUCCESS : EXIT_FAILURE);
}

static void read_report(int report, char problem[OPTION_PROBLEM_SIZE])
{
    size_t length = 0;
    ssize_t got;

    while (length < OPTION_PROBLEM_SIZE - 1 &&
           (got = read(report, problem + length, OPTION_PROBLEM_SIZE - 1 - length)) > 0)
        length += (size_t)got;
    problem[length] = '\0';
}

bool ground_run(const struct ground *ground,
                bool (*work)(const struct ground *ground, void *context,
                             char problem[OPTION_PROBLEM_SIZE]),
                void *context, char problem[OPTION_PROBLEM_SIZE])
{
    int report[2], status = -1;
    pid_t child;

    if (pipe2(report, O_CLOEXEC) != 0 || (child = fork()) < 0) {
        snprintf(problem, OPTION_PROBLEM_SIZE, "fork: %s; free some memory or processes",
                 strerror(errno));
        return false;
    }
    if (child == 0) {
        close(report[0]);
        run_child(ground, work, context, report[1]);
    }
    close(report[1]);
    read_report(report[0], problem);
    close(report[0]);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS)
        return true;
    if (problem[0] == '\0')
        snprintf(problem, OPTION_PROBLEM_SIZE, "the child that prepares the database ended with %d",
                 status);
    return false;
}
