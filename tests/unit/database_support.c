#include "tests/unit/database_support.h"

#include <ftw.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/metric.h"
#include "tests/unit/unit.h"

enum { PATH_SIZE = 256, DIRECTORIES_LIMIT = 8, VALUE_SIZE = 1024, REMOVE_DESCRIPTORS = 16 };

static struct cluster cluster;
static char uri[CLUSTER_URI_SIZE];
static struct session *session;
static char directories[DIRECTORIES_LIMIT][PATH_SIZE];
static size_t directory_count;
static pid_t owner;

_Noreturn static void give_up(const char *what, const char *problem)
{
    printf("not ok %s: %s\n", what, problem);
    exit(1);
}

static const struct passwd *user_entry(void)
{
    const char *name = getenv("UNIT_POSTGRESQL_USER");
    const struct passwd *entry =
        geteuid() == 0 ? getpwnam(name == NULL ? "postgres" : name) : getpwuid(geteuid());

    if (entry == NULL)
        give_up("user", "name a system user in UNIT_POSTGRESQL_USER");
    return entry;
}

uid_t support_user(void)
{
    return user_entry()->pw_uid;
}

gid_t support_group(void)
{
    return user_entry()->pw_gid;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status, (void)kind, (void)place;
    return remove(path);
}

static void clean(void)
{
    if (getpid() != owner)
        return;
    session_close(&session);
    cluster_stop(&cluster, CLUSTER_STOP_PATIENCE);
    for (size_t i = 0; i < directory_count; i++)
        nftw(directories[i], remove_one, REMOVE_DESCRIPTORS, FTW_DEPTH | FTW_PHYS);
}

const char *support_directory(const char *parent)
{
    char *path = directories[directory_count];

    if (directory_count == 0) {
        owner = getpid();
        atexit(clean);
    }
    if (directory_count == DIRECTORIES_LIMIT)
        give_up("directory", "too many");
    int length =
        snprintf(path, PATH_SIZE, "%s/bccd-test-XXXXXX", parent == NULL ? P_tmpdir : parent);
    if (length >= PATH_SIZE || mkdtemp(path) == NULL ||
        chown(path, support_user(), support_group()) != 0)
        give_up("directory", path);
    directory_count++;
    return path;
}

struct cluster *support_cluster(void)
{
    char problem[CLUSTER_PROBLEM_SIZE];

    if (cluster.process != 0)
        return &cluster;
    metric_start();
    cluster_describe(&cluster, support_directory(NULL), NULL, support_user(), support_group());
    if (!cluster_start(&cluster, problem))
        give_up("cluster", problem);
    cluster_uri(&cluster, uri);
    return &cluster;
}

const char *support_uri(void)
{
    support_cluster();
    return uri;
}

struct session *support_session(void)
{
    char problem[SESSION_PROBLEM_SIZE];

    if (session == NULL)
        session = session_open(support_uri(), CLUSTER_ADMIN, problem);
    if (session == NULL)
        give_up("session", problem);
    return session;
}

void support_execute(const char *sql)
{
    session_execute(support_session(), sql);
    if (session_failed(session))
        unit_failed(__FILE__, __LINE__, "%s: %s", sql, session_problem(session));
}

const char *support_value(const char *sql)
{
    static char value[VALUE_SIZE];
    PGresult *result = session_query(support_session(), sql);

    if (session_failed(session))
        unit_failed(__FILE__, __LINE__, "%s: %s", sql, session_problem(session));
    snprintf(value, sizeof value, "%s", PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    return value;
}
