#include "daemon/db/cluster_files.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <locale.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/buffer.h"
#include "common/check.h"
#include "common/file.h"
#include "common/slice.h"
#include "daemon/db/program.h"

#define SOCKET_NAME "/.s.PGSQL.5432"

enum {
    FILE_LIMIT = 8192,
    OUTPUT_SIZE = 4096,
    VERSION_SIZE = 16,
    VERSION_LIMIT = 999,
    VERSION_LZ4 = 15, /* wal_compression=lz4 came with it */
    INITDB_SECONDS = 300,
    VERSION_SECONDS = 10,
    REMOVE_DESCRIPTORS = 16,
};

bool cluster_problem(char problem[CLUSTER_PROBLEM_SIZE], const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(problem, CLUSTER_PROBLEM_SIZE, format, arguments);
    va_end(arguments);
    return false;
}

void cluster_path(const struct cluster *cluster, const char *name, char path[CLUSTER_PATH_SIZE])
{
    int length = snprintf(path, CLUSTER_PATH_SIZE, "%s/%s", cluster->directory, name);

    check(length > 0 && length < CLUSTER_PATH_SIZE);
}

void cluster_read(const struct cluster *cluster, const char *name, char *text, size_t size)
{
    char path[CLUSTER_PATH_SIZE];
    ssize_t length = 0;

    cluster_path(cluster, name, path);
    int descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (descriptor >= 0) {
        length = read(descriptor, text, size - 1);
        close(descriptor);
    }
    text[length > 0 ? length : 0] = '\0';
}

void cluster_find_socket(struct cluster *cluster)
{
    struct sockaddr_un address;
    char *directory = cluster->socket_directory;
    size_t size = sizeof cluster->socket_directory;

    int length = snprintf(directory, size, "%s/socket", cluster->directory);
    if (length > 0 && (size_t)length + strlen(SOCKET_NAME) < sizeof address.sun_path)
        return;
    cluster_read(cluster, "socket_directory", directory, size);
    directory[strcspn(directory, "\n")] = '\0';
}

bool cluster_explain(const struct cluster *cluster, const char *program, char *output,
                     char problem[CLUSTER_PROBLEM_SIZE])
{
    static const struct {
        const char *sign, *remedy;
    } remedies[] = {
        {"No space left on device", "free space on the disk of the state directory"},
        {"Disk quota exceeded", "free space on the disk of the state directory"},
        {"Read-only file system", "take a state directory on a disk that can be written"},
        {"Permission denied", "give the state directory to the system user that runs bccd"},
        {"Cannot allocate memory", "free memory"},
    };
    const char *remedy = "see the logs in the directory ";

    for (size_t i = 0; i < sizeof remedies / sizeof *remedies; i++)
        if (strstr(output, remedies[i].sign) != NULL)
            remedy = remedies[i].remedy;
    bool place = remedy[strlen(remedy) - 1] == ' ';
    return cluster_problem(problem, "%s: %.200s; %s%s", program, program_complaint(output), remedy,
                           place ? cluster->directory : "");
}

static bool problem_file(const char *what, const char *path, char problem[CLUSTER_PROBLEM_SIZE])
{
    return cluster_problem(problem,
                           "%s %s: %s; see that the disk has space and that the state directory "
                           "belongs to the system user that runs bccd",
                           path, what, strerror(errno));
}

static bool file_write(const struct cluster *cluster, const char *name, const struct buffer *text,
                       char problem[CLUSTER_PROBLEM_SIZE])
{
    char path[CLUSTER_PATH_SIZE];

    check(!buffer_overflowed(text));
    cluster_path(cluster, name, path);
    return file_replace(path, buffer_slice(text), 0600) ||
           problem_file("cannot be written", path, problem);
}

static bool directory_make(const char *path, char problem[CLUSTER_PROBLEM_SIZE])
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return problem_file("cannot be made", path, problem);
    return true;
}

static bool directory_private(const struct cluster *cluster, const char *path)
{
    struct stat status;

    return path[0] != '\0' && lstat(path, &status) == 0 && S_ISDIR(status.st_mode) &&
           status.st_uid == cluster->user && (status.st_mode & 0077) == 0;
}

/* A directory for the socket: a short one elsewhere, and remembered, where the cluster's own path
 * is too long for a socket. */
