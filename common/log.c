#include "common/log.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/instant.h"

/* Nothing here allocates: memory.c reports through it. */

enum { LINE_END_LENGTH = 2, ESCAPE_SIZE = 7, NUMBER_SIZE = 24, UTF8_LENGTH_MAXIMUM = 4 };

struct line {
    char bytes[LOG_LINE_LIMIT];
    size_t length;
    bool full;
};

static const char *const LEVEL_NAMES[] = {"error", "warning", "info", "debug"};

static const char *log_process = "bccd";
static enum log_level log_most = LOG_LEVEL_INFO;

void log_start(const char *process, enum log_level most)
{
    log_process = process;
    log_most = most;
}

void log_set_level(enum log_level most)
{
    log_most = most;
}

static void append(struct line *line, const char *data, size_t length)
{
    if (line->full || length > sizeof line->bytes - LINE_END_LENGTH - line->length) {
        line->full = true;
        return;
    }
    memcpy(line->bytes + line->length, data, length);
    line->length += length;
}

static void append_text(struct line *line, const char *text)
{
    append(line, text, strlen(text));
}

/* Bytes of the character that begins at `text`; 0 when it is not UTF-8 (RFC 3629, section 4). */
static size_t character_length(const unsigned char *text, size_t left)
{
    unsigned char lead = text[0];
    size_t length = lead < 0x80   ? 1
                    : lead < 0xc2 ? 0
                    : lead < 0xe0 ? 2
                    : lead < 0xf0 ? 3
                    : lead < 0xf5 ? UTF8_LENGTH_MAXIMUM
                                  : 0;

    if (length > left)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    if ((lead == 0xe0 && text[1] < 0xa0) || (lead == 0xed && text[1] > 0x9f) ||
        (lead == 0xf0 && text[1] < 0x90) || (lead == 0xf4 && text[1] > 0x8f))
        return 0;
    return length;
}

/* Where to cut: not inside a character. */
static size_t cut_length(const char *text)
{
    size_t length = strnlen(text, LOG_TEXT_LIMIT);

    if (length == LOG_TEXT_LIMIT)
        for (size_t i = 0; i < UTF8_LENGTH_MAXIMUM - 1 && (text[length] & 0xc0) == 0x80; i++)
            length--;
    return length;
}

static void append_string(struct line *line, const char *text)
{
    size_t length = cut_length(text);

    append_text(line, "\"");
    for (size_t at = 0; at < length;) {
        const unsigned char *character = (const unsigned char *)text + at;
        size_t width = character_length(character, length - at);
        char escape[ESCAPE_SIZE];

        if (width == 0) {
            append_text(line, "\\ufffd");
        } else if (*character < ' ' || *character == '"' || *character == '\\' ||
                   *character == 0x7f) {
            snprintf(escape, sizeof escape, "\\u%04x", (unsigned)*character);
            append_text(line, escape);
        } else {
            append(line, text + at, width);
        }
        at += width == 0 ? 1 : width;
    }
    append_text(line, "\"");
}

static void append_field(struct line *line, const struct log_field *field)
{
    append_text(line, line->length == 0 ? "{" : ",");
    append_string(line, field->name);
    append_text(line, ":");
    if (field->text != NULL) {
        append_string(line, field->text);
    } else {
        char number[NUMBER_SIZE];
        snprintf(number, sizeof number, "%lld", (long long)field->number);
        append_text(line, number);
    }
}

/* A field that does not fit is left out whole, with what follows, so that the line stays JSON. */
static void append_fields(struct line *line, const struct log_field *fields)
{
    for (; fields->name != NULL && !line->full; fields++) {
        size_t before = line->length;
        append_field(line, fields);
        if (line->full)
            line->length = before;
    }
}

void log_write(enum log_level level, const char *event, const struct log_field *fields)
{
    char time[INSTANT_TEXT_SIZE];
    struct line line;
    int saved = errno;

    if (level > log_most)
        return;
    line.length = 0;
    line.full = false;
    instant_write(instant_now(), time);
    append_fields(&line, (const struct log_field[]){log_text("time", time),
                                                    log_text("level", LEVEL_NAMES[level]),
                                                    log_text("process", log_process),
                                                    log_text("event", event),
                                                    {0}});
    append_fields(&line, fields);
    memcpy(line.bytes + line.length, "}\n", LINE_END_LENGTH);
    line.length += LINE_END_LENGTH;
    /* A line that standard error does not take is lost: there is nobody left to tell. */
    while (write(STDERR_FILENO, line.bytes, line.length) < 0 && errno == EINTR)
        ;
    errno = saved;
}
