/*
 * When a child that ended is started again: at once the first time, then with a back-off that
 * doubles from 0.1 to 10 seconds. A minute without an end forgets. Pure: the caller gives the time.
 */
#ifndef DAEMON_PROCESS_RESTART_H
#define DAEMON_PROCESS_RESTART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RESTART_WINDOW = 60000, /* milliseconds that an end is remembered */
    RESTART_LOOPING = 5,    /* ends in the window that make a crash loop */
    RESTART_ENDS_LIMIT = 10,
    RESTART_DELAY = 100,
    RESTART_DELAY_LIMIT = 10000,
};

struct restart {
    size_t count;
    int64_t ends[RESTART_ENDS_LIMIT]; /* the oldest first */
};

/* Notes an end at `now` (monotonic milliseconds); how long to wait before the next start. */
int64_t restart_note(struct restart *restart, int64_t now);

/* True while RESTART_LOOPING ends or more lie in the window before `now`. */
bool restart_looping(const struct restart *restart, int64_t now);

#endif
