/*
 * Small files, configuration and keys, read and replaced whole.
 */
#ifndef COMMON_FILE_H
#define COMMON_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/slice.h"

/* Reads all of a file into `data`, which the caller gives and, for secrets, wipes: no copy is left
 * elsewhere. False with "path: why; remedy" in `problem` when it cannot be read or is larger than
 * `size`. */
bool file_read(const char *path, char *data, size_t size, size_t *length, char *problem,
               size_t problem_size);

/* All of it, however often write(2) is needed; false with errno. */
bool file_write_all(int file, struct slice bytes);

/* Makes or replaces a file of exactly `mode`, through PATH.new and a rename: whoever reads finds
 * the old one or the new one whole, also after a crash, and after true the new one. False with
 * errno. */
bool file_replace(const char *path, struct slice bytes, mode_t mode);

#endif
