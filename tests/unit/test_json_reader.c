#include "tests/unit/unit.h"

#include <stdio.h>

#include "proto/json.h"
#include "proto/json_reader.h"

/* The canonical spelling of a text, or the code of what is wrong with it. */
static const char *canonical(const char *text, size_t length)
{
    static char result[512];
    struct arena *arena = arena_new();
    struct buffer buffer = buffer_make(sizeof result - 1);
    struct json_reader reader = json_reader_make((struct slice){text, length}, arena);

    if (json_reader_canonical(&reader, &buffer) && json_reader_end(&reader))
        snprintf(result, sizeof result, "%.*s", (int)buffer.length, buffer.data);
    else
        snprintf(result, sizeof result, "%s", reader.code);
    buffer_free(&buffer);
    arena_free(&arena);
    return result;
}

static const char *spelled(const char *text)
{
    return canonical(text, strlen(text));
}

TEST(json_reader_spells_canonically)
{
    static const char *const TEXTS[] = {
        "{}",
        "[]",
        " { \"b\" : 1 , \"a\" : [ true , false , null ] } ",
        "{\"b\":{\"d\":-12,\"c\":\"x\"},\"a\":0,\"\":-0}",
        "{\"\\u4e2d\":\"\\u00e9\\/\\\"\\\\\\b\\f\\n\\r\\t\\u001F\\ud83d\\ude00\"}",
        "[9223372036854775807,-9223372036854775808]",
        "{\"a\":1,\"A\":2,\"aa\":3,\"\\u0061b\":4}",
    };

    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++) {
        struct arena *arena = arena_new();
        struct json_error wrong;
        json_t *document = json_read(slice_of(TEXTS[i]), &wrong);
        EXPECT(document != NULL);
        EXPECT_TEXT(spelled(TEXTS[i]), json_canonical(arena, document).data);
        json_decref(document);
        arena_free(&arena);
    }
    EXPECT_TEXT(spelled("\"x\""), "\"x\"");
    EXPECT_TEXT(spelled("7"), "7");
}

TEST(json_reader_refuses)
{
    static const struct {
        const char *text, *code;
    } CASES[] = {
        {"", "json_malformed"},
        {"{", "json_malformed"},
        {"{\"a\"}", "json_malformed"},
        {"{\"a\":1,}", "json_malformed"},
        {"[1,]", "json_malformed"},
        {"[,1]", "json_malformed"},
        {"[1 2]", "json_malformed"},
        {"[1] x", "json_malformed"},
        {"[01]", "json_malformed"},
        {"[-]", "json_malformed"},
        {"[+1]", "json_malformed"},
        {"[tru]", "json_malformed"},
        {"[nullx]", "json_malformed"},
        {"[NaN]", "json_malformed"},
        {"[\"a]", "json_malformed"},
        {"[\"\\", "json_malformed"},
        {"[\"\\x\"]", "json_malformed"},
        {"[\"\\u12g4\"]", "json_malformed"},
        {"[\"\\u12\"]", "json_malformed"},
        {"[\"\\ud83d\"]", "json_malformed"},
        {"[\"\\ud83d\\u0041\"]", "json_malformed"},
        {"[\"\\ude00\"]", "json_malformed"},
        {"[\"a\nb\"]", "json_malformed"},
        {"[1.5]", "number_must_be_string"},
        {"[1e3]", "number_must_be_string"},
        {"[9223372036854775808]", "number_must_be_string"},
        {"[-9223372036854775809]", "number_must_be_string"},
        {"[\"\\u0000\"]", "json_nul"},
        {"[\"\xff\"]", "json_not_utf8"},
        {"[\"\xc0\xaf\"]", "json_not_utf8"},
        {"[\"\xed\xa0\x80\"]", "json_not_utf8"},
        {"[\"\xe4\xb8\"]", "json_not_utf8"},
        {"{\"a\":1,\"b\":2,\"a\":3}", "json_duplicate_name"},
        {"{\"a\":1,\"\\u0061\":3}", "json_duplicate_name"},
        {"[{\"x\":{\"a\":1,\"a\":3}}]", "json_duplicate_name"},
    };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        EXPECT_TEXT(spelled(CASES[i].text), CASES[i].code);
    EXPECT_TEXT(canonical("[\"a\0b\"]", 7), "json_nul");
    EXPECT_TEXT(canonical("[\0]", 3), "json_nul");
}

