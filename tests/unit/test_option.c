#include "common/option.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/memory.h"
#include "tests/unit/unit.h"

enum { PATH_SIZE = 32, TEXT_LIMIT = 16384 };

struct settings {
    int64_t port;
    int64_t offset;
    char *title;
    char *certificate;
    char *directory;
    bool demo;
};

#define AT(field) offsetof(struct settings, field)

static const struct option TABLE[] = {
    {"port", OPTION_NUMBER, AT(port), 1, 65535, "8443", NULL, false, "The port that serves."},
    {"offset", OPTION_NUMBER, AT(offset), -5, 5, "-1", "seconds", true, "A number below 0."},
    {"title", OPTION_TEXT, AT(title), 1, 10, "Centre", NULL, true, ".dots and \\ in prose."},
    {"certificate", OPTION_PATH, AT(certificate), 0, 0, NULL, NULL, true, "May be left empty."},
    {"directory", OPTION_PATH, AT(directory), 0, 0, "/var/lib", NULL, false, "Never empty."},
    {"demo", OPTION_FLAG, AT(demo), 0, 0, "no", NULL, false, "Whether it is only for show."},
    {0},
};

static bool read_file(struct settings *settings, struct slice text, char *problem)
{
    int file = memfd_create("options", MFD_CLOEXEC);
    char path[PATH_SIZE];

    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    bool good = write(file, text.data, text.length) == (ssize_t)text.length &&
                option_read_file(TABLE, settings, path, problem);
    close(file);
    return good;
}

TEST(option_defaults_are_the_fallbacks)
{
    struct settings settings = {0};

    option_defaults(TABLE, &settings);
    EXPECT_NUMBER(settings.port, 8443);
    EXPECT_NUMBER(settings.offset, -1);
    EXPECT_TEXT(settings.title, "Centre");
    EXPECT_TEXT(settings.certificate, "");
    EXPECT_TEXT(settings.directory, "/var/lib");
    EXPECT(!settings.demo);
    option_free(TABLE, &settings);
    EXPECT(settings.title == NULL);
    option_free(TABLE, &settings);
}

TEST(option_file_is_read)
{
    struct settings settings = {0};
    char problem[OPTION_PROBLEM_SIZE] = "";

    option_defaults(TABLE, &settings);
    EXPECT(read_file(&settings,
                     slice_of("# a comment\n\n \t# another\n  port=1\noffset =\t5 \n"
                              "title = a = # b\ncertificate = /etc/x\ndemo = yes"),
                     problem));
    EXPECT_TEXT(problem, "");
    EXPECT_NUMBER(settings.port, 1);
    EXPECT_NUMBER(settings.offset, 5);
    EXPECT_TEXT(settings.title, "a = # b");
    EXPECT_TEXT(settings.certificate, "/etc/x");
    EXPECT_TEXT(settings.directory, "/var/lib");
    EXPECT(settings.demo);
    EXPECT(option_set(TABLE, &settings, "certificate", "", problem));
    EXPECT_TEXT(settings.certificate, "");
    option_free(TABLE, &settings);
}

TEST(option_problems_name_the_remedy)
{
    static const struct {
        const char *text, *problem;
    } CASES[] = {
        {"\nport = 99999", ":2: port = 99999: out of bounds; give 1 to 65535"},
        {"port = 0", ":1: port = 0: out of bounds; give 1 to 65535"},
        {"port = 80a", ":1: port = 80a: not a whole number; give 1 to 65535"},
        {"port =", ":1: port = : not a whole number; give 1 to 65535"},
        {"offset = -6", ":1: offset = -6: out of bounds; give -5 to 5 seconds"},
        {"offset = --1", ":1: offset = --1: not a whole number; give -5 to 5 seconds"},
        {"title = 12345678901", ":1: title: 11 bytes long; give 1 to 10 bytes"},
        {"title = ", ":1: title: 0 bytes long; give 1 to 10 bytes"},
        {"directory = lib", ":1: directory = lib: not an absolute path; give one that begins with "
                            "/"},
        {"certificate = x", ":1: certificate = x: not an absolute path; give one that begins with "
                            "/"},
        {"directory =", ":1: directory = : not an absolute path; give one that begins with /"},
        {"demo = true", ":1: demo = true: neither yes nor no; give one of them"},
        {"port = 1\nport = 1", ":2: port: set in line 1 already; keep one of them"},
        {"prot = 1", ":1: prot: unknown; did you mean port?"},
        {"elsewhere = 1", ":1: elsewhere: unknown; --help lists the options"},
        {"port 1", ":1: no = in the line; write name = value, or # before a comment"},
        {"port = 1\r\n", ":1: port: holds a control character; remove it (lines end in LF alone)"},
        {"po\x1bt = 1", ":1: a control character in the name; remove it"},
    };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct settings settings = {0};
        char problem[OPTION_PROBLEM_SIZE] = "";
        option_defaults(TABLE, &settings);
        EXPECT(!read_file(&settings, slice_of(CASES[i].text), problem));
        EXPECT(strncmp(problem, "/proc/self/fd/", 14) == 0);
        const char *place = strchr(problem, ':');
        EXPECT_TEXT(place == NULL ? problem : place, CASES[i].problem);
        option_free(TABLE, &settings);
    }
}

