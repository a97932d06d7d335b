/* Any bytes as gzip: what they inflate to depends on no limit that it fits into, one byte less is
 * too little, and one byte cut off or added is noticed. Any bytes packed inflate to themselves. */
#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>

#include "common/check.h"
#include "proto/gzip.h"

enum { LIMIT = 1 << 20, GZIP_WINDOW = 15 + 16, MEMORY_LEVEL = 1 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(struct slice packed, size_t limit, enum gzip_result result)
{
    struct buffer plain = buffer_make(limit);

    check(gzip_inflate(packed, &plain) == result);
    check(plain.length <= limit);
    buffer_free(&plain);
}

/* What inflates to so many bytes does so twice in a row, and is noticed to be something else when a
 * byte is taken off or put behind it. */
static void examine(struct slice packed, size_t length)
{
    struct buffer other = buffer_make(2 * packed.length);

    expect(packed, length, GZIP_DONE);
    if (length > 0)
        expect(packed, length - 1, GZIP_TOO_LARGE);
    expect((struct slice){packed.data, packed.length - 1}, length, GZIP_MALFORMED);
    buffer_append_slice(&other, packed);
    buffer_append_character(&other, 'x');
    expect(buffer_slice(&other), length, GZIP_MALFORMED);
    other.length--;
    buffer_append_slice(&other, packed);
    expect(buffer_slice(&other), 2 * length, GZIP_DONE);
    buffer_free(&other);
}

static void try_inflating(struct slice packed)
{
    struct buffer plain = buffer_make(LIMIT);

    if (gzip_inflate(packed, &plain) == GZIP_DONE)
        examine(packed, plain.length);
    buffer_free(&plain);
}

static void try_packing(struct slice plain, int level)
{
    z_stream stream = {0};
    struct buffer inflated = buffer_make(plain.length);

    check(deflateInit2(&stream, level, Z_DEFLATED, GZIP_WINDOW, MEMORY_LEVEL, 0) == Z_OK);
    size_t room = deflateBound(&stream, plain.length);
    char *packed = malloc(room);
    stream.next_in = (Bytef *)(uintptr_t)plain.data;
    stream.avail_in = (uInt)plain.length;
    stream.next_out = (Bytef *)packed;
    stream.avail_out = (uInt)room;
    check(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    struct slice all = {packed, room - stream.avail_out};
    check(gzip_inflate(all, &inflated) == GZIP_DONE);
    check(slice_equal(buffer_slice(&inflated), plain));
    examine(all, plain.length);
    deflateEnd(&stream);
    free(packed);
    buffer_free(&inflated);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = {(const char *)data, size};

    try_inflating(bytes);
    if (size > 0) {
        bytes.data++;
        bytes.length--;
        try_packing(bytes, data[0] % (Z_BEST_COMPRESSION + 1));
    }
    return 0;
}
