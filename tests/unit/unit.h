/*
 * Unit tests in C. TEST(name) { ... } registers itself; the program runs all of them, or those
 * named as arguments, and prints "ok NAME" or "not ok NAME" a line. `--list` prints the names.
 */
#ifndef TESTS_UNIT_UNIT_H
#define TESTS_UNIT_UNIT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct unit_test {
    const char *name;
    void (*run)(void);
    struct unit_test *next;
};

void unit_register(struct unit_test *test);

/* Notes a failure; the test goes on. */
void unit_failed(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Where the tests' data lie (tests/data in the source tree). */
const char *unit_data_path(const char *name);

/* Numbers for property tests; the seed is printed, and taken from UNIT_SEED where that is set. */
uint64_t unit_random(void);
uint64_t unit_random_below(uint64_t bound);

#define TEST(test_name)                                                                            \
    static void test_##test_name(void);                                                            \
    __attribute__((constructor)) static void register_##test_name(void)                            \
    {                                                                                              \
        static struct unit_test test = {.name = #test_name, .run = test_##test_name};              \
        unit_register(&test);                                                                      \
    }                                                                                              \
    static void test_##test_name(void)

#define EXPECT(condition)                                                                          \
    ((condition) ? (void)0 : unit_failed(__FILE__, __LINE__, "expected: %s", #condition))

#define EXPECT_TEXT(actual, expected)                                                              \
    do {                                                                                           \
        const char *unit_actual = (actual);                                                        \
        const char *unit_expected = (expected);                                                    \
        if (unit_actual == NULL || strcmp(unit_actual, unit_expected) != 0)                        \
            unit_failed(__FILE__, __LINE__, "%s is \"%s\", expected \"%s\"", #actual,              \
                        unit_actual == NULL ? "(null)" : unit_actual, unit_expected);              \
    } while (0)

#define EXPECT_NUMBER(actual, expected)                                                            \
    do {                                                                                           \
        long long unit_actual = (long long)(actual);                                               \
        long long unit_expected = (long long)(expected);                                           \
        if (unit_actual != unit_expected)                                                          \
            unit_failed(__FILE__, __LINE__, "%s is %lld, expected %lld", #actual, unit_actual,     \
                        unit_expected);                                                            \
    } while (0)

#endif
