#include "daemon/process/child.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/unit.h"

enum { GOOD, MISSED, EARLY };

static volatile sig_atomic_t reloads;

static void note_reload(int number)
{
    (void)number;
    reloads++;
}

/* What a child makes of a SIGHUP that came before it had a handler. */
_Noreturn static void be_child(pid_t supervisor)
{
    const struct identity identity = {.change = false};
    const struct child_plan plan = {.name = "child",
                                    .log_level = LOG_LEVEL_ERROR,
                                    .identity = &identity,
                                    .supervisor = supervisor};
    struct sigaction action = {.sa_handler = note_reload};

    raise(SIGHUP); /* blocked, as the supervisor has it when it forks */
    child_enter(&plan);
    raise(SIGHUP);
    sigaction(SIGHUP, &action, NULL);
    if (reloads != 0)
        _exit(EARLY);
    child_take_reloads();
    _exit(reloads == 1 ? GOOD : MISSED);
}

/* A child that had just been forked went on with the old settings. */
TEST(bug_0033_a_reload_reaches_a_fresh_child)
{
    pid_t supervisor = getpid();
    sigset_t hangup, before;
    int status = -1;

    sigemptyset(&hangup);
    sigaddset(&hangup, SIGHUP);
    EXPECT(sigprocmask(SIG_BLOCK, &hangup, &before) == 0);
    pid_t child = fork();
    if (child == 0)
        be_child(supervisor);
    EXPECT(waitpid(child, &status, 0) == child);
    EXPECT_NUMBER(status, 0);
    EXPECT(sigprocmask(SIG_SETMASK, &before, NULL) == 0);
}
