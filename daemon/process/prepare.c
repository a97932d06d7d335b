#include "daemon/process/prepare.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/digest.h"
#include "common/file.h"
#include "common/memory.h"
#include "common/seal.h"
#include "daemon/process/certificates.h"
#include "daemon/process/prepare_database.h"

enum { PATH_SIZE = 1200, PROCESS_TEXT_SIZE = 24, DESCRIPTORS_WANTED = 1 << 20 };

static bool refuse(char *problem, const char *path, const char *remedy)
{
    snprintf(problem, OPTION_PROBLEM_SIZE, "%.600s: %s; %s", path, strerror(errno), remedy);
    return false;
}

static bool choose_identity(struct identity *identity, const char *name, char *problem)
{
    struct passwd *entry;

    memset(identity, 0, sizeof *identity);
    identity->user = geteuid();
    identity->group = getegid();
    if (identity->user != 0)
        return true;
    entry = getpwnam(name);
    if (entry == NULL || entry->pw_uid == 0) {
        snprintf(problem, OPTION_PROBLEM_SIZE,
                 "user = %.40s: %s; make it with `adduser --system --group bccd`, or start bccd as "
                 "an ordinary user",
                 name, entry == NULL ? "there is no such system user" : "root may not serve");
        return false;
    }
    identity->change = true;
    snprintf(identity->name, sizeof identity->name, "%s", name);
    identity->user = entry->pw_uid;
    identity->group = entry->pw_gid;
    return true;
}

/* From here files are made and read as the serving user, so that they are his and what he could
 * not read later is found now. Only the effective ids change; the supervisor comes back. */
static bool borrow_identity(const struct identity *identity, char *problem)
{
    if (!identity->change || (initgroups(identity->name, identity->group) == 0 &&
                              setegid(identity->group) == 0 && seteuid(identity->user) == 0))
        return true;
    return refuse(problem, identity->name, "start bccd as root or as an ordinary user");
}

static bool return_identity(const struct identity *identity, char *problem)
{
    if (!identity->change || (seteuid(0) == 0 && setegid(0) == 0))
        return true;
    return refuse(problem, identity->name, "cannot become root again");
}

static bool make_state_directory(const struct ground *ground, char *problem)
{
    const char *path = ground->settings->state_directory;
    bool made = mkdir(path, 0700) == 0;

    if (!made && errno != EEXIST)
        return refuse(problem, path,
                      "state_directory cannot be made; make it for the serving user, or set "
                      "state_directory to a place that can be written");
    if (made && ground->identity.change &&
        chown(path, ground->identity.user, ground->identity.group) != 0)
        return refuse(problem, path, "give it to the serving user with chown");
    return true;
}

static bool check_state_directory(const struct ground *ground, char *problem)
{
    const char *path = ground->settings->state_directory;

    if (faccessat(AT_FDCWD, path, R_OK | W_OK | X_OK, AT_EACCESS) == 0)
        return true;
    return refuse(problem, path,
                  "state_directory must be writable for the serving user; chown it, or set "
                  "state_directory to another place");
}

/* The lock ends with the supervisor, however it ends; the text is for people. */
static bool take_lock(struct ground *ground, char *problem)
{
    char path[PATH_SIZE], text[PROCESS_TEXT_SIZE];

    snprintf(path, sizeof path, "%s/bccd.pid", ground->settings->state_directory);
    ground->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (ground->lock < 0)
        return refuse(problem, path, "make it writable for the serving user");
    if (flock(ground->lock, LOCK_EX | LOCK_NB) != 0) {
        ssize_t length = read(ground->lock, text, sizeof text - 1);
        text[length < 0 ? 0 : length] = '\0';
        snprintf(
            problem, OPTION_PROBLEM_SIZE,
            "%.600s: another bccd (process %.*s) serves from this state directory; stop it, or "
            "set state_directory to another one",
            path, (int)strcspn(text, "\n"), text);
        close(ground->lock);
        ground->lock = -1;
        return false;
    }
    int length = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(ground->lock, 0) != 0 ||
        pwrite(ground->lock, text, (size_t)length, 0) != (ssize_t)length)
        return refuse(problem, path, "free some space on its file system");
    return true;
}

