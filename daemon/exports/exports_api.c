#include <inttypes.h>
#include <stdio.h>

#include "daemon/exports/export_writer.h"
#include "daemon/http/request.h"
#include "operations.h"
#include "statements.h"

enum { CHUNK_NUMBER_SIZE = 24 };

enum step operation_list_exports(struct request *request)
{
    return request_run(request, &statement_list_exports);
}

enum step operation_get_export(struct request *request)
{
    return request_run(request, &statement_get_export);
}

enum step operation_create_export(struct request *request)
{
    request_prepend(request, &statement_lock_exports);
    return request_run(request, &statement_create_export);
}

/* ---- A file: a query a piece, as fast as the client takes them ---- */

struct download {
    uint64_t remaining;
    int64_t chunk;
    char chunk_text[CHUNK_NUMBER_SIZE];
    char bytes[EXPORT_CHUNK];
};

static enum step send_chunk(struct request *request, const PGresult *rows)
{
    struct download *download = request_state(request);
    size_t length;

    if (!export_chunk_read(rows, download->bytes, &length) || length > download->remaining)
        return request_refuse(request, "internal_error", NULL);
    download->remaining -= length;
    download->chunk++;
    request_write(request, (struct slice){download->bytes, length});
    return download->remaining == 0 ? DONE : WAIT;
}

static enum step fetch_chunk(struct request *request)
{
    struct download *download = request_state(request);

    if (download->remaining == 0)
        return DONE;
    snprintf(download->chunk_text, sizeof download->chunk_text, "%" PRId64, download->chunk);
    request_bind(request, "number", download->chunk_text);
    return request_query(request, &statement_get_export_chunk, send_chunk);
}

static enum step begin_download(struct request *request, const PGresult *rows)
{
    struct arena *arena = request_arena(request);
    struct download *download;

    if (PQntuples(rows) == 0)
        return request_refuse(request, "not_found", NULL);
    if (request_set_version(request, result_text(rows, 0, "sha256")))
        return request_answer_empty(request, 304);
    request_add_field(
        request, "Content-Disposition",
        arena_format(arena, "attachment; filename=\"%s\"", result_text(rows, 0, "saved_as")));
    download = arena_allocate(arena, 1, sizeof *download);
    download->remaining = (uint64_t)result_number(rows, 0, "bytes");
    request_set_state(request, download);
    return request_stream(request, arena_text(arena, result_text(rows, 0, "content_type")),
                          download->remaining, fetch_chunk);
}

enum step operation_get_export_file(struct request *request)
{
    return request_query(request, &statement_get_export_file, begin_download);
}
