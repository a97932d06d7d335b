#include "daemon/db/program.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/check.h"

enum { PROGRAM_NOT_FOUND = 127, READ_SIZE = 1024 };

bool program_user(uid_t user, gid_t group)
{
    if (geteuid() != 0)
        return geteuid() == user;
    return setgroups(0, NULL) == 0 && setgid(group) == 0 && setuid(user) == 0;
}

void program_become(const char *const *arguments)
{
    static const int signals[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGPIPE, SIGALRM,
                                  SIGTERM, SIGUSR1, SIGUSR2, SIGCHLD};
    /* libc's messages are looked for in the output, so they must be in English. */
    static char language[] = "LC_ALL=C", path[] = "PATH=/usr/local/bin:/usr/bin:/bin";
    static char *environment[] = {language, path, NULL};
    sigset_t none;

    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        signal(signals[i], SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    close_range(STDERR_FILENO + 1, ~0U, 0);
    /* The caller's directory may be closed to this user, and PostgreSQL asks for it. */
    if (chdir("/") == 0)
        execve(arguments[0], (char *const *)(uintptr_t)arguments, environment);
}

/* Keeps the last bytes that fit. */
static void output_read(int descriptor, char *output, size_t size)
{
    char piece[READ_SIZE];
    size_t length = 0;
    ssize_t count;

    check(size > sizeof piece);
    while ((count = read(descriptor, piece, sizeof piece)) != 0) {
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            break;
        size_t fresh = (size_t)count;
        size_t kept = length + fresh < size ? length : size - 1 - fresh;
        memmove(output, output + length - kept, kept);
        memcpy(output + kept, piece, fresh);
        length = kept + fresh;
    }
    output[length] = '\0';
}

bool program_run(const char *const *arguments, unsigned seconds, char *output, size_t size)
{
    int ends[2], status = 0;

    output[0] = '\0';
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        alarm(seconds);
        program_become(arguments);
        _exit(PROGRAM_NOT_FOUND);
    }
    close(ends[1]);
    if (child > 0) {
        output_read(ends[0], output, size);
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            continue;
    }
    close(ends[0]);
    return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

const char *program_complaint(char *output)
{
    static const char *const marks[] = {"FATAL: ", "PANIC: ", "error: ", "could not "};
    char *line = NULL;

    for (size_t i = 0; i < sizeof marks / sizeof *marks && line == NULL; i++)
        line = strstr(output, marks[i]);
    if (line == NULL)
        line = output;
    line[strcspn(line, "\n")] = '\0';
    return line;
}
