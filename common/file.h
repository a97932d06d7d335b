/*
 * Configuration files, read whole.
 */
#ifndef COMMON_FILE_H
#define COMMON_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* Reads all of a file into `data`, which the caller gives and, for secrets, wipes: no copy is left
 * elsewhere. False with "path: why; remedy" in `problem` when it cannot be read or is larger than
 * `size`.
 */
bool file_read(const char *path, char *data, size_t size, size_t *length, char *problem,
               size_t problem_size);

#endif
