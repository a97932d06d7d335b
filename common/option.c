#include "common/option.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/check.h"
#include "common/file.h"
#include "common/memory.h"

enum {
    ECHO_LIMIT = 60,   /* bytes of a name or value that a message repeats */
    NAME_LIMIT = 64,   /* longest name that is compared for likeness */
    TYPING_ERRORS = 2, /* most letters amiss for "did you mean" */
};

static bool refuse(char problem[OPTION_PROBLEM_SIZE], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool refuse(char problem[OPTION_PROBLEM_SIZE], const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(problem, OPTION_PROBLEM_SIZE, format, arguments);
    va_end(arguments);
    return false;
}

static int echo_length(struct slice text)
{
    return (int)(text.length < ECHO_LIMIT ? text.length : ECHO_LIMIT);
}

static bool has_control(struct slice text)
{
    for (size_t i = 0; i < text.length; i++)
        if ((unsigned char)text.data[i] < ' ' || text.data[i] == 0x7f)
            return true;
    return false;
}

/* Fields of the settings. */

static void *field_of(const struct option *option, void *settings)
{
    return (char *)settings + option->offset;
}

static bool holds_text(const struct option *option)
{
    return option->type == OPTION_TEXT || option->type == OPTION_PATH;
}

static const char *fallback_of(const struct option *option)
{
    return option->fallback == NULL ? "" : option->fallback;
}

static const char *unit_of(const struct option *option)
{
    return option->unit == NULL ? "" : option->unit;
}

static const char *unit_gap(const struct option *option)
{
    return option->unit == NULL ? "" : " ";
}

/* Setters: one for each type, of a value without blanks around it and without control
 * characters. */

static bool number_parse_signed(struct slice text, int64_t *number)
{
    bool negative = slice_starts_with(text, "-");
    uint64_t magnitude;

    if (negative)
        text = (struct slice){text.data + 1, text.length - 1};
    if (!slice_to_number(text, INT64_MAX, &magnitude))
        return false;
    *number = negative ? -(int64_t)magnitude : (int64_t)magnitude;
    return true;
}

static bool set_number(const struct option *option, void *field, struct slice value, char *problem)
{
    int64_t *to = field;
    int64_t number;
    const char *what = NULL;

    if (!number_parse_signed(value, &number))
        what = "not a whole number";
    else if (number < option->minimum || number > option->maximum)
        what = "out of bounds";
    if (what != NULL)
        return refuse(problem, "%s = %.*s: %s; give %" PRId64 " to %" PRId64 "%s%s", option->name,
                      echo_length(value), value.data, what, option->minimum, option->maximum,
                      unit_gap(option), unit_of(option));
    *to = number;
    return true;
}

static bool set_text(const struct option *option, void *field, struct slice value, char *problem)
{
    char **to = field;

    /* The value is not repeated: it may be a secret. */
    if ((int64_t)value.length < option->minimum || (int64_t)value.length > option->maximum)
        return refuse(problem, "%s: %zu bytes long; give %" PRId64 " to %" PRId64 " bytes",
                      option->name, value.length, option->minimum, option->maximum);
    memory_free(*to);
    *to = memory_copy(value.data, value.length);
    return true;
}

/* A path that is empty by default may be left empty again: it names nothing then. */
static bool set_path(const struct option *option, void *field, struct slice value, char *problem)
{
    char **to = field;
    bool none = value.length == 0 && fallback_of(option)[0] == '\0';

    if (!none && !slice_starts_with(value, "/"))
        return refuse(problem, "%s = %.*s: not an absolute path; give one that begins with /",
                      option->name, echo_length(value), value.data);
    if (value.length > OPTION_TEXT_LIMIT)
        return refuse(problem, "%s: %zu bytes long; give at most %d bytes", option->name,
                      value.length, OPTION_TEXT_LIMIT);
    memory_free(*to);
    *to = memory_copy(value.data, value.length);
    return true;
}

static bool set_flag(const struct option *option, void *field, struct slice value, char *problem)
{
    bool *to = field;

    if (!slice_is(value, "yes") && !slice_is(value, "no"))
        return refuse(problem, "%s = %.*s: neither yes nor no; give one of them", option->name,
                      echo_length(value), value.data);
    *to = slice_is(value, "yes");
    return true;
}

static bool set(const struct option *option, void *settings, struct slice value, char *problem)
{
    static bool (*const SETTERS[])(const struct option *, void *, struct slice, char *) = {
        [OPTION_NUMBER] = set_number,
        [OPTION_TEXT] = set_text,
        [OPTION_PATH] = set_path,
        [OPTION_FLAG] = set_flag,
    };

    value = slice_trim(value);
    if (has_control(value))
        return refuse(problem, "%s: holds a control character; remove it (lines end in LF alone)",
                      option->name);
    return SETTERS[option->type](option, field_of(option, settings), value, problem);
}

void option_defaults(const struct option *table, void *settings)
{
    char problem[OPTION_PROBLEM_SIZE];

    for (; table->name != NULL; table++)
        check(set(table, settings, slice_of(fallback_of(table)), problem));
}

/* Names. */

static const struct option *find(const struct option *table, struct slice name)
{
    for (; table->name != NULL; table++)
        if (slice_is(name, table->name))
            return table;
    return NULL;
}

/* Letters to insert, drop or replace to make one of the other (Levenshtein), row by row. */
static size_t distance(struct slice a, struct slice b)
{
    size_t row[NAME_LIMIT + 1];

    if (a.length > NAME_LIMIT || b.length > NAME_LIMIT)
        return NAME_LIMIT;
    for (size_t j = 0; j <= b.length; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.length; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.length; j++) {
            size_t best = diagonal + (a.data[i - 1] == b.data[j - 1] ? 0 : 1);
            diagonal = row[j];
            if (best > row[j] + 1)
                best = row[j] + 1;
            row[j] = best < row[j - 1] + 1 ? best : row[j - 1] + 1;
        }
    }
    return row[b.length];
}

