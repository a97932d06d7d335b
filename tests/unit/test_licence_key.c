#include "daemon/software/licence_key.h"

#include "common/digest.h"
#include "tests/unit/unit.h"

TEST(licence_key_ending_is_of_characters)
{
    static const struct {
        const char *key, *ending;
    } cases[] = {{"", ""},
                 {"ABCDEFGHIJK", ""},
                 {"ABCDEFGHIJKL", "IJKL"},
                 {"短短短短短短短短短短短", ""},
                 {"LH26-7QX蓝海软件", "蓝海软件"}};
    struct arena *arena = arena_new();

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        EXPECT_TEXT(licence_key_ending(arena, slice_of(cases[i].key)), cases[i].ending);
    arena_free(&arena);
}

TEST(licence_key_digest_outlives_the_coming_of_a_key)
{
    struct seal_keys keys = {.count = 1};
    struct arena *arena = arena_new();

    random_bytes(keys.key, sizeof keys.key);
    const char *digest = licence_key_digest(&keys, arena, slice_of("LH26"));
    EXPECT_NUMBER(strlen(digest), 2 * SHA256_SIZE);
    keys.count = 2;
    EXPECT_TEXT(licence_key_digest(&keys, arena, slice_of("LH26")), digest);
    EXPECT(strcmp(licence_key_digest(&keys, arena, slice_of("LH27")), digest) != 0);
    keys.key[0][0] ^= 1;
    EXPECT(strcmp(licence_key_digest(&keys, arena, slice_of("LH26")), digest) != 0);
    arena_free(&arena);
}

TEST(licence_key_opens_where_it_was_closed)
{
    struct seal_keys keys = {.count = 1};
    struct arena *arena = arena_new();

    random_bytes(keys.key, sizeof keys.key);
    const char *hex = licence_key_close(&keys, arena, "ten_1", "lic_1", slice_of("LH26"));
    EXPECT_TEXT(licence_key_open(&keys, arena, "ten_1", "lic_1", slice_of(hex)), "LH26");
    EXPECT(licence_key_open(&keys, arena, "ten_1", "lic_2", slice_of(hex)) == NULL);
    EXPECT(licence_key_open(&keys, arena, "ten_2", "lic_1", slice_of(hex)) == NULL);
    arena_free(&arena);
}
