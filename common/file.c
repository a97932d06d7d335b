#include "common/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Up to `size` bytes; false with errno. */
static bool read_all(int file, char *data, size_t size, size_t *length)
{
    *length = 0;
    while (*length < size) {
        ssize_t got = read(file, data + *length, size - *length);
        if (got == 0)
            return true;
        if (got > 0)
            *length += (size_t)got;
        else if (errno != EINTR)
            return false;
    }
    return true;
}

bool file_read(const char *path, char *data, size_t size, size_t *length, char *problem,
               size_t problem_size)
{
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    char extra;
    size_t more = 0;
    bool good = file >= 0 && read_all(file, data, size, length) && read_all(file, &extra, 1, &more);

    if (!good)
        snprintf(problem, problem_size, "%s: %s; give a file that can be read", path,
                 strerror(errno));
    else if (more > 0)
        snprintf(problem, problem_size, "%s: larger than %zu bytes; make it smaller", path, size);
    if (file >= 0)
        close(file);
    return good && more == 0;
}

bool file_write_all(int file, struct slice bytes)
{
    while (bytes.length > 0) {
        ssize_t written = write(file, bytes.data, bytes.length);
        if (written < 0 && errno != EINTR)
            return false;
        if (written > 0)
            bytes = (struct slice){bytes.data + written, bytes.length - (size_t)written};
    }
    return true;
}

/* Without it a crash may undo the rename. */
static bool sync_directory_of(const char *path)
{
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');

    snprintf(directory, sizeof directory, "%.*s/.", slash == NULL ? 1 : (int)(slash - path),
             slash == NULL ? "." : path);
    int descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = descriptor >= 0 && fsync(descriptor) == 0;
    int error = errno;
    if (descriptor >= 0)
        close(descriptor);
    errno = error;
    return good;
}

bool file_replace(const char *path, struct slice bytes, mode_t mode)
{
    char fresh[PATH_MAX];

    if (snprintf(fresh, sizeof fresh, "%s.new", path) >= (int)sizeof fresh) {
        errno = ENAMETOOLONG;
        return false;
    }
    unlink(fresh); /* of one that crashed */
    int file = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (file < 0)
        return false;
    bool good = fchmod(file, mode) == 0 && file_write_all(file, bytes) && fsync(file) == 0 &&
                rename(fresh, path) == 0 && sync_directory_of(path);
    int error = errno;
    close(file);
    if (!good)
        unlink(fresh);
    errno = error;
    return good;
}
