/*
 * Sheets of labels to print.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/http/request.h"
#include "daemon/terminals/label.h"
#include "operations.h"
#include "statements.h"

enum { PAGE_SIZE_LIMIT = 4 * 1024 * 1024 };

/* Refuses because of one of the terminals that were asked for. */
static enum step refuse_terminal(struct request *request, size_t place, const char *code,
                                 const char *detail)
{
    struct schema_errors *errors = arena_allocate(request_arena(request), 1, sizeof *errors);

    errors->count = errors->total = 1;
    snprintf(errors->list[0].pointer, sizeof errors->list[0].pointer, "/terminals/%zu", place);
    errors->list[0].code = code;
    errors->list[0].detail = detail;
    return request_refuse_at(request, code, errors);
}

static const char *say(const struct request *request, const char *english, const char *chinese)
{
    return request_language(request) == LANGUAGE_CHINESE ? chinese : english;
}

/* The first terminal that is not there; as many as there are rows when all are. */
static size_t first_unknown(const PGresult *rows)
{
    int row = 0;

    while (row < PQntuples(rows) && !PQgetisnull(rows, row, 0))
        row++;
    return (size_t)row;
}

static struct label *labels_of(struct request *request, const PGresult *rows)
{
    size_t count = (size_t)PQntuples(rows);
    struct label *labels = arena_allocate(request_arena(request), count, sizeof *labels);

    for (size_t i = 0; i < count; i++)
        labels[i] = (struct label){.asset_tag = PQgetvalue(rows, (int)i, 0),
                                   .model = PQgetvalue(rows, (int)i, 1)};
    return labels;
}

static enum step answer_page(struct request *request, const struct label_sheet *sheet,
                             const struct label *labels, size_t count, size_t first)
{
    const char *symbology = json_string_value(json_object_get(request_body(request), "symbology"));
    struct buffer buffer = buffer_make(PAGE_SIZE_LIMIT);
    size_t capacity = label_sheet_capacity(sheet), failed = 0;
    size_t here = count - first < capacity ? count - first : capacity;
    enum label_symbology kind = strcmp(symbology, "qr") == 0 ? LABEL_QR : LABEL_CODE128;
    enum step step;

    if (!label_page_write(&buffer, sheet, kind, labels + first, here, &failed))
        step =
            refuse_terminal(request, first + failed, "label_too_long",
                            say(request, "Its asset tag does not fit Code 128; ask for QR codes.",
                                "其资产标签超出 Code 128 的容量，请改用二维码。"));
    else if (buffer_overflowed(&buffer))
        step = request_refuse(request, "answer_too_large", NULL);
    else {
        request_add_field(
            request, "Label-Pages",
            arena_format(request_arena(request), "%zu", label_sheet_pages(sheet, count)));
        step = request_answer_bytes(request, 0, "image/svg+xml", buffer_slice(&buffer));
    }
    buffer_free(&buffer);
    return step;
}

static enum step answer_labels(struct request *request, const PGresult *rows)
{
    const struct label_sheet *sheet =
        label_sheet_find(json_string_value(json_object_get(request_body(request), "sheet")));
    size_t count = (size_t)PQntuples(rows), unknown = first_unknown(rows);
    size_t page = strtoul(request_parameter(request, "page"), NULL, 10);
    size_t pages = label_sheet_pages(sheet, count);

    if (unknown < count)
        return refuse_terminal(request, unknown, "reference_unknown",
                               say(request, "There is no such terminal.", "没有该终端。"));
    if (page > pages)
        return request_refuse(
            request, "label_page_absent",
            request_language(request) == LANGUAGE_CHINESE
                ? arena_format(request_arena(request), "标签共 %zu 页。", pages)
                : arena_format(request_arena(request), "The labels fill %zu pages.", pages));
    return answer_page(request, sheet, labels_of(request, rows), count,
                       (page - 1) * label_sheet_capacity(sheet));
}

enum step operation_print_terminal_labels(struct request *request)
{
    return request_query(request, &statement_find_labels, answer_labels);
}
