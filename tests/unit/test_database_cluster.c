#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/instant.h"
#include "tests/unit/database_support.h"
#include "tests/unit/unit.h"

enum { PATH_SIZE = 512, STOP_PATIENCE = 20000, LOOK_MICROSECONDS = 20000 };

TEST(database_cluster_has_what_it_should)
{
    char path[PATH_SIZE];
    struct stat status;

    support_cluster();
    EXPECT_TEXT(support_value("show server_encoding"), "UTF8");
    EXPECT_TEXT(support_value("show data_checksums"), "on");
    EXPECT_TEXT(support_value("show synchronous_commit"), "on");
    EXPECT_TEXT(support_value("show listen_addresses"), "");
    EXPECT_TEXT(support_value("show max_connections"), "100");
    EXPECT_TEXT(support_value("select datcollate from pg_database where datname = 'bccd'"), "C");
    EXPECT_TEXT(support_value("select pg_get_userbyid(datdba) from pg_database"
                              " where datname = 'bccd'"),
                "bccd_owner");
    EXPECT_TEXT(support_value("select rolcanlogin from pg_roles where rolname = 'bccd_owner'"),
                "f");
    EXPECT(stat(support_cluster()->socket_directory, &status) == 0);
    EXPECT_NUMBER(status.st_mode & 07777, 0700);
    EXPECT_NUMBER(status.st_uid, support_user());
    snprintf(path, sizeof path, "%s/data/bccd.conf", support_cluster()->directory);
    EXPECT(stat(path, &status) == 0);
    EXPECT_NUMBER(status.st_uid, support_user());
}

TEST(database_cluster_is_adopted)
{
    char problem[CLUSTER_PROBLEM_SIZE] = "", state[PATH_SIZE];
    struct cluster again;

    snprintf(state, sizeof state, "%s", support_cluster()->directory);
    *strrchr(state, '/') = '\0';
    cluster_describe(&again, state, NULL, support_user(), support_group());
    EXPECT(cluster_start(&again, problem));
    EXPECT_TEXT(problem, "");
    EXPECT_NUMBER(again.process, support_cluster()->process);
    EXPECT(cluster_running(&again));
    EXPECT(!cluster_ended(&again, again.process + 1));
}

/* Its path is too long for a socket; it dies without a word and comes back; it stops. */
TEST(database_cluster_survives)
{
    static const char deep[] = "/a-directory-whose-name-is-rather-long-so-that-no-socket-fits-into"
                               "-it-whatever-the-system";
    char problem[CLUSTER_PROBLEM_SIZE] = "", state[PATH_SIZE], socket_directory[PATH_SIZE];
    struct cluster cluster;
    struct stat status;

    snprintf(state, sizeof state, "%s%s", support_directory(NULL), deep);
    EXPECT(mkdir(state, 0755) == 0 && chown(state, support_user(), support_group()) == 0);
    cluster_describe(&cluster, state, NULL, support_user(), support_group());
    EXPECT(cluster_start(&cluster, problem));
    EXPECT_TEXT(problem, "");
    EXPECT(strlen(cluster.socket_directory) < 60);
    snprintf(socket_directory, sizeof socket_directory, "%s", cluster.socket_directory);
    EXPECT(lstat(socket_directory, &status) == 0 && status.st_uid == support_user());
    EXPECT_NUMBER(status.st_mode & 07777, 0700);

    pid_t first = cluster.process;
    kill(first, SIGKILL);
    EXPECT(waitpid(first, NULL, 0) == first);
    EXPECT(!cluster_running(&cluster));
    EXPECT(cluster_ended(&cluster, first));
    cluster_describe(&cluster, state, NULL, support_user(), support_group());
    EXPECT_TEXT(cluster.socket_directory, socket_directory);
    EXPECT(cluster_start(&cluster, problem));
    EXPECT_TEXT(problem, "");
    EXPECT(cluster.process != first);
    cluster_stop(&cluster, CLUSTER_STOP_PATIENCE);
    EXPECT_NUMBER(cluster.process, 0);
    EXPECT(!cluster_running(&cluster));
    rmdir(socket_directory);
}

/* The supervisor that started it ends; another one takes it over and stops it. */
TEST(database_cluster_outlives_its_supervisor)
{
    char problem[CLUSTER_PROBLEM_SIZE] = "";
    struct cluster cluster;
    int status = 0;

    cluster_describe(&cluster, support_directory(NULL), NULL, support_user(), support_group());
    pid_t child = fork();
    if (child == 0) {
        bool good = cluster_start(&cluster, problem);
        _exit(good ? 0 : 1);
    }
    EXPECT(waitpid(child, &status, 0) == child);
    EXPECT_NUMBER(status, 0);
    int64_t start = monotonic_milliseconds();
    EXPECT(cluster_start(&cluster, problem));
    EXPECT(cluster.process > 0 && cluster_running(&cluster));
    /* No terminal's or group's signal reaches it. */
    EXPECT_NUMBER(getsid(cluster.process), cluster.process);
    /* It was adopted, not started: it is no child of ours. */
    EXPECT(waitpid(cluster.process, NULL, WNOHANG) < 0);
    cluster_stop(&cluster, CLUSTER_STOP_PATIENCE);
    EXPECT(monotonic_milliseconds() - start < STOP_PATIENCE);
    EXPECT(!cluster_running(&cluster));
}

