/*
 * gzip (RFC 1952) as a content coding of HTTP (RFC 9110, 8.4.1.3): one member or several in a row,
 * nothing behind them. Pure: bytes in, bytes out.
 *
 * What a stream says of its sizes is only compared with what came out of it: memory is taken as
 * bytes come out, up to the caller's limit, and some 56 KiB to work in, which are free again when
 * the call returns.
 */
#ifndef PROTO_GZIP_H
#define PROTO_GZIP_H

#include "common/buffer.h"
#include "common/slice.h"

enum gzip_result {
    GZIP_DONE,
    GZIP_MALFORMED, /* not gzip, truncated, corrupt, or followed by something else */
    GZIP_TOO_LARGE, /* it inflates to more than the buffer may hold; it was not read to its end */
};

/* Appends what `packed` (borrowed, less than 4 GiB) inflates to to `plain`, which stays the
 * caller's and whose limit, in bytes, is the bound. What is in it after a failure means nothing. */
enum gzip_result gzip_inflate(struct slice packed, struct buffer *plain);

#endif
