#include "proto/json.h"

#include <stdlib.h>

#include "common/buffer.h"
#include "tests/unit/unit.h"

/* The code of the error; "" when the text was read. */
static const char *code_of(struct slice text)
{
    struct json_error error = {.code = ""};
    json_t *document = json_read(text, &error);

    EXPECT((document == NULL) == (error.code[0] != '\0'));
    EXPECT(document != NULL || (error.line >= 1 && error.column >= 1 && error.message[0] != '\0'));
    json_decref(document);
    return error.code;
}

TEST(json_reads_what_rfc_8259_allows)
{
    static const char *const TEXTS[] = {
        "{}",
        "[]",
        " \t\r\n{ \"a\" : [ 1 , -2 , true , false , null , \"\" ] } \n",
        "[9223372036854775807,-9223372036854775808]",
        "{\"1.5\":\"1e3\"}",
        "[\"\\\"1.5\\\\\",\"\\u4e2d\\ud83d\\ude00\"]",
        "[\"中文\"]",
    };

    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++)
        EXPECT_TEXT(code_of(slice_of(TEXTS[i])), "");
}

TEST(json_refuses_with_a_code_each)
{
    static const struct {
        const char *text, *code;
    } CASES[] = {
        {"", "json_malformed"},
        {"1", "json_malformed"},
        {"\"text\"", "json_malformed"},
        {"{", "json_malformed"},
        {"{}{}", "json_malformed"},
        {"[1,]", "json_malformed"},
        {"[01]", "json_malformed"},
        {"[\"a\nb\"]", "json_malformed"},
        {"[\"open", "json_malformed"},
        {"[\"open\\", "json_malformed"},
        {"[\"\\ud800\"]", "json_malformed"},
        {"[nul]", "json_malformed"},
        {"]", "json_malformed"},
        {"{\"a\":1,\"b\":2,\"a\":1}", "json_duplicate_name"},
        {"{\"a\":{\"b\":1,\"\\u0062\":2}}", "json_duplicate_name"},
        {"[\"\\u0000\"]", "json_nul"},
        {"{\"a\\u0000b\":1}", "json_nul"},
        {"[1.5]", "number_must_be_string"},
        {"[1e3]", "number_must_be_string"},
        {"[-0.0]", "number_must_be_string"},
        {"[1E400]", "number_must_be_string"},
        {"[9223372036854775808]", "number_must_be_string"},
        {"[\"\xff\"]", "json_not_utf8"},
        {"[\"\xc0\x80\"]", "json_not_utf8"},
        {"[\"\xed\xa0\x80\"]", "json_not_utf8"},
    };

    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        EXPECT_TEXT(code_of(slice_of(CASES[i].text)), CASES[i].code);
    EXPECT_TEXT(code_of((struct slice){"[1]\0", 4}), "json_nul");
    EXPECT_TEXT(code_of((struct slice){"[\"a\0b\"]", 7}), "json_nul");
    EXPECT_TEXT(code_of((struct slice){"[\"a\\\0\"]", 7}), "json_nul");
    EXPECT_TEXT(code_of((struct slice){NULL, 0}), "json_malformed");
}

static const char *code_of_nested(size_t depth)
{
    char text[2 * JSON_DEPTH_LIMIT + 3];

    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    return code_of((struct slice){text, 2 * depth});
}

