#include "daemon/process/command.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define USUAL_PATH "/etc/bccd/bccd.conf"

/* Other programs' and libraries' messages have several lines; they become one. */
int command_failed(const char *problem)
{
    char line[OPTION_PROBLEM_SIZE];
    size_t length = 0;

    for (; *problem != '\0' && length < sizeof line - 1; problem++) {
        bool blank = *problem == ' ' || *problem == '\n' || *problem == '\t';
        if (!blank)
            line[length++] = *problem;
        else if (length > 0 && line[length - 1] != ' ')
            line[length++] = ' ';
    }
    line[length] = '\0';
    fprintf(stderr, "bccd: %s\n", line);
    return COMMAND_FAILED;
}

int command_misused(const char *command, const char *format, ...)
{
    va_list arguments;

    fprintf(stderr, "bccd %s: ", command);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "; see bccd --help\n");
    return COMMAND_USAGE;
}

static const struct command_option *find(const struct command_option *options, const char *argument,
                                         const char **value)
{
    for (; options->name != NULL; options++) {
        size_t length = strlen(options->name);
        *value = NULL;
        if (strcmp(argument, options->name) == 0)
            return options;
        if (options->takes_value && strncmp(argument, options->name, length) == 0 &&
            argument[length] == '=') {
            *value = argument + length + 1;
            return options;
        }
    }
    return NULL;
}

/* Takes one option at arguments[*at] and moves on past it. */
static int take(char **arguments, int count, int *at, const struct command_option *known,
                const char **value)
{
    const struct command_option *option = find(known, arguments[*at], value);

    if (option == NULL)
        return command_misused(arguments[0], "%.100s is no option of it", arguments[*at]);
    if (!option->takes_value)
        *value = option->name;
    else if (*value == NULL && ++*at < count)
        *value = arguments[*at];
    if (*value == NULL)
        return command_misused(arguments[0], "%s needs a value", option->name);
    ++*at;
    if (option->value != NULL)
        *option->value = *value;
    return COMMAND_DONE;
}

static int take_all(int count, char **arguments, const struct command_option *own,
                    const char **path)
{
    const char *set = NULL, *value;
    const struct command_option common[] = {
        {"--config", true, path}, {"--set", true, &set}, {NULL, false, NULL}};
    char problem[OPTION_PROBLEM_SIZE];

    for (int at = 1; at < count;) {
        bool is_own = own != NULL && find(own, arguments[at], &value) != NULL;
        int status = take(arguments, count, &at, is_own ? own : common, &value);
        if (status != COMMAND_DONE)
            return status;
        if (set != NULL && !settings_override(set, problem))
            return command_failed(problem);
        set = NULL;
    }
    return COMMAND_DONE;
}

int command_settings(int count, char **arguments, const struct command_option *own,
                     struct settings *settings, const char **path)
{
    char problem[OPTION_PROBLEM_SIZE];
    int status;

    *path = NULL;
    status = take_all(count, arguments, own, path);
    if (status != COMMAND_DONE)
        return status;
    if (*path == NULL && access(USUAL_PATH, F_OK) == 0)
        *path = USUAL_PATH;
    if (settings_read(settings, *path, problem) && settings_check(settings, problem))
        return COMMAND_DONE;
    settings_free(settings);
    return command_failed(problem);
}