static bool socket_make(struct cluster *cluster, char problem[CLUSTER_PROBLEM_SIZE])
{
    char place[] = P_tmpdir "/bccd-XXXXXX";

    cluster_find_socket(cluster);
    size_t own = strlen(cluster->directory);
    if (strncmp(cluster->socket_directory, cluster->directory, own) == 0)
        return directory_make(cluster->socket_directory, problem);
    if (directory_private(cluster, cluster->socket_directory))
        return true;
    if (mkdtemp(place) == NULL)
        return problem_file("cannot be made", place, problem);
    snprintf(cluster->socket_directory, sizeof cluster->socket_directory, "%s", place);
    struct buffer text = buffer_make(FILE_LIMIT);
    buffer_append_format(&text, "%s\n", place);
    bool good = file_write(cluster, "socket_directory", &text, problem);
    buffer_free(&text);
    return good;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status, (void)kind, (void)place;
    return remove(path);
}

static bool cluster_initialize(const struct cluster *cluster, char problem[CLUSTER_PROBLEM_SIZE])
{
    char program[CLUSTER_PATH_SIZE], fresh[CLUSTER_PATH_SIZE], data[CLUSTER_PATH_SIZE];
    char output[OUTPUT_SIZE];
    /* Text sorts by bytes; letters are still letters beyond ASCII where the system knows them. */
    locale_t unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    const char *const arguments[] = {
        program,
        "--pgdata",
        fresh,
        "--username=" CLUSTER_ADMIN,
        "--encoding=UTF8",
        "--locale=C",
        unicode == (locale_t)0 ? "--lc-ctype=C" : "--lc-ctype=C.UTF-8",
        "--data-checksums",
        "--auth-local=peer",
        "--auth-host=reject",
        "--no-instructions",
        NULL,
    };

    if (unicode != (locale_t)0)
        freelocale(unicode);
    snprintf(program, sizeof program, "%s/initdb", cluster->programs);
    /* Half a cluster, from an initdb that was killed, is never taken for a whole one. */
    cluster_path(cluster, "data.new", fresh);
    cluster_path(cluster, "data", data);
    nftw(fresh, remove_one, REMOVE_DESCRIPTORS, FTW_DEPTH | FTW_PHYS);
    if (!program_run(arguments, INITDB_SECONDS, output, sizeof output))
        return cluster_explain(cluster, "initdb", output, problem);
    if (rename(fresh, data) != 0)
        return problem_file("cannot be renamed", fresh, problem);
    return true;
}

/* The programs' major version; 0 when they do not tell. */
static uint64_t programs_version(const struct cluster *cluster)
{
    char program[CLUSTER_PATH_SIZE], output[OUTPUT_SIZE];
    const char *const arguments[] = {program, "--version", NULL};
    uint64_t version = 0;

    snprintf(program, sizeof program, "%s/postgres", cluster->programs);
    program_run(arguments, VERSION_SECONDS, output, sizeof output);
    const char *number = strstr(output, ") "); /* postgres (PostgreSQL) 15.20 */
    if (number != NULL)
        slice_to_number((struct slice){number + 2, strspn(number + 2, "0123456789")}, VERSION_LIMIT,
                        &version);
    return version;
}

static bool version_fits(const struct cluster *cluster, uint64_t programs,
                         char problem[CLUSTER_PROBLEM_SIZE])
{
    char text[VERSION_SIZE];

    cluster_read(cluster, "data/PG_VERSION", text, sizeof text);
    text[strcspn(text, "\n")] = '\0';
    uint64_t data = 0;
    if (slice_to_number(slice_of(text), VERSION_LIMIT, &data) && data == programs)
        return true;
    return cluster_problem(
        problem,
        "%s/data is of PostgreSQL %s, and %s has version %d: apt-get install postgresql-%s "
        "and name its directory of programs, or bring the data over with pg_upgrade",
        cluster->directory, text, cluster->programs, (int)programs, text);
}

/* 'text' as postgresql.conf has it. */
static void setting_append(struct buffer *text, const char *name, const char *value)
{
    buffer_append_format(text, "%s = '", name);
    for (; *value != '\0'; value++) {
        if (*value == '\'' || *value == '\\')
            buffer_append_character(text, *value);
        buffer_append_character(text, *value);
    }
    buffer_append_text(text, "'\n");
}

