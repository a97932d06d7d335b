/*
 * The decoder of chunks: however the input is split, the result is that of the whole; and what is
 * written as chunks is read as it was. The first byte is the seed of the splitting.
 */
#include <stdlib.h>

#include "common/check.h"
#include "proto/http1.h"

enum {
    BODY_LIMIT = 4096,
    MULTIPLIER = 167,
    INCREMENT = 13,
    PIECE_LIMIT = 32,
    WRITTEN_LIMIT = 1 << 20
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    enum http1_result result;
    struct http1_error error;
    struct buffer body;
    size_t rest;
};

/* `seed` 0 does not split. */
static struct outcome decode(struct slice input, uint8_t seed)
{
    struct outcome outcome = {.result = HTTP1_INCOMPLETE, .body = buffer_make(BODY_LIMIT)};
    struct http1_chunks chunks = {0};

    while (outcome.result == HTTP1_INCOMPLETE && input.length > 0) {
        size_t length = input.length;
        seed = (uint8_t)(seed * MULTIPLIER + (seed == 0 ? 0 : INCREMENT));
        if (seed != 0 && length > seed % PIECE_LIMIT + 1U)
            length = seed % PIECE_LIMIT + 1U;
        struct slice piece = {input.data, length};
        outcome.result = http1_decode_chunks(&chunks, &piece, &outcome.body, &outcome.error);
        check(outcome.result != HTTP1_INCOMPLETE || piece.length == 0);
        input.data += length - piece.length;
        input.length -= length - piece.length;
    }
    outcome.rest = input.length;
    return outcome;
}

static void write_chunk(struct buffer *chunks, struct slice data)
{
    buffer_append_format(chunks, "%zx\r\n", data.length);
    buffer_append_slice(chunks, data);
    buffer_append_text(chunks, "\r\n");
}

/* `piece` bytes a chunk. */
static void write_and_read(struct slice data, size_t piece)
{
    struct buffer chunks = buffer_make(WRITTEN_LIMIT);
    struct slice rest = data;

    for (; rest.length > piece; rest.data += piece, rest.length -= piece)
        write_chunk(&chunks, (struct slice){rest.data, piece});
    if (rest.length > 0)
        write_chunk(&chunks, rest);
    buffer_append_text(&chunks, "0\r\n\r\n");
    struct outcome outcome = decode(buffer_slice(&chunks), (uint8_t)piece);
    check(outcome.result == HTTP1_COMPLETE && outcome.rest == 0);
    check(buffer_overflowed(&outcome.body) == (data.length > BODY_LIMIT));
    check(buffer_overflowed(&outcome.body) || slice_equal(buffer_slice(&outcome.body), data));
    buffer_free(&outcome.body);
    buffer_free(&chunks);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct slice input = {(const char *)data + 1, size - 1};
    struct outcome whole = decode(input, 0);
    struct outcome split = decode(input, data[0] | 1U);

    check(whole.result == split.result && whole.rest == split.rest);
    check(whole.error.status == split.error.status && whole.error.code == split.error.code);
    check(buffer_overflowed(&whole.body) == buffer_overflowed(&split.body));
    check(buffer_overflowed(&whole.body) ||
          slice_equal(buffer_slice(&whole.body), buffer_slice(&split.body)));
    buffer_free(&whole.body);
    buffer_free(&split.body);
    write_and_read(input, data[0] | 1U);
    return 0;
}
