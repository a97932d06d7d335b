/*
 * Options declared once, as a table with type, bounds, default, unit and prose. From the table come
 * reading a configuration file, `--help`, `check-config` and the manual page.
 *
 * A configuration file has one `name = value` a line; `#` starts a comment line; a name twice, an
 * unknown name or a value out of its bounds is an error that names file, line and remedy.
 */
#ifndef COMMON_OPTION_H
#define COMMON_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buffer.h"

enum { OPTION_FILE_LIMIT = 65536, OPTION_TEXT_LIMIT = 1024, OPTION_PROBLEM_SIZE = 1024 };

enum option_type {
    OPTION_NUMBER, /* int64_t; minimum to maximum */
    OPTION_TEXT,   /* char *; minimum to maximum bytes; owned by the settings */
    OPTION_PATH,   /* char *; absolute, or empty where the fallback is empty: names nothing */
    OPTION_FLAG,   /* bool; "yes" or "no" */
};

struct option {
    const char *name; /* NULL ends a table */
    enum option_type type;
    size_t offset; /* of the field in the settings struct */
    int64_t minimum, maximum;
    const char *fallback; /* spelled as in a file; NULL: empty */
    const char *unit;     /* "seconds", "bytes"; NULL where there is none */
    bool reloads;         /* taken up by a reload (SIGHUP); otherwise by a restart */
    const char *prose;    /* one or two sentences */
};

/* Sets every option to its fallback; the settings are zeroed or were set before. */
void option_defaults(const struct option *table, void *settings);

/* Sets one; false with the reason and the remedy in `problem`. */
bool option_set(const struct option *table, void *settings, const char *name, const char *value,
                char problem[OPTION_PROBLEM_SIZE]);

/* Reads a file over what is set already; false with "path:line: what; remedy". */
bool option_read_file(const struct option *table, void *settings, const char *path,
                      char problem[OPTION_PROBLEM_SIZE]);

void option_free(const struct option *table, void *settings); /* its texts and paths */

/* Renderings: for people, as a commented configuration file with the values in force, and as the
 * OPTIONS part of a manual page (man(7) macros). */
void option_write_help(const struct option *table, struct buffer *text);
void option_write_file(const struct option *table, const void *settings, struct buffer *text);
void option_write_manual(const struct option *table, struct buffer *text);

#endif
