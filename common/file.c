#include "common/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
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
