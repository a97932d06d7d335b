/*
 * Documents: bytes in, of the type that they say they are, and out as they came.
 */
#include <string.h>

#include "common/check.h"
#include "common/digest.h"
#include "daemon/db/session.h"
#include "daemon/http/request.h"
#include "operations.h"
#include "statements.h"

/* How the bytes of a type begin, and for what stands behind a length (RIFF), go on. */
static const struct {
    const char *content_type;
    struct slice head;
    size_t behind;
    struct slice then;
} types[] = {
    {"image/jpeg", {"\xff\xd8\xff", 3}, 3, {"", 0}},
    {"image/png", {"\x89PNG\r\n\x1a\n", 8}, 8, {"", 0}},
    {"image/webp", {"RIFF", 4}, 8, {"WEBP", 4}},
    {"application/pdf", {"%PDF-", 5}, 5, {"", 0}},
};

static bool stands_at(struct slice bytes, size_t place, struct slice wanted)
{
    return bytes.length >= place + wanted.length &&
           memcmp(bytes.data + place, wanted.data, wanted.length) == 0;
}

/* The name of the type that the media type and the bytes agree on; NULL when they do not. */
static const char *type_of(struct slice media, struct slice bytes)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (slice_is(media, types[i].content_type) && stands_at(bytes, 0, types[i].head) &&
            stands_at(bytes, types[i].behind, types[i].then))
            return types[i].content_type;
    return NULL;
}

static const char *hex_of(struct arena *arena, struct slice bytes)
{
    char *hex = arena_allocate(arena, 2 * bytes.length + 1, 1);

    hex_write((const unsigned char *)bytes.data, bytes.length, hex);
    return hex;
}

enum step operation_add_document(struct request *request)
{
    struct arena *arena = request_arena(request);
    struct slice bytes = request_bytes(request);
    const char *content_type = type_of(request_media(request), bytes);
    unsigned char digest[SHA256_SIZE];

    if (content_type == NULL)
        return request_refuse(request, "document_type_refused", NULL);
    sha256_of(bytes, digest);
    request_bind(request, "content_type", content_type);
    request_bind(request, "bytes", arena_format(arena, "%zu", bytes.length));
    request_bind(request, "sha256",
                 hex_of(arena, (struct slice){(const char *)digest, sizeof digest}));
    request_bind(request, "content", hex_of(arena, bytes));
    return request_run(request, &statement_add_document);
}

static enum step answer_document(struct request *request, const PGresult *rows)
{
    struct arena *arena = request_arena(request);

    if (PQntuples(rows) == 0)
        return request_refuse(request, "not_found", NULL);
    struct slice hex = slice_of(result_text(rows, 0, "content"));
    char *bytes = arena_allocate(arena, hex.length / 2 + 1, 1);
    check(hex_read(hex, bytes, hex.length / 2));
    request_add_field(request, "ETag",
                      arena_format(arena, "\"%s\"", result_text(rows, 0, "sha256")));
    request_add_field(request, "Content-Disposition", "attachment");
    return request_answer_bytes(request, 0, arena_text(arena, result_text(rows, 0, "content_type")),
                                (struct slice){bytes, hex.length / 2});
}

enum step operation_get_document(struct request *request)
{
    return request_query(request, &statement_get_document, answer_document);
}
