#include <stdio.h>

#include "common/buffer.h"
#include "common/log.h"
#include "daemon/process/command.h"
#include "daemon/process/prepare.h"
#include "daemon/process/supervisor.h"

enum { PRINT_LIMIT = 1 << 18 };

int command_serve(int count, char **arguments)
{
    struct settings settings;
    const char *path;
    int status = command_settings(count, arguments, NULL, &settings, &path);

    return status == COMMAND_DONE ? supervisor_run(&settings, path) : status;
}

int command_migrate(int count, char **arguments)
{
    static struct ground ground; /* large */
    struct settings settings;
    char problem[OPTION_PROBLEM_SIZE];
    const char *path;
    int status = command_settings(count, arguments, NULL, &settings, &path);

    if (status != COMMAND_DONE)
        return status;
    log_start("migrate", (enum log_level)settings_log_level(&settings));
    if (!ground_prepare_database(&ground, &settings, problem) || !ground_migrate(&ground, problem))
        status = command_failed(problem);
    ground_leave(&ground);
    settings_free(&settings);
    if (status == COMMAND_DONE)
        puts("The database has all migrations of this bccd.");
    return status;
}

int command_check_config(int count, char **arguments)
{
    struct settings settings;
    const char *print = NULL, *path;
    const struct command_option own[] = {{"--print", false, &print}, {NULL, false, NULL}};
    int status = command_settings(count, arguments, own, &settings, &path);
    struct buffer text = buffer_make(PRINT_LIMIT);

    if (status != COMMAND_DONE)
        return status;
    if (print != NULL)
        option_write_file(settings_table, &settings, &text);
    else
        buffer_append_format(&text, "%s: good\n", path == NULL ? "The defaults" : path);
    fwrite(text.data, 1, text.length, stdout);
    buffer_free(&text);
    settings_free(&settings);
    return COMMAND_DONE;
}
