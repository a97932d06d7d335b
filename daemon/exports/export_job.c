/*
 * The job that makes a set: a session of its own takes the snapshot, compares the totals and reads
 * the rows as the server makes them; meanwhile the job's session writes the pieces, some in each
 * transaction, so that the claim is kept; the manifest is written last. A later attempt starts from
 * the beginning, since the snapshot was lost with its session.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/log.h"
#include "daemon/exports/export_writer.h"
#include "daemon/exports/exports.h"
#include "proto/json.h"
#include "statements.h"

enum {
    LEASE_SECONDS = 300, /* the totals, and sorting the rows, may take long */
    RESULT_SIZE = 128,
    TITLE_ISSUER_LENGTH = 200,
};

static const struct export_format *const formats[] = {
    &export_focus_format,
    &export_journal_format,
    &export_lines_format,
};

static const char *const final_text[] = {"false", "true"};

/* ---- The snapshot ---- */

static const char *text_of(const struct export_set *set, const char *column)
{
    return result_text(set->row, 0, column);
}

static bool take_set(struct export_set *set)
{
    json_t *argument = json_loads(set->job->argument, 0, NULL);
    const char *id = json_member_text(argument, "export_id");

    set->row = session_run_named(set->job->session, &statement_take_export, "export_id",
                                 id == NULL ? "" : id, NULL);
    json_decref(argument);
    if (PQntuples(set->row) != 1)
        return false;
    set->id = text_of(set, "id");
    set->period = text_of(set, "period");
    set->created_at = text_of(set, "created_at");
    set->format_version = result_number(set->row, 0, "format_version");
    set->revision = result_number(set->row, 0, "revision");
    set->final = strcmp(text_of(set, "final"), "true") == 0;
    snprintf(set->first_day, sizeof set->first_day, "%.7s-01", set->period);
    snprintf(set->title, sizeof set->title, "%s, revision %" PRId64 ", %.*s", set->period,
             set->revision, TITLE_ISSUER_LENGTH, text_of(set, "issuer_name"));
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (strcmp(formats[i]->name, text_of(set, "format")) == 0)
            set->format = formats[i];
    return set->format != NULL;
}

/* The invoices, their lines and the ledger; and what the files must come to. */
static bool compare_totals(struct export_set *set)
{
    PGresult *totals = session_run_named(set->reader, &statement_export_totals, "period",
                                         set->period, "final", final_text[set->final], NULL);
    bool of_ledger = set->format->of_ledger;
    bool agree = strcmp(result_text(totals, 0, "agree"), "t") == 0;

    if (agree) {
        number_parse_stored(&set->expected_net,
                            slice_of(result_text(totals, 0, of_ledger ? "final_net" : "net")));
        number_parse_stored(&set->expected_tax,
                            slice_of(result_text(totals, 0, of_ledger ? "final_tax" : "tax")));
        set->total = result_number(totals, 0, of_ledger ? "entries" : "lines");
    } else if (!session_failed(set->reader)) {
        export_refuse(set, result_text(totals, 0, "detail"));
    }
    PQclear(totals);
    return agree;
}

/* Takes the work up, and drops what an earlier attempt wrote. False also for a set that is ready:
 * then `row` says so. */
static bool begin_set(struct export_set *set)
{
    session_begin(set->job->session);
    if (!take_set(set) || strcmp(text_of(set, "ready"), "t") == 0)
        return false;
    PQclear(session_run_named(set->job->session, &statement_drop_export_chunks, "export_id",
                              set->id, NULL));
    return job_commit(set->job);
}

static bool take_snapshot(struct export_set *set)
{
    set->reader = job_open_reader(set->job);
    if (set->reader == NULL)
        return false;
    session_begin(set->reader);
    session_execute(set->reader, "set transaction isolation level repeatable read, read only");
    return compare_totals(set);
}

/* ---- The rows ---- */

/* Where a row has the columns that its format wants. */
struct columns {
    size_t count;
    int places[EXPORT_COLUMNS_LIMIT]; /* -1 for none */
};

static void find_columns(const struct export_set *set, size_t query, const PGresult *row,
                         struct columns *columns)
{
    const char *names[EXPORT_COLUMNS_LIMIT] = {0};

    columns->count = set->format->columns(query, names);
    for (size_t i = 0; i < columns->count; i++) {
        columns->places[i] = names[i] == NULL ? -1 : PQfnumber(row, names[i]);
        check(names[i] == NULL || columns->places[i] >= 0);
    }
}

static bool take_row(struct export_set *set, size_t query, const PGresult *row,
                     const struct columns *columns)
{
    const char *values[EXPORT_COLUMNS_LIMIT];

    for (size_t i = 0; i < columns->count; i++) {
        int place = columns->places[i];
        values[i] = place < 0 || PQgetisnull(row, 0, place) ? NULL : PQgetvalue(row, 0, place);
    }
    return set->format->take(set, query, values);
}

static bool pieces_wait(const struct export_set *set)
{
    for (size_t i = 0; i < EXPORT_FILES_LIMIT; i++)
        if (set->files[i].pending.length >= EXPORT_PENDING)
            return true;
    return false;
}

static bool write_pieces(struct export_set *set)
{
    session_begin(set->job->session);
    for (size_t i = 0; i < EXPORT_FILES_LIMIT; i++)
        if (!export_flush(set, &set->files[i], false))
            return false;
    job_progress(set->job, set->done, set->total);
    return job_commit(set->job);
}

static void ask(struct export_set *set, const struct statement *query)
{
    if (query->parameter_count == 1)
        session_stream(set->reader, query, "period", set->period, NULL);
    else
        session_stream(set->reader, query, "period", set->period, "final", final_text[set->final],
                       NULL);
}