static bool refuse_unknown(const struct option *table, struct slice name, char *problem)
{
    const char *like = NULL;
    size_t least = TYPING_ERRORS + 1;

    for (; table->name != NULL; table++) {
        size_t errors = distance(name, slice_of(table->name));
        if (errors < least) {
            least = errors;
            like = table->name;
        }
    }
    if (like == NULL)
        return refuse(problem, "%.*s: unknown; --help lists the options", echo_length(name),
                      name.data);
    return refuse(problem, "%.*s: unknown; did you mean %s?", echo_length(name), name.data, like);
}

bool option_set(const struct option *table, void *settings, const char *name, const char *value,
                char problem[OPTION_PROBLEM_SIZE])
{
    const struct option *option = find(table, slice_of(name));

    if (option == NULL)
        return refuse_unknown(table, slice_of(name), problem);
    return set(option, settings, slice_of(value), problem);
}

/* Files. */

struct reading {
    const struct option *table;
    void *settings;
    unsigned line;
    unsigned *set_in; /* for each option, the line that set it; 0: none */
};

static bool read_line(struct reading *reading, struct slice line, char *problem)
{
    struct slice name;

    line = slice_trim(line);
    if (line.length == 0 || line.data[0] == '#')
        return true;
    if (!slice_split(&line, '=', &name))
        return refuse(problem, "no = in the line; write name = value, or # before a comment");
    name = slice_trim(name);
    if (has_control(name))
        return refuse(problem, "a control character in the name; remove it");
    const struct option *option = find(reading->table, name);
    if (option == NULL)
        return refuse_unknown(reading->table, name, problem);
    unsigned *set_in = &reading->set_in[option - reading->table];
    if (*set_in != 0)
        return refuse(problem, "%s: set in line %u already; keep one of them", option->name,
                      *set_in);
    *set_in = reading->line;
    return set(option, reading->settings, line, problem);
}

static bool read_lines(struct reading *reading, struct slice text, char *problem)
{
    while (text.length > 0) {
        struct slice line = text;
        if (!slice_split(&text, '\n', &line))
            text.length = 0;
        reading->line++;
        if (!read_line(reading, line, problem))
            return false;
    }
    return true;
}

static size_t table_length(const struct option *table)
{
    size_t length = 0;

    while (table[length].name != NULL)
        length++;
    return length;
}

bool option_read_file(const struct option *table, void *settings, const char *path,
                      char problem[OPTION_PROBLEM_SIZE])
{
    struct reading reading = {.table = table, .settings = settings};
    char *text = memory_allocate(OPTION_FILE_LIMIT, 1);
    size_t length = 0;
    bool good = file_read(path, text, OPTION_FILE_LIMIT, &length, problem, OPTION_PROBLEM_SIZE);

    if (good) {
        char reason[OPTION_PROBLEM_SIZE];
        reading.set_in = memory_allocate(table_length(table), sizeof *reading.set_in);
        good = read_lines(&reading, (struct slice){text, length}, reason);
        memory_free(reading.set_in);
        if (!good)
            refuse(problem, "%s:%u: %s", path, reading.line, reason);
    }
    memory_free(text);
    return good;
}

void option_free(const struct option *table, void *settings)
{
    for (; table->name != NULL; table++) {
        if (!holds_text(table))
            continue;
        char **text = field_of(table, settings);
        memory_free(*text);
        *text = NULL;
    }
}