/* What died and was not waited for still holds its lock file: the next one was started too early,
 * and failed. */
TEST(bug_0053_a_dead_cluster_is_waited_for_first)
{
    char problem[CLUSTER_PROBLEM_SIZE] = "";
    struct cluster cluster;
    siginfo_t state;

    cluster_describe(&cluster, support_directory(NULL), NULL, support_user(), support_group());
    EXPECT(cluster_start(&cluster, problem));
    pid_t first = cluster.process;
    kill(first, SIGKILL);
    EXPECT(waitid(P_PID, (id_t)first, &state, WEXITED | WNOWAIT) == 0);
    EXPECT(cluster_running(&cluster));
    EXPECT(waitpid(first, NULL, 0) == first);
    EXPECT(!cluster_running(&cluster));
    EXPECT(cluster_ended(&cluster, first));
    EXPECT(cluster_start(&cluster, problem));
    EXPECT_TEXT(problem, "");
    cluster_stop(&cluster, CLUSTER_STOP_PATIENCE);
}

/* Stopped again and again, it sees no signal but the last. */
_Noreturn static void keep_stopped(pid_t process)
{
    while (kill(process, SIGSTOP) == 0)
        usleep(100);
    _exit(0);
}

/* The wait for its end had none. */
TEST(bug_0026_a_frozen_cluster_is_killed)
{
    enum { PATIENCE = 100, LIMIT = 60000 };
    char problem[CLUSTER_PROBLEM_SIZE] = "";
    struct cluster cluster;

    cluster_describe(&cluster, support_directory(NULL), NULL, support_user(), support_group());
    EXPECT(cluster_start(&cluster, problem));
    pid_t freezer = fork();
    if (freezer == 0)
        keep_stopped(cluster.process);
    int64_t start = monotonic_milliseconds();
    cluster_stop(&cluster, PATIENCE);
    EXPECT(monotonic_milliseconds() - start < LIMIT);
    EXPECT_NUMBER(cluster.process, 0);
    kill(freezer, SIGKILL);
    EXPECT(waitpid(freezer, NULL, 0) == freezer);
    /* What was not written is read from the log. */
    EXPECT(cluster_start(&cluster, problem));
    EXPECT_TEXT(problem, "");
    cluster_stop(&cluster, CLUSTER_STOP_PATIENCE);
}

static void expect_problem(const struct cluster *described, const char *text)
{
    char problem[CLUSTER_PROBLEM_SIZE] = "";
    struct cluster cluster = *described;

    EXPECT(!cluster_start(&cluster, problem));
    if (strstr(problem, text) == NULL)
        unit_failed(__FILE__, __LINE__, "\"%s\" does not name \"%s\"", problem, text);
}

TEST(database_cluster_names_remedies)
{
    char path[PATH_SIZE], problem[CLUSTER_PROBLEM_SIZE] = "";
    const char *state = support_directory(NULL);
    struct cluster cluster;

    cluster_describe(&cluster, state, "/nowhere", support_user(), support_group());
    expect_problem(&cluster, "apt-get install postgresql-15");
    cluster_describe(&cluster, state, NULL, 0, 0);
    expect_problem(&cluster, "does not run as root");
    cluster_describe(&cluster, "/nowhere", NULL, support_user(), support_group());
    expect_problem(&cluster, "make the state directory");

    cluster_describe(&cluster, state, NULL, support_user(), support_group());
    EXPECT(cluster_start(&cluster, problem));
    EXPECT_TEXT(problem, "");
    cluster_stop(&cluster, CLUSTER_STOP_PATIENCE);
    snprintf(path, sizeof path, "%s/postgresql/data/PG_VERSION", state);
    FILE *file = fopen(path, "w");
    fputs("9\n", file);
    fclose(file);
    expect_problem(&cluster, "postgresql-9");
    file = fopen(path, "w");
    fputs("15\n", file);
    fclose(file);
    snprintf(path, sizeof path, "%s/postgresql/data/postgresql.conf", state);
    file = fopen(path, "a");
    fputs("nonsense = 1\n", file);
    fclose(file);
    expect_problem(&cluster, "postgresql.conf");
}
