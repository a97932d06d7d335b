/*
 * The inventory as CSV: a file in, checked whole and stored whole or not at all, and a file out.
 * A row is checked by the schema that a single terminal's body has.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/check.h"
#include "common/identifier.h"
#include "daemon/http/request.h"
#include "operations.h"
#include "proto/contract.h"
#include "proto/csv.h"
#include "proto/json.h"
#include "statements.h"

enum {
    IMPORT_ROWS_LIMIT = 10000, /* besides the first; so that one import does not hold up others */
    EXPORT_ROWS_LIMIT = 100000,
    EXPORT_SIZE_LIMIT = 64 * 1024 * 1024,
};

static const char *const import_columns[] = {
    "asset_tag",         "serial",       "model",       "condition", "location", "purchase_price",
    "purchase_currency", "purchased_on", "external_id",
};

enum { IMPORT_COLUMNS = sizeof import_columns / sizeof import_columns[0] };

struct import {
    struct request *request;
    struct csv_reader reader;
    const char *names[CSV_COLUMNS_LIMIT]; /* of the file's columns */
    const struct schema *schema;
    json_t *rows; /* bodies of create_terminal with their ids; NULL once they are sent */
    size_t row_count;
    struct schema_errors *errors;
    struct schema_errors *found; /* in one row */
};

static const struct schema *terminal_schema(void)
{
    for (size_t i = 0; i < contract_operation_count; i++)
        if (strcmp(contract_operations[i].id, "create_terminal") == 0)
            return contract_operations[i].body;
    check(false);
    return NULL;
}

static void note(struct import *import, size_t row, const char *place, const char *code,
                 const char *detail)
{
    struct schema_errors *errors = import->errors;

    errors->total++;
    if (errors->count == SCHEMA_ERRORS_LIMIT)
        return;
    struct schema_error *error = &errors->list[errors->count++];
    snprintf(error->pointer, sizeof error->pointer, "/rows/%zu/%s", row, place);
    error->code = code;
    error->detail = detail;
}

static const char *say(const struct import *import, const char *english, const char *chinese)
{
    return request_language(import->request) == LANGUAGE_CHINESE ? chinese : english;
}

static void note_malformed(struct import *import)
{
    char column[24];

    snprintf(column, sizeof column, "%zu", import->reader.column);
    note(import, import->reader.row, column, "csv_malformed",
         say(import, import->reader.problem, import->reader.problem_zh));
}

/* The first row: each column is known and stands once. */
static void read_names(struct import *import, const struct slice *fields)
{
    for (size_t i = 0; i < import->reader.columns; i++) {
        struct slice name = slice_trim(fields[i]);
        for (size_t known = 0; known < IMPORT_COLUMNS; known++)
            if (slice_is(name, import_columns[known]))
                import->names[i] = import_columns[known];
        bool twice = false;
        for (size_t other = 0; other < i; other++)
            twice = twice || (import->names[i] != NULL && import->names[other] == import->names[i]);
        if (import->names[i] == NULL || twice)
            note(import, 1, arena_format(request_arena(import->request), "%zu", i + 1),
                 "unknown_column",
                 say(import,
                     "The first row names each column once, of: asset_tag, serial, model, "
                     "condition, location, purchase_price, purchase_currency, purchased_on, "
                     "external_id.",
                     "首行须列出列名且各列一次：asset_tag、serial、model、condition、location、"
                     "purchase_price、purchase_currency、purchased_on、external_id。"));
    }
}

/* A row as the body of create_terminal; what is empty is absent. */
static json_t *row_object(struct import *import, const struct slice *fields)
{
    json_t *object = json_object();
    json_t *price = json_object();

    for (size_t i = 0; i < import->reader.columns; i++) {
        struct slice field = csv_unguard(slice_trim(fields[i]));
        const char *name = import->names[i];
        if (field.length == 0 || name == NULL)
            continue;
        json_t *text = json_stringn(field.data, field.length);
        if (text == NULL)
            note(import, import->reader.row, name, "wrong_format",
                 say(import, "The file must be encoded in UTF-8.", "文件须使用 UTF-8 编码。"));
        else if (strcmp(name, "purchase_price") == 0)
            json_object_set_new(price, "amount", text);
        else if (strcmp(name, "purchase_currency") == 0)
            json_object_set_new(price, "currency", text);
        else
            json_object_set_new(object, name, text);
    }
    if (json_object_size(price) > 0)
        json_object_set(object, "purchase_price", price);
    json_decref(price);
    return object;
}

static void take_row(struct import *import, const struct slice *fields)
{
    struct arena *arena = request_arena(import->request);
    struct schema_errors *found = import->found;
    char id[IDENTIFIER_SIZE];
    json_t *object = row_object(import, fields);

    if (!schema_validate(import->schema, object, request_language(import->request), arena, found))
        for (size_t i = 0; i < found->count; i++)
            note(import, import->reader.row, found->list[i].pointer + 1, found->list[i].code,
                 found->list[i].detail);
    identifier_make("trm", id);
    json_object_set_new(object, "id", json_string(id));
    json_object_set_new(object, "row", json_integer((json_int_t)import->reader.row));
    json_array_append_new(import->rows, object);
}

