/*
 * The renderings of an option table.
 */
#include <inttypes.h>

#include "common/check.h"
#include "common/memory.h"
#include "common/option.h"

enum { LINE_WIDTH = 78, DESCRIPTION_LIMIT = 4096 };

static void write_kind(const struct option *option, struct buffer *text)
{
    switch (option->type) {
    case OPTION_NUMBER:
        buffer_append_format(text, "Number, %" PRId64 " to %" PRId64 "%s%s", option->minimum,
                             option->maximum, option->unit == NULL ? "" : " ",
                             option->unit == NULL ? "" : option->unit);
        break;
    case OPTION_TEXT:
        buffer_append_format(text, "Text, %" PRId64 " to %" PRId64 " bytes", option->minimum,
                             option->maximum);
        break;
    case OPTION_PATH:
        buffer_append_text(text, "Absolute path");
        break;
    case OPTION_FLAG:
        buffer_append_text(text, "Yes or no");
        break;
    }
}

/* "Prose. Number, 1 to 60 seconds; default 5; taken up by a reload." The caller frees it. */
static struct buffer description(const struct option *option)
{
    struct buffer text = buffer_make(DESCRIPTION_LIMIT);
    bool none = option->fallback == NULL || option->fallback[0] == '\0';

    buffer_append_format(&text, "%s ", option->prose);
    write_kind(option, &text);
    buffer_append_format(&text, "; %s%s; taken up by a %s.", none ? "no default" : "default ",
                         none ? "" : option->fallback, option->reloads ? "reload" : "restart");
    check(!buffer_overflowed(&text));
    return text;
}

/* Words in lines of at most LINE_WIDTH, where the words allow it; each begins with `margin`. */
static void write_wrapped(const char *margin, struct slice words, struct buffer *text)
{
    size_t margin_length = slice_of(margin).length;
    size_t column = 0;

    while (words.length > 0) {
        struct slice word = words;
        if (!slice_split(&words, ' ', &word))
            words.length = 0;
        if (column > 0 && column + 1 + word.length > LINE_WIDTH) {
            buffer_append_character(text, '\n');
            column = 0;
        }
        buffer_append_text(text, column == 0 ? margin : " ");
        buffer_append_slice(text, word);
        column += (column == 0 ? margin_length : 1) + word.length;
    }
    buffer_append_character(text, '\n');
}

static void write_described(const char *margin, const struct option *option, struct buffer *text)
{
    struct buffer words = description(option);

    write_wrapped(margin, buffer_slice(&words), text);
    buffer_free(&words);
}

void option_write_help(const struct option *table, struct buffer *text)
{
    for (; table->name != NULL; table++) {
        buffer_append_format(text, "  %s\n", table->name);
        write_described("      ", table, text);
    }
}

static void write_value(const struct option *option, const void *settings, struct buffer *text)
{
    const void *field = (const char *)settings + option->offset;

    switch (option->type) {
    case OPTION_NUMBER:
        buffer_append_format(text, "%" PRId64, *(const int64_t *)field);
        break;
    case OPTION_TEXT:
    case OPTION_PATH:
        buffer_append_text(text, *(char *const *)field);
        break;
    case OPTION_FLAG:
        buffer_append_text(text, *(const bool *)field ? "yes" : "no");
        break;
    }
}

void option_write_file(const struct option *table, const void *settings, struct buffer *text)
{
    for (; table->name != NULL; table++) {
        write_described("# ", table, text);
        buffer_append_format(text, "%s = ", table->name);
        write_value(table, settings, text);
        buffer_append_text(text, "\n\n");
    }
}

/* In man(7) a backslash begins an escape, a bare hyphen may be set as a dash, and a point or an
 * apostrophe that begins a line makes it a macro. */
static void write_roff(struct slice line, struct buffer *text)
{
    if (slice_starts_with(line, ".") || slice_starts_with(line, "'"))
        buffer_append_text(text, "\\&");
    for (size_t i = 0; i < line.length; i++) {
        if (line.data[i] == '\\')
            buffer_append_text(text, "\\e");
        else if (line.data[i] == '-')
            buffer_append_text(text, "\\-");
        else
            buffer_append_character(text, line.data[i]);
    }
    buffer_append_character(text, '\n');
}

void option_write_manual(const struct option *table, struct buffer *text)
{
    for (; table->name != NULL; table++) {
        struct buffer words = description(table);
        buffer_append_text(text, ".TP\n.B ");
        write_roff(slice_of(table->name), text);
        write_roff(buffer_slice(&words), text);
        buffer_free(&words);
    }
}
