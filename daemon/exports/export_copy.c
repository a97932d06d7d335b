/*
 * The copy in a directory. What is copied never changes any more, so two that copy at a time write
 * the same bytes, and a torn attempt is written over; of a longer one nothing is left.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "common/log.h"
#include "common/memory.h"
#include "daemon/exports/export_writer.h"
#include "statements.h"

enum {
    NAME_SIZE = 64,
    NUMBER_SIZE = 24,
    MANIFEST_SIZE = 8192,
    DIRECTORY_MODE = 0750,
    FILE_MODE = 0640,
};

/* Directory descriptors; -1 where one is not open. */
struct copy {
    struct export_set *set;
    int root, period, partial;
    char name[NAME_SIZE], partial_name[NAME_SIZE];
    char *chunk;
};

static int make_directory(int parent, const char *name)
{
    if (mkdirat(parent, name, DIRECTORY_MODE) != 0 && errno != EEXIST)
        return -1;
    return openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int open_file(const struct copy *copy, const char *name)
{
    return openat(copy->partial, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
}

/* Closes it whatever went before. */
static bool finish_file(int file, bool good)
{
    good = good && ftruncate(file, lseek(file, 0, SEEK_CUR)) == 0 && fsync(file) == 0;
    return (close(file) == 0) && good;
}

/* A transaction a piece keeps the claim. */
static bool next_chunk(struct copy *copy, const char *name, int64_t number, size_t *length)
{
    struct job *job = copy->set->job;
    char text[NUMBER_SIZE];
    PGresult *row;
    bool good;

    snprintf(text, sizeof text, "%" PRId64, number);
    session_begin(job->session);
    row = session_run_named(job->session, &statement_get_export_chunk, "export_id", copy->set->id,
                            "name", name, "number", text, NULL);
    good = export_chunk_read(row, copy->chunk, length);
    PQclear(row);
    good = job_commit(job) && good;
    if (!good)
        errno = EIO; /* what is told when it was the database */
    return good;
}

static bool copy_file(struct copy *copy, const char *name, int64_t bytes)
{
    int file = open_file(copy, name);
    bool good = file >= 0;
    size_t length;

    for (int64_t number = 0; good && bytes > 0; number++) {
        good = next_chunk(copy, name, number, &length) &&
               file_write_all(file, (struct slice){copy->chunk, length});
        bytes -= good ? (int64_t)length : 0;
    }
    return file >= 0 && finish_file(file, good);
}

static bool copy_files(struct copy *copy, const char *manifest)
{
    PGresult *files = session_run_named(copy->set->job->session, &statement_list_export_files,
                                        "export_id", copy->set->id, NULL);
    bool good = PQntuples(files) > 0;
    int file;

    for (int row = 0; good && row < PQntuples(files); row++)
        good = copy_file(copy, result_text(files, row, "name"), result_number(files, row, "bytes"));
    PQclear(files);
    if (!good || (file = open_file(copy, "manifest.json")) < 0)
        return false;
    return finish_file(file, file_write_all(file, slice_of(manifest)));
}

/* A directory that another installation made may stand in the way; then somebody has to look. */
static void compare_manifest(const struct copy *copy, const char *manifest)
{
    char path[NAME_SIZE + sizeof "/manifest.json"], text[MANIFEST_SIZE] = "";
    ssize_t length = -1;
    int file;

    snprintf(path, sizeof path, "%s/manifest.json", copy->name);
    if ((file = openat(copy->period, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)) >= 0) {
        length = read(file, text, sizeof text);
        close(file);
    }
    if (length < 0 || !slice_is((struct slice){text, (size_t)length}, manifest))
        log_warning("export_copy_differs", log_text("export", copy->set->id),
                    log_text("period", copy->set->period), log_text("directory", copy->name));
}

static bool copy_set(struct copy *copy, const char *manifest)
{
    struct stat status;

    copy->root =
        open(copy->set->job->environment->export_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (copy->root < 0 || (copy->period = make_directory(copy->root, copy->set->period)) < 0)
        return false;
    if (fstatat(copy->period, copy->name, &status, AT_SYMLINK_NOFOLLOW) == 0) {
        compare_manifest(copy, manifest);
        return true;
    }
    if ((copy->partial = make_directory(copy->period, copy->partial_name)) < 0)
        return false;
    return copy_files(copy, manifest) && fsync(copy->partial) == 0 &&
           renameat(copy->period, copy->partial_name, copy->period, copy->name) == 0 &&
           fsync(copy->period) == 0 && fsync(copy->root) == 0;
}

static void close_directory(int directory)
{
    if (directory >= 0)
        close(directory);
}

bool export_copy(struct export_set *set, const char *manifest)
{
    struct copy copy = {.set = set, .root = -1, .period = -1, .partial = -1};
    const char *directory = set->job->environment->export_directory;
    bool good;

    if (directory[0] == '\0')
        return true;
    copy.chunk = memory_allocate(EXPORT_CHUNK, 1);
    snprintf(copy.name, sizeof copy.name, "%s-r%" PRId64, set->format->name, set->revision);
    snprintf(copy.partial_name, sizeof copy.partial_name, ".%s-r%" PRId64 ".partial",
             set->format->name, set->revision);
    good = copy_set(&copy, manifest);
    if (!good)
        log_warning("export_copy_failed", log_text("export", set->id),
                    log_text("directory", directory), log_text("problem", strerror(errno)));
    close_directory(copy.partial);
    close_directory(copy.period);
    close_directory(copy.root);
    memory_free(copy.chunk);
    return good;
}