/* Texts are read eight bytes at a time: each byte that means something, at each place of them. */
TEST(json_reader_finds_each_byte_of_a_text)
{
    static const struct {
        const char *bytes, *spelled, *code; /* code NULL: it is good */
    } PARTS[] = {
        {"\\\"", "\\\"", NULL},
        {"\\\\", "\\\\", NULL},
        {"\\u00e9", "\xc3\xa9", NULL},
        {"\xc3\xa9", "\xc3\xa9", NULL},
        {"\x7f", "\x7f", NULL},
        {"\x21\x20\x23", "\x21\x20\x23", NULL},
        {"[]", "[]", NULL},
        {"\x1f", NULL, "json_malformed"},
        {"\x01", NULL, "json_malformed"},
        {"\"", NULL, "json_malformed"},
        {"\x80", NULL, "json_not_utf8"},
        {"\xff", NULL, "json_not_utf8"},
    };

    for (size_t i = 0; i < sizeof PARTS / sizeof PARTS[0]; i++)
        for (int before = 0; before < 20; before++)
            for (int behind = 0; behind < 20; behind++) {
                char text[128], expected[128];
                snprintf(text, sizeof text, "\"%0*d%s%0*d\"", before + 1, 0, PARTS[i].bytes,
                         behind + 1, 0);
                if (PARTS[i].code == NULL)
                    snprintf(expected, sizeof expected, "\"%0*d%s%0*d\"", before + 1, 0,
                             PARTS[i].spelled, behind + 1, 0);
                EXPECT_TEXT(spelled(text), PARTS[i].code == NULL ? expected : PARTS[i].code);
            }
}

TEST(json_reader_bounds_depth_and_values)
{
    static char text[2 * JSON_VALUES_LIMIT + 8];
    size_t at = 0;

    for (size_t i = 0; i < JSON_DEPTH_LIMIT; i++)
        text[at++] = '[';
    for (size_t i = 0; i < JSON_DEPTH_LIMIT; i++)
        text[at++] = ']';
    EXPECT_TEXT(canonical(text, at),
                "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
    memset(text, '[', JSON_DEPTH_LIMIT + 1);
    EXPECT_TEXT(canonical(text, JSON_DEPTH_LIMIT + 1), "json_too_deep");
    text[0] = '[';
    for (size_t i = 0; i < JSON_VALUES_LIMIT; i++)
        memcpy(text + 1 + 2 * i, "1,", 2);
    EXPECT_TEXT(canonical(text, 2 * JSON_VALUES_LIMIT), "json_too_many_values");
}

TEST(json_reader_sorts_many_names)
{
    struct arena *arena = arena_new();
    struct buffer text = buffer_make(64 * 1024), buffer = buffer_make(64 * 1024);

    for (int i = 999; i >= 0; i--)
        buffer_append_format(&text, "%s\"%03d\":%d", i == 999 ? "{" : ",", i, i);
    buffer_append_character(&text, '}');
    struct json_reader reader = json_reader_make(buffer_slice(&text), arena);
    EXPECT(json_reader_canonical(&reader, &buffer));
    EXPECT(slice_starts_with(buffer_slice(&buffer), "{\"000\":0,\"001\":1,\"002\":2,"));
    EXPECT_NUMBER(buffer.length, text.length);
    buffer_free(&text);
    buffer_free(&buffer);
    arena_free(&arena);
}

TEST(json_reader_says_where_it_is)
{
    struct arena *arena = arena_new();
    struct buffer buffer = buffer_make(64);
    struct json_reader reader = json_reader_make(slice_of("[1,\n  x]"), arena);
    size_t line, column;

    EXPECT(!json_reader_canonical(&reader, &buffer));
    json_reader_position(&reader, &line, &column);
    EXPECT_NUMBER(line, 2);
    EXPECT_NUMBER(column, 3);
    buffer_free(&buffer);
    arena_free(&arena);
}
