/*
 * CSV as RFC 4180 has it, from and to bytes. Reading is strict and bounded: every record of a file
 * has as many fields as its first, a quotation mark stands only where the grammar has one, and what
 * is wrong is told with its row and column. CRLF and LF both end a record, and a UTF-8 byte order
 * mark before the first is skipped. Writing guards text against being taken for a formula.
 */
#ifndef PROTO_CSV_H
#define PROTO_CSV_H

#include <stdbool.h>
#include <stddef.h>

#include "common/arena.h"
#include "common/buffer.h"
#include "common/slice.h"

enum {
    CSV_COLUMNS_LIMIT = 64,
    CSV_FIELD_LIMIT = 4096, /* bytes, unquoted */
    CSV_ROWS_LIMIT = 50000, /* the first, which names the columns, included */
};

#define CSV_BYTE_ORDER_MARK "\xef\xbb\xbf"

struct csv_reader {
    struct arena *arena; /* where fields that held doubled quotation marks are copied to */
    struct slice rest;
    size_t row;          /* of the record read last, 1 and up */
    size_t column;       /* of the field read last, 1 and up; where an error was seen */
    size_t columns;      /* of each record; 0 before the first */
    const char *problem; /* of CSV_WRONG: what is wrong and what would be right */
    const char *problem_zh;
};

enum csv_result { CSV_ROW, CSV_END, CSV_WRONG };

/* The text stays the caller's and must outlive what is read. */
struct csv_reader csv_reader_make(struct arena *arena, struct slice text);

/* The next record's fields, reader->columns of them. An empty line is a record of one empty field.
 * After CSV_WRONG nothing more can be read. */
enum csv_result csv_read(struct csv_reader *reader, struct slice fields[CSV_COLUMNS_LIMIT]);

struct csv_writer {
    struct buffer *buffer;
    bool inside; /* a field of the record was written */
};

struct csv_writer csv_writer_make(struct buffer *buffer, bool byte_order_mark);

/* A text field: one that begins with = + - @ TAB or CR, after any number of ', gets a ' before it,
 * so that no spreadsheet runs it. */
void csv_write_text(struct csv_writer *writer, struct slice text);

/* A number, a date, a code: as it is (-12.50 stays a number). */
void csv_write_value(struct csv_writer *writer, struct slice value);

void csv_end_row(struct csv_writer *writer);

/* What csv_write_text was given, from what it wrote. */
struct slice csv_unguard(struct slice field);

#endif
