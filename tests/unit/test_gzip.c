#include "tests/unit/unit.h"

#include <zlib.h>

#include "proto/gzip.h"

enum {
    LIMIT = 1 << 20,
    HEADER_LENGTH = 10,
    TRAILER_LENGTH = 8, /* CRC-32 and the length */
    GZIP_WINDOW = 15 + 16,
    MEMORY_LEVEL = 8,
    ROUNDS = 200,
};

/* "hello\n" as gzip -n writes it. */
static const char HELLO[] =
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48\xcd\xc9\xc9\xe7\x02\x00"
    "\x20\x30\x3a\x36\x06\x00\x00\x00";

/* With every optional part of a header: extra field, name, comment, the header's checksum. */
static const char FULL[] = "\x1f\x8b\x08\x1e\x00\x00\x00\x00\x00\x03\x02\x00zz"
                           "name\0comment\0";

static struct slice hello(void)
{
    return (struct slice){HELLO, sizeof HELLO - 1};
}

/* Appends `plain` as one member. */
static void pack(struct slice plain, int level, struct buffer *packed)
{
    z_stream stream = {0};
    char piece[4096];
    int status;

    EXPECT_NUMBER(deflateInit2(&stream, level, Z_DEFLATED, GZIP_WINDOW, MEMORY_LEVEL, 0), Z_OK);
    stream.next_in = (Bytef *)(uintptr_t)plain.data;
    stream.avail_in = (uInt)plain.length;
    do {
        stream.next_out = (Bytef *)piece;
        stream.avail_out = sizeof piece;
        status = deflate(&stream, Z_FINISH);
        buffer_append(packed, piece, sizeof piece - stream.avail_out);
    } while (status == Z_OK);
    EXPECT_NUMBER(status, Z_STREAM_END);
    deflateEnd(&stream);
}

/* How inflating ends under a limit, when what comes out is not looked at. */
static enum gzip_result outcome(struct slice packed, size_t limit)
{
    struct buffer plain = buffer_make(limit);
    enum gzip_result result = gzip_inflate(packed, &plain);

    EXPECT(plain.length <= limit);
    buffer_free(&plain);
    return result;
}

static void expect_plain(struct slice packed, struct slice expected)
{
    struct buffer plain = buffer_make(expected.length);

    EXPECT_NUMBER(gzip_inflate(packed, &plain), GZIP_DONE);
    EXPECT(slice_equal(buffer_slice(&plain), expected));
    buffer_free(&plain);
}

TEST(gzip_inflates)
{
    struct buffer packed = buffer_make(LIMIT);

    expect_plain(hello(), slice_of("hello\n"));
    pack(slice_of(""), Z_BEST_COMPRESSION, &packed);
    expect_plain(buffer_slice(&packed), slice_of(""));
    buffer_free(&packed);
}

TEST(gzip_takes_any_header)
{
    struct buffer packed = buffer_make(LIMIT);
    uLong sum;

    buffer_append(&packed, FULL, sizeof FULL - 1);
    sum = crc32(0, (const Bytef *)packed.data, (uInt)packed.length);
    buffer_append_character(&packed, (char)(sum & 0xff));
    buffer_append_character(&packed, (char)(sum >> 8 & 0xff));
    buffer_append(&packed, HELLO + HEADER_LENGTH, sizeof HELLO - 1 - HEADER_LENGTH);
    expect_plain(buffer_slice(&packed), slice_of("hello\n"));
    packed.data[sizeof FULL - 1] ^= 1;
    EXPECT_NUMBER(outcome(buffer_slice(&packed), LIMIT), GZIP_MALFORMED);
    buffer_free(&packed);
}

TEST(gzip_takes_members_in_a_row)
{
    struct buffer packed = buffer_make(LIMIT);

    buffer_append_slice(&packed, hello());
    pack(slice_of(""), Z_NO_COMPRESSION, &packed);
    pack(slice_of("world"), Z_NO_COMPRESSION, &packed);
    expect_plain(buffer_slice(&packed), slice_of("hello\nworld"));
    EXPECT_NUMBER(outcome(buffer_slice(&packed), 10), GZIP_TOO_LARGE);
    buffer_free(&packed);
}

TEST(gzip_is_cut_off_nowhere)
{
    for (size_t length = 0; length < sizeof HELLO - 1; length++)
        EXPECT_NUMBER(outcome((struct slice){HELLO, length}, LIMIT), GZIP_MALFORMED);
}