static bool make_master_key(const char *path, char *problem)
{
    unsigned char key[MASTER_KEY_SIZE];
    char text[2 * MASTER_KEY_SIZE + 1];

    random_bytes(key, sizeof key);
    hex_write(key, sizeof key, text);
    text[sizeof text - 1] = '\n';
    bool good = file_replace(path, (struct slice){text, sizeof text}, 0600);
    memory_wipe(key, sizeof key);
    memory_wipe(text, sizeof text);
    return good || refuse(problem, path, "free some space on its file system");
}

static bool prepare_master_key(const struct ground *ground, char *problem)
{
    const char *path = ground->settings->master_key_file;
    struct seal_keys keys;
    bool good;

    if (settings_made(ground->settings, path, SETTINGS_MASTER_KEY) && access(path, F_OK) != 0 &&
        errno == ENOENT && !make_master_key(path, problem))
        return false;
    good = seal_keys_read(path, &keys, problem, OPTION_PROBLEM_SIZE);
    memory_wipe(&keys, sizeof keys);
    return good;
}

static bool prepare_files(struct ground *ground, char *problem)
{
    return check_state_directory(ground, problem) && take_lock(ground, problem) &&
           prepare_master_key(ground, problem) && certificates_prepare(ground->settings, problem);
}

static bool prepare_hashers(struct ground *ground, char *problem)
{
    for (unsigned i = 0; i < ground->workers; i++)
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                       ground->hashers[i]) != 0)
            return refuse(problem, "socketpair", "raise the limit of open files (LimitNOFILE=)");
    return true;
}

static void raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    if (geteuid() == 0 && limit.rlim_max < DESCRIPTORS_WANTED)
        limit.rlim_max = DESCRIPTORS_WANTED;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static unsigned choose_workers(const struct settings *settings)
{
    long cores = settings->workers > 0 ? (long)settings->workers : sysconf(_SC_NPROCESSORS_ONLN);

    if (cores < 1)
        return 1;
    return cores > WORKERS_LIMIT ? WORKERS_LIMIT : (unsigned)cores;
}

static void ground_start(struct ground *ground, struct settings *settings)
{
    memset(ground, 0, sizeof *ground);
    ground->settings = settings;
    ground->lock = -1;
    ground->workers = choose_workers(settings);
    for (unsigned i = 0; i < WORKERS_LIMIT; i++)
        ground->hashers[i][0] = ground->hashers[i][1] = -1;
    tls_ticket_keys_make(&ground->ticket_keys);
}

bool ground_prepare(struct ground *ground, struct settings *settings,
                    char problem[OPTION_PROBLEM_SIZE])
{
    ground_start(ground, settings);
    raise_descriptors();
    return choose_identity(&ground->identity, settings->user, problem) &&
           make_state_directory(ground, problem) && borrow_identity(&ground->identity, problem) &&
           prepare_files(ground, problem) && return_identity(&ground->identity, problem) &&
           listeners_open(&ground->listeners, settings, ground->workers, problem) &&
           prepare_hashers(ground, problem) && database_prepare(ground, problem) &&
           database_ready_check(ground, problem);
}

bool ground_prepare_database(struct ground *ground, struct settings *settings,
                             char problem[OPTION_PROBLEM_SIZE])
{
    ground_start(ground, settings);
    if (!choose_identity(&ground->identity, settings->user, problem))
        return false;
    if (settings->database[0] != '\0')
        return database_prepare(ground, problem);
    if (!make_state_directory(ground, problem) || !borrow_identity(&ground->identity, problem) ||
        !check_state_directory(ground, problem))
        return false;
    /* Held by a supervisor: its cluster is up and is not ours to start or stop. */
    (void)take_lock(ground, problem);
    if (!return_identity(&ground->identity, problem))
        return false;
    if (ground->lock >= 0)
        return database_prepare(ground, problem);
    database_describe(ground);
    return true;
}

void ground_leave(struct ground *ground)
{
    char ignored[OPTION_PROBLEM_SIZE];

    (void)return_identity(&ground->identity, ignored);
    listeners_close(&ground->listeners);
    for (unsigned i = 0; i < ground->workers; i++)
        for (int end = 0; end < 2; end++)
            if (ground->hashers[i][end] >= 0)
                close(ground->hashers[i][end]);
    if (ground->embedded && ground->lock >= 0 && cluster_running(&ground->cluster))
        cluster_stop(&ground->cluster, CLUSTER_STOP_PATIENCE);
    if (ground->lock >= 0) {
        (void)!ftruncate(ground->lock, 0);
        close(ground->lock);
    }
    memory_wipe(&ground->ticket_keys, sizeof ground->ticket_keys);
}
