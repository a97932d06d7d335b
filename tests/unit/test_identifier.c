#include "common/identifier.h"

#include <sys/wait.h>
#include <unistd.h>

#include "common/instant.h"
#include "tests/unit/unit.h"

enum { MANY = 20000, SUFFIX_LENGTH = 26 };

static const char ALPHABET[] = "0123456789abcdefghjkmnpqrstvwxyz";

/* The bits of an id from `first`, counted from the left of the UUID, as a number. */
static uint64_t bits_of(const char *suffix, unsigned first, unsigned count)
{
    uint64_t value = 0;

    for (unsigned bit = first + 2; bit < first + 2 + count; bit++) {
        unsigned digit = (unsigned)(strchr(ALPHABET, suffix[bit / 5]) - ALPHABET);
        value = value << 1 | (digit >> (4 - bit % 5) & 1);
    }
    return value;
}

TEST(identifier_is_a_uuid_of_version_7)
{
    char text[IDENTIFIER_SIZE];
    int64_t before = instant_now() / 1000;

    identifier_make("res", text);
    EXPECT_NUMBER(strlen(text), 4 + SUFFIX_LENGTH);
    EXPECT(identifier_valid(slice_of(text), "res"));
    EXPECT(identifier_valid(slice_of(text), NULL));
    EXPECT(!identifier_valid(slice_of(text), "ten"));
    int64_t time = (int64_t)bits_of(text + 4, 0, 48);
    EXPECT(time >= before && time <= instant_now() / 1000 + 10);
    EXPECT_NUMBER(bits_of(text + 4, 48, 4), 7);
    EXPECT_NUMBER(bits_of(text + 4, 64, 2), 2);
    identifier_make("op", text);
    EXPECT(identifier_valid(slice_of(text), "op"));
}

TEST(identifier_ascends)
{
    char last[IDENTIFIER_SIZE] = "", text[IDENTIFIER_SIZE];

    for (int i = 0; i < MANY; i++) {
        identifier_make("ten", text);
        EXPECT(strcmp(text, last) > 0);
        memcpy(last, text, sizeof last);
    }
}

TEST(identifier_differs_in_forked_processes)
{
    char child[IDENTIFIER_SIZE] = "", parent[IDENTIFIER_SIZE] = "";
    int ends[2];

    identifier_make("ten", parent);
    EXPECT_NUMBER(pipe(ends), 0);
    pid_t process = fork();
    identifier_make("ten", parent);
    if (process == 0)
        _exit(write(ends[1], parent, sizeof parent) == (ssize_t)sizeof parent ? 0 : 1);
    EXPECT_NUMBER(read(ends[0], child, sizeof child), sizeof child);
    EXPECT_NUMBER(waitpid(process, NULL, 0), process);
    EXPECT(bits_of(parent + 4, 66, 62) != bits_of(child + 4, 66, 62));
    close(ends[0]);
    close(ends[1]);
}

TEST(identifier_valid_is_strict)
{
    static const char *const BAD[] = {
        "",
        "res_",
        "01h455vb4pex5vsknk084sn02q",
        "_01h455vb4pex5vsknk084sn02q",
        "res_01h455vb4pex5vsknk084sn02",
        "res_01h455vb4pex5vsknk084sn02qq",
        "res_01H455VB4PEX5VSKNK084SN02Q",
        "res_81h455vb4pex5vsknk084sn02q",
        "res_01h455vb4pex5vsknk084sn02u",
        "res_01h455vb4pex5vsknk084sn0-q",
        "Res_01h455vb4pex5vsknk084sn02q",
        "reso_01h455vb4pex5vsknk084sn02q",
        "ab_01h455vb4pex5vsknk084sn02q",
        "r_s_01h455vb4pex5vsknk084sn02q",
    };

    EXPECT(identifier_valid(slice_of("res_01h455vb4pex5vsknk084sn02q"), "res"));
    EXPECT(identifier_valid(slice_of("res_7zzzzzzzzzzzzzzzzzzzzzzzzz"), NULL));
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        if (identifier_valid(slice_of(BAD[i]), NULL))
            unit_failed(__FILE__, __LINE__, "taken: %s", BAD[i]);
    EXPECT(!identifier_valid((struct slice){"res_01h455vb4pex5vsknk084sn02\0", 30}, "res"));
}

TEST(uuid_is_of_version_4)
{
    char text[37], other[37];

    uuid_make(text);
    uuid_make(other);
    EXPECT_NUMBER(strlen(text), 36);
    EXPECT_NUMBER(strspn(text, "0123456789abcdef-"), 36);
    EXPECT(text[8] == '-' && text[13] == '-' && text[18] == '-' && text[23] == '-');
    EXPECT(text[14] == '4');
    EXPECT(strchr("89ab", text[19]) != NULL);
    EXPECT(strcmp(text, other) != 0);
}
