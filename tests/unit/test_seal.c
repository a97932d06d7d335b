#include "common/seal.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/digest.h"
#include "tests/unit/unit.h"

enum { PROBLEM_SIZE = 256, PATH_SIZE = 32 };

#define HEX_KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static bool keys_from(const char *text, struct seal_keys *keys, char *problem)
{
    int file = memfd_create("keys", MFD_CLOEXEC);
    char path[PATH_SIZE];

    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    bool good = write(file, text, strlen(text)) == (ssize_t)strlen(text) &&
                seal_keys_read(path, keys, problem, PROBLEM_SIZE);
    close(file);
    return good;
}

TEST(seal_keys_are_read)
{
    struct seal_keys keys;
    char problem[PROBLEM_SIZE] = "";

    EXPECT(keys_from(HEX_KEY "\n", &keys, problem));
    EXPECT_NUMBER(keys.count, 1);
    EXPECT_NUMBER(keys.key[0][31], 0x1f);
    EXPECT(keys_from(HEX_KEY "\n" HEX_KEY, &keys, problem));
    EXPECT_NUMBER(keys.count, 2);
    EXPECT_TEXT(problem, "");
    EXPECT(!keys_from("", &keys, problem));
    EXPECT(strstr(problem, ":1: not a master key; give 64 hexadecimal digits") != NULL);
    EXPECT(!keys_from(HEX_KEY "\n\n", &keys, problem));
    EXPECT(strstr(problem, ":2: ") != NULL);
    EXPECT_NUMBER(keys.count, 0);
    EXPECT(!keys_from(HEX_KEY "0\n", &keys, problem));
    EXPECT(!seal_keys_read("/nonexistent/key", &keys, problem, sizeof problem));
    EXPECT_TEXT(problem,
                "/nonexistent/key: No such file or directory; give a file that can be read");
}

TEST(seal_keys_are_bounded)
{
    char text[(SEAL_KEYS_LIMIT + 1) * (sizeof HEX_KEY) + 1];
    char problem[PROBLEM_SIZE];
    struct seal_keys keys;

    for (size_t i = 0; i <= SEAL_KEYS_LIMIT; i++)
        memcpy(text + i * sizeof HEX_KEY, HEX_KEY "\n", sizeof HEX_KEY + 1);
    EXPECT(!keys_from(text, &keys, problem));
    EXPECT(strstr(problem, "larger than") != NULL);
    text[SEAL_KEYS_LIMIT * sizeof HEX_KEY] = '\0';
    EXPECT(keys_from(text, &keys, problem));
    EXPECT_NUMBER(keys.count, SEAL_KEYS_LIMIT);
}

static struct seal_keys random_keys(unsigned count)
{
    struct seal_keys keys = {.count = count};

    random_bytes(keys.key, sizeof keys.key);
    return keys;
}

TEST(seal_opens_what_it_closed)
{
    struct seal_keys keys = random_keys(2);
    struct slice place = slice_of("ten_1/radius/password/usr_1");
    static char plain[SEAL_PLAIN_LIMIT], opened[SEAL_PLAIN_LIMIT];
    static unsigned char sealed[SEAL_PLAIN_LIMIT + SEAL_OVERHEAD];
    const size_t lengths[] = {0, 1, 16, 100, SEAL_PLAIN_LIMIT};

    random_bytes(plain, sizeof plain);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct slice from = {plain, lengths[i]};
        struct slice to = {(char *)sealed, lengths[i] + SEAL_OVERHEAD};
        seal_close(&keys, place, from, sealed);
        EXPECT(sealed[0] == 1 && sealed[1] == 1);
        EXPECT(seal_open(&keys, place, to, opened));
        EXPECT(memcmp(opened, plain, lengths[i]) == 0);
    }
}

TEST(seal_stays_shut)
{
    struct seal_keys keys = random_keys(2);
    struct slice place = slice_of("ten_1/radius/password/usr_1");
    unsigned char sealed[6 + SEAL_OVERHEAD] = {0}, again[6 + SEAL_OVERHEAD] = {0};
    struct slice whole = {(char *)sealed, sizeof sealed};
    char plain[6];

    seal_close(&keys, place, slice_of("secret"), sealed);
    seal_close(&keys, place, slice_of("secret"), again);
    EXPECT(memcmp(sealed + 2, again + 2, 12) != 0);
    for (size_t i = 0; i < sizeof sealed; i++) {
        sealed[i] ^= 1;
        EXPECT(!seal_open(&keys, place, whole, plain));
        sealed[i] ^= 1;
    }
    EXPECT(!seal_open(&keys, slice_of("ten_2/radius/password/usr_1"), whole, plain));
    EXPECT(!seal_open(&keys, slice_of(NULL), whole, plain));
    EXPECT(!seal_open(&keys, place, (struct slice){whole.data, SEAL_OVERHEAD - 1}, plain));
    EXPECT(!seal_open(&keys, place, (struct slice){whole.data, whole.length - 1}, plain));
    EXPECT(seal_open(&keys, place, whole, plain));
    EXPECT(memcmp(plain, "secret", 6) == 0);
    keys.count = 1;
    EXPECT(!seal_open(&keys, place, whole, plain));
}

TEST(seal_closes_and_opens_texts)
{
    struct seal_keys keys = random_keys(1);
    struct slice place = slice_of("ten_1/lines/password/res_1");
    struct arena *arena = arena_new();
    const char *hex = seal_close_text(&keys, arena, place, slice_of("secret"));

    EXPECT_NUMBER(strlen(hex), 2 * (6 + SEAL_OVERHEAD));
    EXPECT_TEXT(seal_open_text(&keys, arena, place, slice_of(hex)), "secret");
    EXPECT(seal_open_text(&keys, arena, slice_of("elsewhere"), slice_of(hex)) == NULL);
    EXPECT(seal_open_text(&keys, arena, place, (struct slice){hex, strlen(hex) - 1}) == NULL);
    EXPECT(seal_open_text(&keys, arena, place, slice_of("no digits")) == NULL);
    EXPECT(seal_open_text(&keys, arena, place, slice_of("")) == NULL);
    arena_free(&arena);
}

/* AES-256-GCM as another implementation (Python's cryptography) has it, so that values survive a
 * change of library. */
TEST(seal_opens_a_recorded_value)
{
    struct seal_keys keys = {.count = 1};
    unsigned char sealed[6 + SEAL_OVERHEAD];
    char plain[6];

    EXPECT(hex_read(slice_of(HEX_KEY), keys.key[0], MASTER_KEY_SIZE));
    EXPECT(hex_read(
        slice_of("01006465666768696a6b6c6d6e6f3b7ebd141c9d5622544637da9181869ebb4f3f920319"),
        sealed, sizeof sealed));
    EXPECT(seal_open(&keys, slice_of("t/a/c/i"), (struct slice){(char *)sealed, sizeof sealed},
                     plain));
    EXPECT(memcmp(plain, "secret", sizeof plain) == 0);
}
