/*
 * The commands of the command line. Each takes its own arguments, its name first, and gives the
 * exit status: 0, 1 when it could not be done (one line that says what and how to mend it), 2 when
 * it was not asked for as it is used.
 */
#ifndef DAEMON_PROCESS_COMMAND_H
#define DAEMON_PROCESS_COMMAND_H

#include <stdbool.h>

#include "daemon/process/settings.h"

enum { COMMAND_DONE = 0, COMMAND_FAILED = 1, COMMAND_USAGE = 2 };

struct command {
    const char *name;
    const char *arguments; /* as --help spells them */
    const char *prose;     /* one sentence */
    int (*run)(int count, char **arguments);
};

extern const struct command commands[]; /* ended by a name of NULL */

int command_serve(int count, char **arguments);
int command_migrate(int count, char **arguments);
int command_check_config(int count, char **arguments);
int command_admin(int count, char **arguments);
int command_manual(int count, char **arguments);
int command_version(int count, char **arguments);
int command_help(int count, char **arguments);

/* What the options of a command hold, beside --config and --set. */
struct command_option {
    const char *name;   /* "--email"; NULL ends a list */
    bool takes_value;   /* the next argument, or what follows '=' */
    const char **value; /* gets it; of a flag, the flag's name */
};

/* Reads --config, --set and `own` (NULL: none) from the arguments, then the configuration: the file
 * named, else that at the usual place where there is one. *path gets its path, or NULL.
 * COMMAND_DONE, or the status to end with, its reason said. */
int command_settings(int count, char **arguments, const struct command_option *own,
                     struct settings *settings, const char **path);

/* "bccd: what" on standard error; gives COMMAND_FAILED. */
int command_failed(const char *problem);
/* "bccd COMMAND: what; see bccd --help"; gives COMMAND_USAGE. */
int command_misused(const char *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
