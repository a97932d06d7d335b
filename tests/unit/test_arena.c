#include "common/arena.h"

#include "tests/unit/unit.h"

enum { PIECES = 2000, PIECE_LIMIT = 20000 };

TEST(arena_gives_zeroed_aligned_pieces)
{
    struct arena *arena = arena_new();
    size_t total = 0;

    for (size_t i = 0; i < PIECES; i++) {
        size_t size = unit_random_below(i % 50 == 0 ? PIECE_LIMIT : 200);
        unsigned char *piece = arena_allocate(arena, 1, size);
        EXPECT_NUMBER((uintptr_t)piece % _Alignof(max_align_t), 0);
        for (size_t j = 0; j < size; j++)
            EXPECT_NUMBER(piece[j], 0);
        memset(piece, 0xff, size);
        total += size;
    }
    EXPECT_NUMBER(arena_used(arena), total);
    arena_free(&arena);
    EXPECT(arena == NULL);
    arena_free(&arena);
}

TEST(arena_copies_text)
{
    struct arena *arena = arena_new();

    EXPECT_TEXT(arena_copy(arena, (struct slice){"abc", 2}), "ab");
    EXPECT_TEXT(arena_copy(arena, slice_of(NULL)), "");
    EXPECT_TEXT(arena_text(arena, "text"), "text");
    EXPECT_TEXT(arena_format(arena, "%s-%d", "a", 42), "a-42");
    EXPECT_NUMBER(arena_used(arena), 3 + 1 + 5 + 5);
    arena_free(&arena);
}