TEST(option_file_is_bounded)
{
    struct settings settings = {0};
    char problem[OPTION_PROBLEM_SIZE] = "";
    char *text = memory_allocate(OPTION_FILE_LIMIT + 2, 1);

    option_defaults(TABLE, &settings);
    memset(text, '\n', OPTION_FILE_LIMIT + 1);
    EXPECT(read_file(&settings, (struct slice){text, OPTION_FILE_LIMIT}, problem));
    EXPECT(!read_file(&settings, (struct slice){text, OPTION_FILE_LIMIT + 1}, problem));
    EXPECT(strstr(problem, ": larger than 65536 bytes") != NULL);
    EXPECT(!read_file(&settings, (struct slice){"title = a\0b", 11}, problem));
    memset(text, 'a', OPTION_FILE_LIMIT);
    EXPECT(!option_set(TABLE, &settings, text, text, problem));
    EXPECT(!option_read_file(TABLE, &settings, "/nonexistent", problem));
    EXPECT_TEXT(problem, "/nonexistent: No such file or directory; give a file that can be read");
    memory_free(text);
    option_free(TABLE, &settings);
}

TEST(option_file_written_reads_the_same)
{
    struct settings settings = {0}, again = {0};
    char problem[OPTION_PROBLEM_SIZE] = "";
    struct buffer text = buffer_make(TEXT_LIMIT);

    option_defaults(TABLE, &settings);
    option_defaults(TABLE, &again);
    EXPECT(option_set(TABLE, &settings, "port", "444", problem));
    EXPECT(option_set(TABLE, &settings, "title", " other ", problem));
    EXPECT(option_set(TABLE, &settings, "demo", "yes", problem));
    option_write_file(TABLE, &settings, &text);
    EXPECT(strstr(text.data,
                  "# The port that serves. Number, 1 to 65535; default 8443; taken up by a"
                  "\n# restart.\nport = 444\n\n") != NULL);
    EXPECT(read_file(&again, buffer_slice(&text), problem));
    EXPECT_TEXT(problem, "");
    EXPECT_NUMBER(again.port, 444);
    EXPECT_NUMBER(again.offset, -1);
    EXPECT_TEXT(again.title, "other");
    EXPECT_TEXT(again.certificate, "");
    EXPECT(again.demo);
    buffer_free(&text);
    option_free(TABLE, &settings);
    option_free(TABLE, &again);
}

TEST(option_help_and_manual_are_written)
{
    struct buffer text = buffer_make(TEXT_LIMIT);

    option_write_help(TABLE, &text);
    EXPECT(strstr(text.data, "  demo\n      Whether it is only for show. Yes or no; default no; "
                             "taken up by a\n      restart.\n") != NULL);
    EXPECT(strstr(text.data, "Absolute path; no default; taken up by a") != NULL);
    buffer_free(&text);
    option_write_manual(TABLE, &text);
    EXPECT(strstr(text.data, ".TP\n.B title\n\\&.dots and \\e in prose. Text, 1 to 10 bytes; "
                             "default Centre; taken up by a reload.\n") != NULL);
    EXPECT(strstr(text.data, "Number, \\-5 to 5 seconds; default \\-1;") != NULL);
    buffer_free(&text);
}
