#include "proto/csv.h"

static const char formula_starts[] = "=+-@\t\r";

struct csv_reader csv_reader_make(struct arena *arena, struct slice text)
{
    size_t skipped = slice_starts_with(text, CSV_BYTE_ORDER_MARK) ? strlen(CSV_BYTE_ORDER_MARK) : 0;

    return (struct csv_reader){
        .arena = arena,
        .rest = {skipped == 0 ? text.data : text.data + skipped, text.length - skipped}};
}

static enum csv_result wrong(struct csv_reader *reader, const char *problem, const char *problem_zh)
{
    reader->problem = problem;
    reader->problem_zh = problem_zh;
    reader->rest = (struct slice){NULL, 0};
    return CSV_WRONG;
}

static void skip(struct csv_reader *reader, size_t length)
{
    reader->rest = (struct slice){reader->rest.data + length, reader->rest.length - length};
}

/* The bytes of the line break at `place`: CRLF 2, LF 1, none 0. */
static size_t line_break(struct slice text, size_t place)
{
    if (place < text.length && text.data[place] == '\n')
        return 1;
    return place + 1 < text.length && text.data[place] == '\r' && text.data[place + 1] == '\n' ? 2
                                                                                               : 0;
}

static enum csv_result read_plain(struct csv_reader *reader, struct slice *field)
{
    struct slice rest = reader->rest;
    size_t length = 0;

    while (length < rest.length && rest.data[length] != ',' && line_break(rest, length) == 0) {
        if (rest.data[length] == '"' || rest.data[length] == '\r' || rest.data[length] == '\0')
            return wrong(reader,
                         "A field with a quotation mark or line break must be quoted; NUL is not "
                         "accepted.",
                         "含引号或换行的字段须用引号括起，且不接受空字符。");
        length++;
    }
    *field = (struct slice){rest.data, length};
    skip(reader, length);
    return CSV_ROW;
}

/* A copy in which each doubled quotation mark is one. */
static struct slice undouble(struct arena *arena, struct slice quoted)
{
    char *plain = arena_copy(arena, quoted);
    size_t length = 0;

    for (size_t i = 0; i < quoted.length; i++) {
        plain[length++] = quoted.data[i];
        if (quoted.data[i] == '"')
            i++;
    }
    return (struct slice){plain, length};
}

static enum csv_result read_quoted(struct csv_reader *reader, struct slice *field)
{
    struct slice rest = reader->rest;
    size_t end = 1;
    bool doubled = false;

    for (; end < rest.length && rest.data[end] != '\0'; end++) {
        if (rest.data[end] != '"')
            continue;
        if (end + 1 == rest.length || rest.data[end + 1] != '"')
            break;
        doubled = true;
        end++;
    }
    if (end >= rest.length || rest.data[end] != '"')
        return wrong(reader, "The closing quotation mark is missing, or there is a NUL.",
                     "缺少结束引号，或含有空字符。");
    *field = (struct slice){rest.data + 1, end - 1};
    if (doubled && end - 1 <= 2 * (size_t)CSV_FIELD_LIMIT)
        *field = undouble(reader->arena, *field);
    skip(reader, end + 1);
    if (reader->rest.length > 0 && reader->rest.data[0] != ',' && line_break(reader->rest, 0) == 0)
        return wrong(reader, "After the closing quotation mark comes a comma or the line's end.",
                     "结束引号之后只能是逗号或行尾。");
    return CSV_ROW;
}

static enum csv_result read_field(struct csv_reader *reader, struct slice *field)
{
    bool quoted = reader->rest.length > 0 && reader->rest.data[0] == '"';
    enum csv_result result = quoted ? read_quoted(reader, field) : read_plain(reader, field);

    if (result == CSV_ROW && field->length > CSV_FIELD_LIMIT)
        return wrong(reader, "A field has at most 4096 bytes.", "一个字段最多 4096 字节。");
    return result;
}

enum csv_result csv_read(struct csv_reader *reader, struct slice fields[CSV_COLUMNS_LIMIT])
{
    bool more = true;

    if (reader->rest.length == 0)
        return CSV_END;
    if (++reader->row > CSV_ROWS_LIMIT)
        return wrong(reader, "A file has at most 50000 rows; send it in parts.",
                     "一个文件最多 50000 行，请分批发送。");
    for (reader->column = 0; more;) {
        if (reader->column++ == CSV_COLUMNS_LIMIT)
            return wrong(reader, "A row has at most 64 columns.", "一行最多 64 列。");
        if (read_field(reader, &fields[reader->column - 1]) == CSV_WRONG)
            return CSV_WRONG;
        more = reader->rest.length > 0 && reader->rest.data[0] == ',';
        if (more)
            skip(reader, 1);
    }
    if (reader->rest.length > 0)
        skip(reader, line_break(reader->rest, 0));
    if (reader->columns == 0)
        reader->columns = reader->column;
    if (reader->column != reader->columns)
        return wrong(reader, "Every row has as many columns as the first.",
                     "每一行的列数须与首行相同。");
    return CSV_ROW;
}

struct csv_writer csv_writer_make(struct buffer *buffer, bool byte_order_mark)
{
    if (byte_order_mark)
        buffer_append_text(buffer, CSV_BYTE_ORDER_MARK);
    return (struct csv_writer){.buffer = buffer};
}

/* Text that looks guarded already gets a guard too, or its own ' would be taken for one. */
static bool wants_guard(struct slice text)
{
    while (text.length > 0 && text.data[0] == '\'')
        text = (struct slice){text.data + 1, text.length - 1};
    return text.length > 0 && text.data[0] != '\0' && strchr(formula_starts, text.data[0]) != NULL;
}

static bool needs_quotes(struct slice text)
{
    for (size_t i = 0; i < text.length; i++)
        if (text.data[i] == ',' || text.data[i] == '"' || text.data[i] == '\r' ||
            text.data[i] == '\n')
            return true;
    return false;
}

static void begin_field(struct csv_writer *writer)
{
    if (writer->inside)
        buffer_append_character(writer->buffer, ',');
    writer->inside = true;
}

static void write_field(struct csv_writer *writer, struct slice text, bool guarded)
{
    bool quoted = needs_quotes(text);
    struct slice part;

    begin_field(writer);
    if (quoted)
        buffer_append_character(writer->buffer, '"');
    if (guarded)
        buffer_append_character(writer->buffer, '\'');
    while (quoted && slice_split(&text, '"', &part)) {
        buffer_append_slice(writer->buffer, part);
        buffer_append_text(writer->buffer, "\"\"");
    }
    buffer_append_slice(writer->buffer, text);
    if (quoted)
        buffer_append_character(writer->buffer, '"');
}

void csv_write_text(struct csv_writer *writer, struct slice text)
{
    write_field(writer, text, wants_guard(text));
}

void csv_write_value(struct csv_writer *writer, struct slice value)
{
    write_field(writer, value, false);
}

void csv_end_row(struct csv_writer *writer)
{
    buffer_append_text(writer->buffer, "\r\n");
    writer->inside = false;
}

struct slice csv_unguard(struct slice field)
{
    struct slice rest = {field.data + (field.length > 0), field.length - (field.length > 0)};

    return field.length > 0 && field.data[0] == '\'' && wants_guard(rest) ? rest : field;
}