static bool take_rows(struct export_set *set, size_t query, bool counted)
{
    struct columns columns = {0};
    bool good = true;
    PGresult *row;

    ask(set, set->format->queries[query]);
    while (good && !job_stopping(set->job) && (row = session_next(set->reader)) != NULL) {
        if (columns.count == 0)
            find_columns(set, query, row, &columns);
        good = take_row(set, query, row, &columns);
        set->done += counted ? 1 : 0;
        PQclear(row);
        good = good && (!pieces_wait(set) || write_pieces(set));
    }
    return good && !job_stopping(set->job) && !session_failed(set->reader);
}

/* What the last query gives is what the total counts. */
static bool write_rows(struct export_set *set)
{
    const struct statement *const *queries = set->format->queries;

    export_set_files(set);
    set->format->begin(set);
    for (size_t i = 0; i < EXPORT_QUERIES_LIMIT && queries[i] != NULL; i++) {
        bool last = i + 1 == EXPORT_QUERIES_LIMIT || queries[i + 1] == NULL;
        if (!take_rows(set, i, last))
            return false;
    }
    return write_pieces(set);
}

/* ---- The manifest ---- */

static json_t *control_totals(const struct export_set *set)
{
    char net[NUMBER_TEXT_SIZE], tax[NUMBER_TEXT_SIZE], total[NUMBER_TEXT_SIZE];
    struct number sum;

    number_start(&sum);
    number_add(&sum, &set->net, &set->tax);
    number_write_fixed(&set->net, EXPORT_AMOUNT_DIGITS, net);
    number_write_fixed(&set->tax, EXPORT_AMOUNT_DIGITS, tax);
    number_write_fixed(&sum, EXPORT_AMOUNT_DIGITS, total);
    number_end(&sum);
    return json_pack("{s:s, s:s, s:s}", "net", net, "tax", tax, "total", total);
}

static char *make_manifest(const struct export_set *set, json_t *files)
{
    const char *supersedes =
        result_is_null(set->row, 0, "supersedes") ? NULL : text_of(set, "supersedes");
    json_t *manifest = json_pack(
        "{s:s, s:I, s:s, s:I, s:s?, s:b, s:s, s:s, s:s, s:o, s:o}", "format", set->format->name,
        "format_version", (json_int_t)set->format_version, "period", set->period, "revision",
        (json_int_t)set->revision, "supersedes", supersedes, "final", (int)set->final, "time_zone",
        text_of(set, "time_zone"), "period_starts_at", text_of(set, "period_starts_at"),
        "period_ends_at", text_of(set, "period_ends_at"), "files", files, "control_totals",
        control_totals(set));
    char *text = json_dumps(manifest, JSON_COMPACT);

    json_decref(manifest);
    return text;
}

/* What was written against what the books say. */
static bool compare_written(struct export_set *set)
{
    char written[NUMBER_TEXT_SIZE], expected[NUMBER_TEXT_SIZE];

    if (number_compare(&set->net, &set->expected_net) == 0 &&
        number_compare(&set->tax, &set->expected_tax) == 0)
        return true;
    number_write_fixed(&set->net, EXPORT_AMOUNT_DIGITS, written);
    number_write_fixed(&set->expected_net, EXPORT_AMOUNT_DIGITS, expected);
    snprintf(set->problem, sizeof set->problem,
             "The files come to net %.64s, the books to %.64s; or tax differs.", written, expected);
    return false;
}

static bool write_manifest(struct export_set *set, char **manifest)
{
    struct session *session = set->job->session;
    json_t *files;

    session_begin(session);
    if (set->format->end != NULL)
        set->format->end(set);
    for (size_t i = 0; i < EXPORT_FILES_LIMIT; i++)
        if (!export_flush(set, &set->files[i], true))
            return false;
    if (!compare_written(set) || (files = export_list_files(set)) == NULL)
        return false;
    *manifest = make_manifest(set, files);
    PQclear(session_run_named(session, &statement_finish_export, "export_id", set->id, "manifest",
                              *manifest, NULL));
    return job_commit(set->job);
}

/* ---- The job ---- */

static bool fail(struct export_set *set)
{
    struct session *session = set->job->session;

    session_rollback(session);
    session_begin(session);
    PQclear(session_run_named(session, &statement_drop_export_chunks, "export_id", set->id, NULL));
    PQclear(session_run_named(session, &statement_fail_export, "export_id", set->id, NULL));
    return job_commit(set->job) && job_fail(set->job, "export_refused", set->problem);
}

static bool complete(struct export_set *set, const char *manifest)
{
    char result[RESULT_SIZE];

    if (!export_copy(set, manifest))
        return false;
    snprintf(result, sizeof result, "{\"export_id\":\"%s\"}", set->id);
    return job_complete(set->job, false, result);
}

static bool make_set(struct export_set *set)
{
    char *manifest = NULL;
    bool good = false;

    if (begin_set(set)) {
        good = take_snapshot(set) && write_rows(set) && write_manifest(set, &manifest) &&
               complete(set, manifest);
        free(manifest);
    } else if (set->row != NULL && strcmp(text_of(set, "ready"), "t") == 0) {
        session_rollback(set->job->session);
        return complete(set, text_of(set, "manifest"));
    }
    if (set->reader != NULL && session_failed(set->reader))
        log_warning("export_unread", log_text("export", set->id),
                    log_text("problem", session_problem(set->reader)));
    return !good && set->problem[0] != '\0' ? fail(set) : good;
}

static bool run_export(struct job *job)
{
    struct export_set set;
    bool good;

    export_set_start(&set, job);
    good = make_set(&set);
    export_set_end(&set);
    return good;
}

const struct job_kind export_kind = {
    .name = "export", .run = run_export, .lease_seconds = LEASE_SECONDS};
