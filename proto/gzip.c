#define ZLIB_CONST /* zlib reads from const */
#include "proto/gzip.h"

#include <limits.h>
#include <zlib.h>

#include "common/check.h"
#include "common/memory.h"

enum {
    PIECE_SIZE = 16 * 1024, /* bytes that come out at a time */
    WINDOW_BITS = 15,       /* the largest window of deflate */
    GZIP_WRAPPER = 16, /* added to the window: gzip, and neither zlib's format nor bare deflate */
};

static void *allocate(void *context, unsigned count, unsigned size)
{
    (void)context;
    return memory_allocate(count, size);
}

static void release(void *context, void *memory)
{
    (void)context;
    memory_free(memory);
}

/* zlib says Z_OK while something went on, and Z_BUF_ERROR once nothing is left to go on with. */
static enum gzip_result inflate_members(z_stream *stream, struct buffer *plain)
{
    unsigned char piece[PIECE_SIZE];
    int status;

    do {
        stream->next_out = piece;
        stream->avail_out = sizeof piece;
        status = inflate(stream, Z_NO_FLUSH);
        buffer_append(plain, piece, sizeof piece - stream->avail_out);
        if (buffer_overflowed(plain))
            return GZIP_TOO_LARGE;
        if (status == Z_STREAM_END && stream->avail_in > 0)
            status = inflateReset(stream);
    } while (status == Z_OK);
    return status == Z_STREAM_END ? GZIP_DONE : GZIP_MALFORMED;
}

enum gzip_result gzip_inflate(struct slice packed, struct buffer *plain)
{
    z_stream stream = {.zalloc = allocate, .zfree = release};
    enum gzip_result result;

    check(packed.length <= UINT_MAX);
    check(inflateInit2(&stream, WINDOW_BITS + GZIP_WRAPPER) == Z_OK);
    stream.next_in = (const Bytef *)packed.data;
    stream.avail_in = (uInt)packed.length;
    result = inflate_members(&stream, plain);
    check(inflateEnd(&stream) == Z_OK);
    return result;
}
