#include "common/registry.h"

#include "tests/unit/unit.h"

enum { OBJECTS = 200, STEPS = 20000 };

TEST(registry_forgets_what_was_removed)
{
    struct registry *registry = registry_new();
    int first = 1, second = 2;
    uint64_t a = registry_add(registry, &first);

    EXPECT(a >= 1);
    EXPECT(registry_find(registry, a) == &first);
    registry_remove(registry, a);
    registry_remove(registry, a);
    uint64_t b = registry_add(registry, &second);
    EXPECT(b != a);
    EXPECT(registry_find(registry, a) == NULL);
    registry_remove(registry, a);
    EXPECT(registry_find(registry, b) == &second);
    EXPECT(registry_find(registry, 0) == NULL);
    EXPECT(registry_find(registry, UINT64_MAX) == NULL);
    EXPECT_NUMBER(registry_count(registry), 1);
    registry_free(&registry);
    EXPECT(registry == NULL);
    registry_free(&registry);
}

/* Against a model: what each object's number is, 0 where it is not there. */
TEST(registry_finds_what_is_there)
{
    struct registry *registry = registry_new();
    uint64_t number[OBJECTS] = {0};
    uint64_t greatest = 0;
    size_t count = 0;

    for (size_t step = 0; step < STEPS; step++) {
        size_t i = unit_random_below(OBJECTS);
        EXPECT(registry_find(registry, number[i]) == (number[i] == 0 ? NULL : &number[i]));
        if (number[i] == 0) {
            number[i] = registry_add(registry, &number[i]);
            EXPECT(number[i] > greatest);
            greatest = number[i];
            count++;
        } else {
            registry_remove(registry, number[i]);
            number[i] = 0;
            count--;
        }
        EXPECT_NUMBER(registry_count(registry), count);
    }
    registry_free(&registry);
}

struct visit {
    struct registry *registry;
    uint64_t number[OBJECTS];
    size_t seen;
};

static void remove_visited(void *object, void *context)
{
    struct visit *visit = context;
    uint64_t *number = object;

    visit->seen++;
    registry_remove(visit->registry, *number);
}

TEST(registry_each_may_remove)
{
    struct visit visit = {.registry = registry_new()};

    for (size_t i = 0; i < OBJECTS; i++)
        visit.number[i] = registry_add(visit.registry, &visit.number[i]);
    registry_remove(visit.registry, visit.number[0]);
    registry_each(visit.registry, remove_visited, &visit);
    EXPECT_NUMBER(visit.seen, OBJECTS - 1);
    EXPECT_NUMBER(registry_count(visit.registry), 0);
    registry_free(&visit.registry);
}
