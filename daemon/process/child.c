#include "daemon/process/child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/metric.h"

enum { FIRST_DESCRIPTOR = 3 };

static _Noreturn void fail(const char *step)
{
    log_error("child_failed", log_text("step", step), log_text("reason", strerror(errno)));
    _exit(EXIT_FAILURE);
}

/* Closes every descriptor but those kept: also those that a library or the starter left open. */
static void close_others(const int *keep, size_t count)
{
    unsigned from = FIRST_DESCRIPTOR;

    for (;;) {
        unsigned next = ~0U;
        for (size_t i = 0; i < count; i++)
            if (keep[i] >= 0 && (unsigned)keep[i] >= from && (unsigned)keep[i] < next)
                next = (unsigned)keep[i];
        if (next > from && close_range(from, next == ~0U ? next : next - 1, 0) != 0)
            fail("close_range");
        if (next == ~0U)
            return;
        from = next + 1;
    }
}

/* With SIGHUP alone. */
static void change_mask(int how)
{
    sigset_t reloads;

    sigemptyset(&reloads);
    sigaddset(&reloads, SIGHUP);
    if (sigprocmask(how, &reloads, NULL) != 0)
        fail("sigprocmask");
}

/* libevent and the bodies of the children set their own handlers over these. */
static void reset_signals(void)
{
    static const int ignored[] = {SIGINT, SIGUSR1, SIGPIPE};

    for (int number = 1; number < NSIG; number++)
        if (number != SIGKILL && number != SIGSTOP)
            signal(number, SIG_DFL);
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        signal(ignored[i], SIG_IGN);
    change_mask(SIG_SETMASK);
}

void child_take_reloads(void)
{
    change_mask(SIG_UNBLOCK);
}

void child_leave_reloads(void)
{
    change_mask(SIG_BLOCK);
}

static void leave_terminal(void)
{
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0)
        fail("/dev/null");
    if (nothing > STDERR_FILENO)
        close(nothing);
}

bool identity_assume(const struct identity *identity)
{
    return !identity->change ||
           (initgroups(identity->name, identity->group) == 0 &&
            setresgid(identity->group, identity->group, identity->group) == 0 &&
            setresuid(identity->user, identity->user, identity->user) == 0);
}

void child_enter(const struct child_plan *plan)
{
    log_start(plan->name, plan->log_level);
    metric_use_slot(plan->metric_slot);
    close_others(plan->keep, plan->keep_count);
    leave_terminal();
    if (!identity_assume(plan->identity))
        fail("identity");
    /* Only now: changing the user clears it. A supervisor that died before is seen by getppid. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        fail("PR_SET_PDEATHSIG");
    if (getppid() != plan->supervisor)
        _exit(EXIT_FAILURE);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        fail("PR_SET_NO_NEW_PRIVS");
    prctl(PR_SET_NAME, plan->name);
    reset_signals();
}
