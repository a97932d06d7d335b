/*
 * The command line: the first argument names a command.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/demonstration/demonstration.h"
#include "daemon/process/command.h"

const struct command commands[] = {
    {"serve", "[--config FILE] [--set NAME=VALUE ...]", "Serves, in the foreground, until SIGTERM.",
     command_serve},
    {"migrate", "[--config FILE]",
     "Brings the database's schema to that of this bccd; serve does so itself for a database of "
     "its own.",
     command_migrate},
    {"check-config", "[--config FILE] [--print]",
     "Checks the configuration; --print shows every option with the value in force.",
     command_check_config},
    {"admin",
     "create-operator|reset-operator --email EMAIL --role ROLE [--password-file FILE] [--config "
     "FILE]",
     "Makes an operator's user, or gives one a new password and role, with an API key, and shows "
     "them once. Roles: platform_admin, operator, finance, auditor.",
     command_admin},
    {"demo", "[...]", "Fills a running bccd with a park, its enterprises and a month of business.",
     demonstration_run},
    {"manual", "bccd.8 | bccd.conf.5", "Prints a page of the manual, for man(1).", command_manual},
    {"version", "", "Prints the version.", command_version},
    {"help", "", "Prints this help.", command_help},
    {NULL, NULL, NULL, NULL},
};

int main(int count, char **arguments)
{
    const char *name = count < 2 ? "" : arguments[1];

    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    if (strcmp(name, "--version") == 0)
        name = "version";
    for (const struct command *command = commands; command->name != NULL; command++)
        if (strcmp(name, command->name) == 0)
            return command->run(count - 1, arguments + 1);
    fprintf(stderr, "bccd: %s%.100s; see bccd --help\n",
            name[0] == '\0' ? "name a command" : "there is no command ", name);
    return COMMAND_USAGE;
}