static void read_rows(struct import *import)
{
    struct slice fields[CSV_COLUMNS_LIMIT];
    enum csv_result result = CSV_ROW;

    while (import->errors->count < SCHEMA_ERRORS_LIMIT &&
           (result = csv_read(&import->reader, fields)) == CSV_ROW) {
        if (import->reader.row == 1)
            read_names(import, fields);
        else if (import->reader.row > IMPORT_ROWS_LIMIT + 1) {
            note(import, import->reader.row, "1", "too_many_rows",
                 say(import, "A file has at most 10000 rows after the first; send it in parts.",
                     "一个文件除首行外最多 10000 行，请分批发送。"));
            return;
        } else
            take_row(import, fields);
        if (import->reader.row == 1 && import->errors->count > 0)
            return;
    }
    if (result == CSV_WRONG)
        note_malformed(import);
}

/* What the statement found wrong: a value that stands twice, or a model that is retired. */
static enum step refuse_import(struct import *import, const PGresult *rows)
{
    bool unique = false;

    for (int i = 0; i < PQntuples(rows); i++) {
        bool twice = strcmp(PQgetvalue(rows, i, 2), "conflict_unique") == 0;
        unique = unique || twice;
        note(import, (size_t)strtoul(PQgetvalue(rows, i, 0), NULL, 10),
             arena_text(request_arena(import->request), PQgetvalue(rows, i, 1)),
             twice ? "conflict_unique" : "state_conflict",
             twice ? say(import, "This value is taken by another row or terminal.",
                         "该值已被其他行或其他终端使用。")
                   : say(import, "The model is retired; it takes no new terminals.",
                         "该型号已停用，不再接收新终端。"));
    }
    return request_refuse_at(import->request, unique ? "conflict_unique" : "state_conflict",
                             import->errors);
}

static enum step answer_import(struct request *request, const PGresult *rows)
{
    struct import *import = request_state(request);

    if (PQntuples(rows) > 0)
        return refuse_import(import, rows);
    json_t *document = json_pack("{s:I, s:b}", "rows", (json_int_t)import->row_count, "dry_run",
                                 request_dry_run(request));
    enum step step = request_answer_json(request, 0, document);
    json_decref(document);
    return step;
}

enum step operation_import_terminals(struct request *request)
{
    struct arena *arena = request_arena(request);
    struct import *import = arena_allocate(arena, 1, sizeof *import);

    *import = (struct import){.request = request,
                              .reader = csv_reader_make(arena, request_bytes(request)),
                              .schema = terminal_schema(),
                              .rows = json_array(),
                              .errors = arena_allocate(arena, 1, sizeof *import->errors),
                              .found = arena_allocate(arena, 1, sizeof *import->found)};
    read_rows(import);
    import->row_count = json_array_size(import->rows);
    request_bind(request, "errors_limit", arena_format(arena, "%d", SCHEMA_ERRORS_LIMIT));
    request_bind(request, "rows", arena_copy(arena, json_canonical(arena, import->rows)));
    json_decref(import->rows);
    import->rows = NULL;
    if (import->errors->count > 0)
        return request_refuse_at(request, "validation_failed", import->errors);
    request_set_state(request, import);
    return request_query(request, &statement_import_terminals, answer_import);
}

/* ---- Out ---- */

static bool is_value(const char *column)
{
    return strcmp(column, "purchase_price") == 0 || strcmp(column, "purchased_on") == 0 ||
           strcmp(column, "due_on") == 0 || strcmp(column, "book_value") == 0;
}

static void write_rows(struct csv_writer *writer, const PGresult *rows)
{
    int columns = PQnfields(rows);

    for (int column = 0; column < columns; column++)
        csv_write_value(writer, slice_of(PQfname(rows, column)));
    csv_end_row(writer);
    for (int row = 0; row < PQntuples(rows); row++) {
        for (int column = 0; column < columns; column++) {
            struct slice value = {PQgetvalue(rows, row, column),
                                  (size_t)PQgetlength(rows, row, column)};
            if (is_value(PQfname(rows, column)))
                csv_write_value(writer, value);
            else
                csv_write_text(writer, value);
        }
        csv_end_row(writer);
    }
}

static enum step answer_export(struct request *request, const PGresult *rows)
{
    const char *mark = request_parameter(request, "byte_order_mark");
    struct buffer buffer = buffer_make(EXPORT_SIZE_LIMIT);
    struct csv_writer writer = csv_writer_make(&buffer, mark != NULL && strcmp(mark, "true") == 0);

    write_rows(&writer, rows);
    bool whole = PQntuples(rows) <= EXPORT_ROWS_LIMIT && !buffer_overflowed(&buffer);
    if (whole)
        request_add_field(request, "Content-Disposition", "attachment; filename=\"terminals.csv\"");
    enum step step =
        whole ? request_answer_bytes(request, 0, "text/csv; charset=utf-8", buffer_slice(&buffer))
              : request_refuse(request, "export_too_large", NULL);
    buffer_free(&buffer);
    return step;
}

enum step operation_export_terminals(struct request *request)
{
    request_bind(request, "rows_limit",
                 arena_format(request_arena(request), "%d", EXPORT_ROWS_LIMIT + 1));
    return request_query(request, &statement_export_terminals, answer_export);
}
