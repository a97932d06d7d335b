#include "common/names.h"

#include "tests/unit/unit.h"

enum { MANY = 10000 };

TEST(names_have_places_in_the_order_in_which_they_came)
{
    struct arena *arena = arena_new();
    struct names names = names_make(arena, 3);

    EXPECT(names_place(&names, "b") == 0);
    EXPECT(names_place(&names, "a") == 1);
    EXPECT(names_place(&names, arena_text(arena, "b")) == 0);
    EXPECT(names_place(&names, "") == 2);
    EXPECT(names.count == 3);
    EXPECT_TEXT(names.list[1], "a");
    arena_free(&arena);
}

TEST(names_may_be_many)
{
    struct arena *arena = arena_new();
    struct names names = names_make(arena, MANY);

    for (size_t round = 0; round < 2; round++)
        for (size_t i = 0; i < MANY; i++)
            EXPECT(names_place(&names, arena_format(arena, "name-%zu", i)) == i);
    EXPECT(names.count == MANY);
    arena_free(&arena);
}
