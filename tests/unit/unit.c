#include "tests/unit/unit.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { DATA_PATH_LIMIT = 4096 };

static struct unit_test *tests;
static bool failed;
static uint64_t random_state;

void unit_register(struct unit_test *test)
{
    test->next = tests;
    tests = test;
}

void unit_failed(const char *file, int line, const char *format, ...)
{
    va_list arguments;

    failed = true;
    printf("  %s:%d: ", file, line);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
}

const char *unit_data_path(const char *name)
{
    static char path[DATA_PATH_LIMIT];
    const char *directory = getenv("UNIT_DATA");

    snprintf(path, sizeof path, "%s/%s", directory == NULL ? "tests/data" : directory, name);
    return path;
}

/* xorshift64*: enough to choose test cases with. */
uint64_t unit_random(void)
{
    if (random_state == 0) {
        const char *seed = getenv("UNIT_SEED");
        random_state = seed != NULL ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL) * 2654435761U;
        if (random_state == 0)
            random_state = 1;
        printf("  seed: UNIT_SEED=%llu\n", (unsigned long long)random_state);
    }
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * UINT64_C(2685821657736338717);
}

uint64_t unit_random_below(uint64_t bound)
{
    return unit_random() % bound;
}

static bool run(const struct unit_test *test)
{
    failed = false;
    random_state = 0;
    test->run();
    printf("%s %s\n", failed ? "not ok" : "ok", test->name);
    fflush(stdout);
    return !failed;
}

static bool wanted(const struct unit_test *test, int count, char **names)
{
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], test->name) == 0)
            return true;
    return count == 0;
}

int main(int count, char **arguments)
{
    bool list = count == 2 && strcmp(arguments[1], "--list") == 0;
    bool good = true;

    for (const struct unit_test *test = tests; test != NULL; test = test->next) {
        if (list)
            printf("%s\n", test->name);
        else if (wanted(test, count - 1, arguments + 1))
            good = run(test) && good;
    }
    return good ? 0 : 1;
}
