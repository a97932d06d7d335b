#include <stdio.h>
#include <string.h>

#include "common/buffer.h"
#include "config.h"
#include "daemon/process/command.h"

enum { PAGE_LIMIT = 1 << 18 };

static void write_commands(struct buffer *text)
{
    for (const struct command *command = commands; command->name != NULL; command++)
        buffer_append_format(text, ".TP\n\\fBbccd %s\\fR %s\n%s\n", command->name,
                             command->arguments, command->prose);
}

static void write_program(struct buffer *text)
{
    buffer_append_text(
        text,
        ".TH BCCD 8 \"\" \"bccd " PACKAGE_VERSION "\"\n"
        ".SH NAME\nbccd \\- public service platform of a city's business cloud center\n"
        ".SH SYNOPSIS\n.B bccd\n.I COMMAND\n[\\fB\\-\\-config\\fR \\fIFILE\\fR] "
        "[\\fB\\-\\-set\\fR \\fINAME\\fR=\\fIVALUE\\fR ...]\n"
        ".SH DESCRIPTION\n.B bccd\nkeeps the accounts of the enterprises in outsourcing parks that "
        "rent software, broadband lines and terminals; it provisions what they order, meters what "
        "they use, prices it and bills it. It serves an HTTPS API.\n"
        ".PP\nWithout a configuration file it serves with a database of its own and a certificate "
        "that it makes, both below the state directory.\n.SH COMMANDS\n");
    write_commands(text);
    buffer_append_text(
        text,
        ".SH OPTIONS\n.TP\n\\fB\\-\\-config\\fR \\fIFILE\\fR\nThe configuration, see\n"
        ".BR bccd.conf (5).\nWithout it, /etc/bccd/bccd.conf is read where it is there.\n"
        ".TP\n\\fB\\-\\-set\\fR \\fINAME\\fR=\\fIVALUE\\fR\nSets one option over the "
        "configuration; may be given several times.\n"
        ".SH SIGNALS\n.TP\nSIGHUP\nReads the configuration and the certificates again; with an "
        "error in them the old ones stay.\n"
        ".TP\nSIGTERM, SIGINT\nTakes no more connections, lets requests under way end within "
        "drain_time, and stops. A second one stops at once.\n"
        ".SH EXIT STATUS\n0 when it was done, 1 when it could not be, with one line that says what "
        "is wrong and how to mend it, 2 when the command line was wrong.\n"
        ".SH FILES\n.TP\n/etc/bccd/bccd.conf\nThe configuration.\n"
        ".TP\n/var/lib/bccd\nThe state directory: bccd.pid, master.key (back it up: without it "
        "sealed secrets are lost), tls/, postgresql/.\n"
        ".SH SEE ALSO\n.BR bccd.conf (5)\n");
}

static void write_configuration(struct buffer *text)
{
    buffer_append_text(text,
                       ".TH BCCD.CONF 5 \"\" \"bccd " PACKAGE_VERSION "\"\n"
                       ".SH NAME\nbccd.conf \\- configuration of bccd\n"
                       ".SH DESCRIPTION\nOne \\fIname\\fR = \\fIvalue\\fR a line; a line that "
                       "begins with # is a comment. What is not set has its default. "
                       "\\fBbccd check\\-config \\-\\-print\\fR shows the values in force.\n"
                       ".SH OPTIONS\n");
    option_write_manual(settings_table, text);
    buffer_append_text(text, ".SH SEE ALSO\n.BR bccd (8)\n");
}

int command_manual(int count, char **arguments)
{
    struct buffer text = buffer_make(PAGE_LIMIT);

    if (count == 2 && strcmp(arguments[1], "bccd.8") == 0)
        write_program(&text);
    else if (count == 2 && strcmp(arguments[1], "bccd.conf.5") == 0)
        write_configuration(&text);
    else
        return command_misused(arguments[0], "name the page: bccd.8 or bccd.conf.5");
    fwrite(text.data, 1, text.length, stdout);
    buffer_free(&text);
    return COMMAND_DONE;
}

int command_help(int count, char **arguments)
{
    struct buffer text = buffer_make(PAGE_LIMIT);

    (void)count;
    (void)arguments;
    buffer_append_text(&text, "Usage: bccd COMMAND [--config FILE] [--set NAME=VALUE ...]\n\n");
    for (const struct command *command = commands; command->name != NULL; command++)
        buffer_append_format(&text, "  %s %s\n      %s\n", command->name, command->arguments,
                             command->prose);
    buffer_append_text(&text, "\nOptions of the configuration (NAME = VALUE in the file):\n\n");
    option_write_help(settings_table, &text);
    fwrite(text.data, 1, text.length, stdout);
    buffer_free(&text);
    return COMMAND_DONE;
}

int command_version(int count, char **arguments)
{
    (void)count;
    (void)arguments;
    puts("bccd " PACKAGE_VERSION);
    return COMMAND_DONE;
}
