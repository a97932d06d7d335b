#include "daemon/process/restart.h"

#include <string.h>

static size_t recent(const struct restart *restart, int64_t now)
{
    size_t count = 0;

    for (size_t i = 0; i < restart->count; i++)
        if (restart->ends[i] > now - RESTART_WINDOW)
            count++;
    return count;
}

int64_t restart_note(struct restart *restart, int64_t now)
{
    int64_t delay = RESTART_DELAY;
    size_t ends;

    if (restart->count == RESTART_ENDS_LIMIT) {
        restart->count--;
        memmove(restart->ends, restart->ends + 1, restart->count * sizeof restart->ends[0]);
    }
    restart->ends[restart->count++] = now;
    ends = recent(restart, now);
    if (ends == 1)
        return 0;
    for (size_t i = 2; i < ends && delay < RESTART_DELAY_LIMIT; i++)
        delay *= 2;
    return delay < RESTART_DELAY_LIMIT ? delay : RESTART_DELAY_LIMIT;
}

bool restart_looping(const struct restart *restart, int64_t now)
{
    return recent(restart, now) >= RESTART_LOOPING;
}