TEST(json_bounds_depth)
{
    EXPECT_TEXT(code_of_nested(JSON_DEPTH_LIMIT), "");
    EXPECT_TEXT(code_of_nested(JSON_DEPTH_LIMIT + 1), "json_too_deep");
    EXPECT_TEXT(code_of(slice_of("[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"]")), "");
}

static const char *code_of_values(size_t count)
{
    struct buffer text = buffer_make(4 * (size_t)JSON_VALUES_LIMIT);
    const char *code;

    buffer_append_text(&text, "[1");
    for (size_t i = 2; i < count; i++)
        buffer_append_text(&text, ",1");
    buffer_append_character(&text, ']');
    code = code_of(buffer_slice(&text));
    buffer_free(&text);
    return code;
}

TEST(json_bounds_the_number_of_values)
{
    EXPECT_TEXT(code_of_values(JSON_VALUES_LIMIT), "");
    EXPECT_TEXT(code_of_values(JSON_VALUES_LIMIT + 1), "json_too_many_values");
}

TEST(json_says_where)
{
    struct json_error error;

    EXPECT(json_read(slice_of("{\n \"a\": 1.5}"), &error) == NULL);
    EXPECT_NUMBER(error.line, 2);
    EXPECT_NUMBER(error.column, 7);
    EXPECT(json_read(slice_of("{\n\n\"a\" 1}"), &error) == NULL);
    EXPECT_NUMBER(error.line, 3);
}

TEST(json_canonical_is_the_same_for_equal_documents)
{
    struct json_error error;
    struct arena *arena = arena_new();
    json_t *a = json_read(
        slice_of("{\"b\": [1, {\"d\": \"中\", \"c\": null}], \"a\": \"\\u0041\"}"), &error);
    json_t *b =
        json_read(slice_of("{\"a\":\"A\",\"b\":[1,{\"c\":null,\"d\":\"\\u4e2d\"}]}"), &error);

    EXPECT(slice_is(json_canonical(arena, a), "{\"a\":\"A\",\"b\":[1,{\"c\":null,\"d\":\"中\"}]}"));
    EXPECT(slice_equal(json_canonical(arena, a), json_canonical(arena, b)));
    json_decref(a);
    json_decref(b);
    arena_free(&arena);
}

TEST(json_member_text_is_a_text_or_nothing)
{
    struct json_error error;
    json_t *object = json_read(slice_of("{\"text\":\"a\",\"number\":-7}"), &error);

    EXPECT_TEXT(json_member_text(object, "text"), "a");
    EXPECT(json_member_text(object, "number") == NULL);
    EXPECT(json_member_text(object, "absent") == NULL);
    json_decref(object);
}

TEST(json_texts_are_utf8_without_nul)
{
    EXPECT(json_is_text(slice_of("a\u6d4b\U0001f600\x7f")));
    EXPECT(!json_is_text(slice_of("")) && !json_is_text((struct slice){"a\0b", 3}));
    EXPECT(!json_is_text(slice_of("\xff")) && !json_is_text(slice_of("\xc0\x80")));
    EXPECT(!json_is_text(slice_of("\xed\xa0\x80")) && !json_is_text(slice_of("\xe6\xb5")));
    EXPECT_NUMBER(json_characters(slice_of("a\u6d4b\U0001f600")), 3);
}

/* Any text that is UTF-8 without NUL comes back from what was written. */
TEST(json_write_text_round_trips)
{
    for (int round = 0; round < 2000; round++) {
        struct buffer buffer = buffer_make(4096);
        struct json_error error;
        char text[64];
        size_t length = (size_t)unit_random_below(sizeof text);
        json_t *document;

        for (size_t i = 0; i < length; i++)
            text[i] = (char)(1 + unit_random_below(127));
        buffer_append_character(&buffer, '[');
        json_write_text(&buffer, (struct slice){text, length});
        buffer_append_character(&buffer, ']');
        document = json_read(buffer_slice(&buffer), &error);
        EXPECT(document != NULL);
        EXPECT_NUMBER(json_string_length(json_array_get(document, 0)), length);
        EXPECT(document != NULL &&
               memcmp(json_string_value(json_array_get(document, 0)), text, length) == 0);
        json_decref(document);
        buffer_free(&buffer);
    }
}

/* The scan never lets through what jansson would not, nor stops what is within the bounds. */
TEST(json_scan_agrees_with_the_parser)
{
    static const char CHARACTERS[] = "[]{}\",:0123-.eE+ \\u\nabtrlfn";

    for (int round = 0; round < 20000; round++) {
        char text[24];
        size_t length = 2 + (size_t)unit_random_below(sizeof text - 2);
        struct json_error error = {.code = ""};
        json_t *expected, *actual;

        text[0] = '[';
        for (size_t i = 1; i < length; i++)
            text[i] = CHARACTERS[unit_random_below(sizeof CHARACTERS - 1)];
        text[length - 1] = ']';
        expected = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
        actual = json_read((struct slice){text, length}, &error);
        EXPECT(actual == NULL || json_equal(actual, expected));
        EXPECT(actual != NULL || expected == NULL ||
               strcmp(error.code, "number_must_be_string") == 0);
        json_decref(expected);
        json_decref(actual);
    }
}