TEST(gzip_is_followed_by_nothing)
{
    static const char *const TAILS[] = {"x", "\x1f", "\x1f\x8b", "\x1f\x8b\x08", "\r\n"};
    struct buffer packed = buffer_make(LIMIT);

    for (size_t i = 0; i < sizeof TAILS / sizeof TAILS[0]; i++) {
        buffer_append_slice(&packed, hello());
        buffer_append_text(&packed, TAILS[i]);
        EXPECT_NUMBER(outcome(buffer_slice(&packed), LIMIT), GZIP_MALFORMED);
        buffer_consume(&packed, packed.length);
    }
    buffer_append_slice(&packed, hello());
    buffer_append_character(&packed, '\0');
    EXPECT_NUMBER(outcome(buffer_slice(&packed), LIMIT), GZIP_MALFORMED);
    buffer_free(&packed);
}

/* Bits that say nothing: the hint FTEXT, the bytes of time, extra flags and system, and what fills
 * up the last byte of the content. */
static bool bit_means_nothing(size_t bit)
{
    enum { FTEXT = 8 * 3, TIME = 8 * 4, PADDING = 8 * HEADER_LENGTH + 58 };

    return bit == FTEXT || (bit >= TIME && bit < 8 * HEADER_LENGTH) ||
           (bit >= PADDING && bit < 8 * (sizeof HELLO - 1 - TRAILER_LENGTH));
}

TEST(gzip_notices_every_bit_that_means_something)
{
    char bytes[sizeof HELLO - 1];

    for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
        memcpy(bytes, HELLO, sizeof bytes);
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ (1 << bit % 8));
        EXPECT_NUMBER(outcome((struct slice){bytes, sizeof bytes}, LIMIT),
                      bit_means_nothing(bit) ? GZIP_DONE : GZIP_MALFORMED);
    }
}

TEST(gzip_is_neither_zlib_nor_deflate)
{
    static const char ZLIB[] = "\x78\x9c\xcb\x48\xcd\xc9\xc9\xe7\x02\x00\x08\x4b\x02\x1f";

    EXPECT_NUMBER(outcome((struct slice){ZLIB, sizeof ZLIB - 1}, LIMIT), GZIP_MALFORMED);
    EXPECT_NUMBER(outcome((struct slice){HELLO + HEADER_LENGTH,
                                         sizeof HELLO - 1 - HEADER_LENGTH - TRAILER_LENGTH},
                          LIMIT),
                  GZIP_MALFORMED);
    EXPECT_NUMBER(outcome(slice_of("hello\n"), LIMIT), GZIP_MALFORMED);
}

/* A thousand times smaller than what it inflates to, and its trailer says that it is nothing. */
TEST(gzip_is_bounded_by_what_comes_out)
{
    struct buffer plain = buffer_make(LIMIT), packed = buffer_make(LIMIT);

    while (plain.length < LIMIT)
        buffer_append_character(&plain, ' ');
    pack(buffer_slice(&plain), Z_BEST_COMPRESSION, &packed);
    EXPECT(packed.length < LIMIT / 500);
    EXPECT_NUMBER(outcome(buffer_slice(&packed), LIMIT), GZIP_DONE);
    EXPECT_NUMBER(outcome(buffer_slice(&packed), LIMIT - 1), GZIP_TOO_LARGE);
    memset(packed.data + packed.length - TRAILER_LENGTH, 0, TRAILER_LENGTH);
    EXPECT_NUMBER(outcome(buffer_slice(&packed), LIMIT - 1), GZIP_TOO_LARGE);
    EXPECT_NUMBER(outcome(buffer_slice(&packed), LIMIT), GZIP_MALFORMED);
    buffer_free(&plain);
    buffer_free(&packed);
}

TEST(gzip_gives_back_what_was_packed)
{
    struct buffer plain = buffer_make(LIMIT), packed = buffer_make(LIMIT);

    for (size_t round = 0; round < ROUNDS; round++) {
        size_t length = unit_random_below(40000), distinct = 1 + unit_random_below(256);
        while (plain.length < length)
            buffer_append_character(&plain, (char)unit_random_below(distinct));
        pack(buffer_slice(&plain), (int)unit_random_below(Z_BEST_COMPRESSION + 1), &packed);
        expect_plain(buffer_slice(&packed), buffer_slice(&plain));
        EXPECT_NUMBER(outcome((struct slice){packed.data, packed.length - 1}, LIMIT),
                      GZIP_MALFORMED);
        buffer_consume(&plain, plain.length);
        buffer_consume(&packed, packed.length);
    }
    buffer_free(&plain);
    buffer_free(&packed);
}
