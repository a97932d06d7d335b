#include "daemon/process/restart.h"

#include "tests/unit/unit.h"

TEST(restart_is_at_once_then_backs_off)
{
    static const int64_t expected[] = {0,    100,  200,   400,   800,  1600,
                                       3200, 6400, 10000, 10000, 10000};
    struct restart restart = {0};

    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        EXPECT_NUMBER(restart_note(&restart, 1000 + (int64_t)i), expected[i]);
}

TEST(restart_forgets_after_a_minute)
{
    struct restart restart = {0};

    for (int i = 0; i < RESTART_LOOPING; i++)
        restart_note(&restart, 1000);
    EXPECT(restart_looping(&restart, 1000 + RESTART_WINDOW - 1));
    EXPECT(!restart_looping(&restart, 1000 + RESTART_WINDOW));
    EXPECT_NUMBER(restart_note(&restart, 1000 + RESTART_WINDOW), 0);
}

TEST(restart_loops_from_the_fifth_end)
{
    struct restart restart = {0};

    for (int i = 1; i <= RESTART_ENDS_LIMIT + 2; i++) {
        restart_note(&restart, i);
        EXPECT(restart_looping(&restart, i) == (i >= RESTART_LOOPING));
    }
}