static bool settings_write(const struct cluster *cluster, uint64_t version,
                           char problem[CLUSTER_PROBLEM_SIZE])
{
    char log[CLUSTER_PATH_SIZE];
    struct buffer text = buffer_make(FILE_LIMIT);

    cluster_path(cluster, "log", log);
    /* backend_flush_after: else a checkpoint finds most of it to sync at once, and commits wait. */
    buffer_append_text(&text, "# Written by bccd at each start. Settings of your own go into "
                              "postgresql.conf,\n# behind the line that includes this file.\n"
                              "listen_addresses = ''\n"
                              "unix_socket_permissions = 0700\n"
                              "max_connections = 100\n"
                              "shared_buffers = 128MB\n"
                              "password_encryption = scram-sha-256\n"
                              "synchronous_commit = on\n"
                              "backend_flush_after = 256kB\n"
                              "idle_in_transaction_session_timeout = 10min\n"
                              "jit = off\n"
                              "timezone = 'UTC'\n"
                              "cluster_name = 'bccd'\n"
                              "logging_collector = on\n"
                              "log_destination = 'stderr'\n"
                              "log_filename = 'postgresql-%a.log'\n"
                              "log_truncate_on_rotation = on\n"
                              "log_rotation_age = 1d\n"
                              "log_rotation_size = 0\n"
                              "log_timezone = 'UTC'\n");
    buffer_append_format(&text, "wal_compression = %s\n", version >= VERSION_LZ4 ? "lz4" : "on");
    setting_append(&text, "unix_socket_directories", cluster->socket_directory);
    setting_append(&text, "log_directory", log);
    bool good = file_write(cluster, "data/bccd.conf", &text, problem);
    buffer_free(&text);
    return good;
}

/* Lets `name` in as each of our roles. */
static void map_append(struct buffer *text, const char *name)
{
    static const char *const roles[] = {CLUSTER_ADMIN, "bccd_tenant", "bccd_operator", "bccd_auth",
                                        "bccd_jobs"};

    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        buffer_append_format(text, "bccd \"%s\" %s\n", name, roles[i]);
}

static bool access_write(const struct cluster *cluster, char problem[CLUSTER_PROBLEM_SIZE])
{
    const struct passwd *user = getpwuid(cluster->user);
    struct buffer text = buffer_make(FILE_LIMIT);

    if (user == NULL)
        return cluster_problem(
            problem,
            "the system user %u has no name, which PostgreSQL needs: add it with adduser "
            "--system",
            (unsigned)cluster->user);
    buffer_append_text(&text, "# Written by bccd at each start.\nlocal all all peer map=bccd\n");
    bool good = file_write(cluster, "data/pg_hba.conf", &text, problem);
    buffer_free(&text);
    buffer_append_text(&text, "# Written by bccd at each start.\n");
    map_append(&text, "root");
    if (strcmp(user->pw_name, "root") != 0)
        map_append(&text, user->pw_name);
    good = good && file_write(cluster, "data/pg_ident.conf", &text, problem);
    buffer_free(&text);
    return good;
}

/* Once, at the making: what an operator adds behind it wins. */
static bool include_ensure(const struct cluster *cluster, char problem[CLUSTER_PROBLEM_SIZE])
{
    static const char include[] = "include 'bccd.conf'\n";
    char path[CLUSTER_PATH_SIZE], settings[OUTPUT_SIZE * 16];

    cluster_read(cluster, "data/postgresql.conf", settings, sizeof settings);
    if (strstr(settings, include) != NULL)
        return true;
    cluster_path(cluster, "data/postgresql.conf", path);
    int descriptor = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (descriptor < 0)
        return problem_file("cannot be opened", path, problem);
    bool good = write(descriptor, include, sizeof include - 1) == sizeof include - 1;
    good = close(descriptor) == 0 && good;
    return good || problem_file("cannot be written", path, problem);
}

bool cluster_make(struct cluster *cluster, char problem[CLUSTER_PROBLEM_SIZE])
{
    char data[CLUSTER_PATH_SIZE];
    struct stat status;
    uint64_t version = programs_version(cluster);

    umask(0077);
    cluster_path(cluster, "data", data);
    if (stat(data, &status) != 0 && errno == ENOENT && !cluster_initialize(cluster, problem))
        return false;
    return version_fits(cluster, version, problem) && socket_make(cluster, problem) &&
           settings_write(cluster, version, problem) && access_write(cluster, problem) &&
           include_ensure(cluster, problem);
}
