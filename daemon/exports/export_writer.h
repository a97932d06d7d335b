/*
 * What the formats of exports share: the set under way, its files, and how rows become pieces in
 * the database without ever being held whole.
 */
#ifndef DAEMON_EXPORTS_EXPORT_WRITER_H
#define DAEMON_EXPORTS_EXPORT_WRITER_H

#include <jansson.h>

#include "common/buffer.h"
#include "common/digest.h"
#include "common/number.h"
#include "daemon/db/job.h"

enum {
    EXPORT_CHUNK = 256 * 1024,         /* bytes of a piece; the last one of a file has fewer */
    EXPORT_PENDING = 4 * EXPORT_CHUNK, /* bytes that wait to become pieces, with a row more */
    EXPORT_PENDING_LIMIT = 16 * EXPORT_PENDING,
    EXPORT_FILES_LIMIT = 2,
    EXPORT_QUERIES_LIMIT = 2,
    EXPORT_COLUMNS_LIMIT = 80,
    EXPORT_PROBLEM_SIZE = 512,
    EXPORT_TITLE_SIZE = 512,
    EXPORT_DAY_SIZE = sizeof "2026-10-01",
    EXPORT_AMOUNT_DIGITS = 2,
};

/* The place of the first and the second file in a set. */
enum { EXPORT_FIRST_FILE, EXPORT_SECOND_FILE };

struct export_file {
    const char *name, *content_type;
    struct buffer pending;
    struct sha256 *digest;
    int64_t bytes, rows,
        chunks; /* written to the database so far; rows are the format's to count */
};

/* Texts belong to the row that take_export gave. */
struct export_set {
    struct job *job;
    struct session *reader; /* in the snapshot; NULL before it is taken */
    const struct export_format *format;
    PGresult *row;
    const char *id, *period, *created_at;
    char title[EXPORT_TITLE_SIZE]; /* "2026-10, revision 1, Shijiazhuang Business Cloud Center" */
    char first_day[EXPORT_DAY_SIZE];
    int64_t format_version, revision;
    bool final;
    struct export_file files[EXPORT_FILES_LIMIT];
    struct number net, tax;                   /* of what was written */
    struct number expected_net, expected_tax; /* of the books */
    int64_t done, total;
    char problem[EXPORT_PROBLEM_SIZE]; /* why the set cannot be made; "" when it can */
};

/* A format: its files, the queries that it reads in their order, and what becomes of their rows. */
struct export_format {
    const char *name;
    struct {
        const char *name, *content_type;
    } files[EXPORT_FILES_LIMIT];
    /* Of :period, and :final where one has that; its rows come in the order of the files. */
    const struct statement *queries[EXPORT_QUERIES_LIMIT];
    bool of_ledger; /* it has what was posted alone: no drafts */
    /* Names the columns that `take` is given, in its order; NULL for one that it need not have.
     * Gives their number. */
    size_t (*columns)(size_t query, const char *names[EXPORT_COLUMNS_LIMIT]);
    void (*begin)(struct export_set *set);
    /* A row of a query, into the files' `pending`; a value that is NULL is NULL. False when the set
     * cannot be made, and says so in `problem`. */
    bool (*take)(struct export_set *set, size_t query, const char *const *values);
    void (*end)(struct export_set *set); /* may be NULL */
};

extern const struct export_format export_focus_format, export_journal_format, export_lines_format;

void export_set_start(struct export_set *set, struct job *job);
void export_set_end(struct export_set *set);

/* Names its files, all empty. */
void export_set_files(struct export_set *set);

/* Notes why the set cannot be made. Gives false, to stand behind return. */
bool export_refuse(struct export_set *set, const char *problem);

/* Adds an amount as the database spelled it to a sum. */
void export_add(struct number *sum, const char *amount);

/* Writes what waits to the database, in whole pieces, or with `last` all of it. Within the caller's
 * transaction. */
bool export_flush(struct export_set *set, struct export_file *file, bool last);

/* Notes the files of the set, whose digests end with that; their list for the manifest, or NULL
 * when the session failed. */
json_t *export_list_files(struct export_set *set);

/* The bytes of a piece from a row of get_export_chunk; false when there is none. */
bool export_chunk_read(const PGresult *row, char data[EXPORT_CHUNK], size_t *length);

/* Copies a set that is ready into the directory of exports, where there is one, under
 * PERIOD/FORMAT-rREVISION; false when it is to be tried again. What stands there already is left.
 */
bool export_copy(struct export_set *set, const char *manifest);

#endif
