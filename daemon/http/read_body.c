/*
 * read body: its media type and its encoding against the contract, then its bytes, inflated where
 * they came as gzip.
 */
#include "daemon/http/request_internal.h"

#include "proto/gzip.h"

static bool media_accepted(struct request *request)
{
    struct slice value, type;

    if (!http1_field(&request->head, "content-type", &value))
        return false;
    if (!slice_split(&value, ';', &type))
        type = value;
    request->media = slice_trim(type);
    for (size_t i = 0; i < request->operation->media_count; i++)
        if (slice_is_caseless(request->media, request->operation->media[i]))
            return true;
    return false;
}

/* "identity" is none (RFC 9110, 12.5.3), and "x-gzip" is gzip (8.4.1.3). */
static bool encoding_accepted(struct request *request)
{
    struct slice value;

    if (!http1_field(&request->head, "content-encoding", &value))
        return true;
    if (http1_field_count(&request->head, "content-encoding") > 1)
        return false;
    request->gzipped = slice_is_caseless(value, "gzip") || slice_is_caseless(value, "x-gzip");
    return request->gzipped ? request->operation->gzip : slice_is_caseless(value, "identity");
}

/* Inflated, it is held in place of what came. */
static enum step inflate_body(struct request *request)
{
    struct buffer plain = buffer_make(request->operation->body_limit);
    enum gzip_result result = gzip_inflate(buffer_slice(&request->body), &plain);

    buffer_free(&request->body);
    request->body = plain;
    if (result == GZIP_TOO_LARGE)
        return request_refuse(request, "body_too_large", NULL);
    if (result == GZIP_MALFORMED)
        return request_refuse(request, "gzip_malformed", NULL);
    if (plain.length == 0 && request->operation->body_required)
        return request_refuse(request, "body_missing", NULL);
    if (!connection_hold(request_connection(request), plain.capacity)) {
        request_add_field(request, "Retry-After", "1");
        return request_refuse(request, "overloaded", NULL);
    }
    return NEXT;
}

static enum step take_body(struct request *request)
{
    return request->gzipped ? inflate_body(request) : NEXT;
}

enum step request_read_body(struct request *request)
{
    const struct http1_head *head = &request->head;
    bool has_body = head->chunked || head->content_length > 0;

    if (request->body_read)
        return take_body(request);
    if (!has_body) {
        if (!request->operation->body_required)
            return NEXT;
        return request_refuse(request, "body_missing", NULL);
    }
    if (request->operation->media_count == 0)
        return request_refuse(request, "body_unexpected", NULL);
    if (!media_accepted(request))
        return request_refuse(request, "unsupported_media_type", NULL);
    if (!encoding_accepted(request)) {
        request_add_field(request, "Accept-Encoding",
                          request->operation->gzip ? "gzip, identity" : "identity");
        return request_refuse(request, "unsupported_content_encoding", NULL);
    }
    connection_read_body(request_connection(request), request->operation->body_limit);
    return request->body_read ? take_body(request) : WAIT;
}
