#include "common/log.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <jansson.h>

#include "common/instant.h"
#include "common/slice.h"
#include "tests/unit/unit.h"

enum { OUTPUT_SIZE = 2 * LOG_LINE_LIMIT };

/* What `write_lines` writes to standard error. */
static const char *logged(void (*write_lines)(void))
{
    static char text[OUTPUT_SIZE];
    int file = memfd_create("log", MFD_CLOEXEC);
    int kept = dup(STDERR_FILENO);

    dup2(file, STDERR_FILENO);
    log_start("worker-1", LOG_LEVEL_INFO);
    write_lines();
    dup2(kept, STDERR_FILENO);
    ssize_t length = pread(file, text, sizeof text - 1, 0);
    text[length < 0 ? 0 : length] = '\0';
    close(file);
    close(kept);
    return text;
}

static json_t *only_line(const char *text)
{
    json_t *line = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

    EXPECT(line != NULL);
    EXPECT(strchr(text, '\n') == text + strlen(text) - 1);
    return line;
}

static const char *text_in(const json_t *line, const char *name)
{
    return json_string_value(json_object_get(line, name));
}

static void two_levels(void)
{
    log_debug("hidden");
    log_warning("shown", log_text("absent", NULL), log_number("least", INT64_MIN));
}

TEST(log_writes_a_line_of_json)
{
    json_t *line = only_line(logged(two_levels));
    instant time;

    EXPECT(instant_parse(slice_of(text_in(line, "time")), &time));
    EXPECT_TEXT(text_in(line, "level"), "warning");
    EXPECT_TEXT(text_in(line, "process"), "worker-1");
    EXPECT_TEXT(text_in(line, "event"), "shown");
    EXPECT_TEXT(text_in(line, "absent"), "");
    EXPECT(json_integer_value(json_object_get(line, "least")) == INT64_MIN);
    json_decref(line);
}

static void hostile_text(void)
{
    log_error("hostile", log_text("text", "a\"\\\n\x1b\x7f"
                                          "\xc3\xa4\xff\xc0\x80\xed\xa0\x80z"));
}

TEST(log_escapes_text)
{
    const char *text = logged(hostile_text);
    json_t *line = only_line(text);

    EXPECT(strstr(text, "\\u001b\\u007f") != NULL); /* nothing that moves a terminal */
    EXPECT_TEXT(text_in(line, "text"),
                "a\"\\\n\x1b\x7f\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf"
                "\xbd\xef\xbf\xbdz");
    json_decref(line);
}

static void long_text(void)
{
    char text[LOG_TEXT_LIMIT + 2];

    memset(text, 'a', sizeof text);
    memcpy(text + LOG_TEXT_LIMIT - 1, "\xc3\xa4", 3); /* a character across the limit */
    log_info("long", log_text("text", text));
}

TEST(log_cuts_long_text_between_characters)
{
    json_t *line = only_line(logged(long_text));

    EXPECT_NUMBER(strspn(text_in(line, "text"), "a"), LOG_TEXT_LIMIT - 1);
    EXPECT_NUMBER(strlen(text_in(line, "text")), LOG_TEXT_LIMIT - 1);
    json_decref(line);
}

static void long_line(void)
{
    char text[LOG_TEXT_LIMIT];

    memset(text, '\x01', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    log_info("long", log_text("first", text), log_text("second", text), log_text("third", text));
}

TEST(log_keeps_a_long_line_json)
{
    json_t *line = only_line(logged(long_line));

    EXPECT(json_object_get(line, "first") != NULL);
    EXPECT(json_object_get(line, "second") == NULL);
    json_decref(line);
}
