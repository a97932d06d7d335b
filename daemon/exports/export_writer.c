#include "daemon/exports/export_writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "statements.h"

enum { NUMBER_SIZE = 24 };

void export_set_start(struct export_set *set, struct job *job)
{
    *set = (struct export_set){.job = job};
    number_start(&set->net);
    number_start(&set->tax);
    number_start(&set->expected_net);
    number_start(&set->expected_tax);
}

void export_set_end(struct export_set *set)
{
    unsigned char unused[SHA256_SIZE];

    for (size_t i = 0; i < EXPORT_FILES_LIMIT; i++) {
        buffer_free(&set->files[i].pending);
        if (set->files[i].digest != NULL)
            sha256_finish(&set->files[i].digest, unused);
    }
    number_end(&set->net);
    number_end(&set->tax);
    number_end(&set->expected_net);
    number_end(&set->expected_tax);
    PQclear(set->row);
    set->row = NULL;
    session_close(&set->reader);
}

void export_set_files(struct export_set *set)
{
    for (size_t i = 0; i < EXPORT_FILES_LIMIT; i++)
        set->files[i] = (struct export_file){.name = set->format->files[i].name,
                                             .content_type = set->format->files[i].content_type,
                                             .pending = buffer_make(EXPORT_PENDING_LIMIT),
                                             .digest = sha256_new()};
}

bool export_refuse(struct export_set *set, const char *problem)
{
    snprintf(set->problem, sizeof set->problem, "%s", problem);
    return false;
}

void export_add(struct number *sum, const char *amount)
{
    struct number number;

    number_start(&number);
    check(number_parse_stored(&number, slice_of(amount)));
    number_add(sum, sum, &number);
    number_end(&number);
}

static void insert_chunk(struct export_set *set, struct export_file *file, size_t length)
{
    char number[NUMBER_SIZE];

    snprintf(number, sizeof number, "%" PRId64, file->chunks);
    PQclear(session_run_bytes(set->job->session, &statement_insert_export_chunk, "bytes",
                              (struct slice){file->pending.data, length}, "export_id", set->id,
                              "name", file->name, "number", number, NULL));
}

bool export_flush(struct export_set *set, struct export_file *file, bool last)
{
    if (buffer_overflowed(&file->pending))
        return export_refuse(set, "A row is larger than a file's buffer.");
    while (file->pending.length >= EXPORT_CHUNK || (last && file->pending.length > 0)) {
        size_t length =
            file->pending.length < EXPORT_CHUNK ? file->pending.length : (size_t)EXPORT_CHUNK;
        insert_chunk(set, file, length);
        sha256_add(file->digest, file->pending.data, length);
        file->bytes += (int64_t)length;
        file->chunks++;
        buffer_consume(&file->pending, length);
    }
    return !session_failed(set->job->session);
}

static json_t *insert_file(struct export_set *set, struct export_file *file)
{
    unsigned char digest[SHA256_SIZE];
    char hex[SHA256_HEX_SIZE], bytes[NUMBER_SIZE], rows[NUMBER_SIZE];

    sha256_finish(&file->digest, digest);
    hex_write(digest, sizeof digest, hex);
    snprintf(bytes, sizeof bytes, "%" PRId64, file->bytes);
    snprintf(rows, sizeof rows, "%" PRId64, file->rows);
    PQclear(session_run_named(set->job->session, &statement_insert_export_file, "export_id",
                              set->id, "name", file->name, "content_type", file->content_type,
                              "bytes", bytes, "rows", rows, "sha256", hex, NULL));
    return json_pack("{s:s, s:I, s:I, s:s}", "name", file->name, "bytes", (json_int_t)file->bytes,
                     "rows", (json_int_t)file->rows, "sha256", hex);
}

json_t *export_list_files(struct export_set *set)
{
    json_t *files = json_array();

    for (size_t i = 0; i < EXPORT_FILES_LIMIT; i++)
        json_array_append_new(files, insert_file(set, &set->files[i]));
    if (session_failed(set->job->session)) {
        json_decref(files);
        return NULL;
    }
    return files;
}

bool export_chunk_read(const PGresult *row, char data[EXPORT_CHUNK], size_t *length)
{
    const char *text = result_text(row, 0, "bytes");
    size_t digits = strlen(text);

    *length = digits / 2;
    return PQntuples(row) == 1 && *length <= EXPORT_CHUNK &&
           hex_read((struct slice){text, digits}, data, *length);
}
