#include "proto/schema.h"

#include "common/buffer.h"
#include "proto/json.h"
#include "tests/unit/unit.h"

static bool is_upper(struct slice text)
{
    for (size_t i = 0; i < text.length; i++)
        if (text.data[i] < 'A' || text.data[i] > 'Z')
            return false;
    return true;
}

static const struct schema_format UPPER = {"upper", is_upper, "upper-case letters", "大写字母"};
static const char *const STATES[] = {"active", "suspended", NULL};
static const char *const KIND_A[] = {"a", NULL};

static const struct schema ANY = {.types = 0};
static const struct schema NAME = {
    .types = SCHEMA_STRING, .minimum_length = 1, .maximum_length = 3};
static const struct schema CODE = {.types = SCHEMA_STRING | SCHEMA_NULL, .format = &UPPER};
static const struct schema STATE = {.types = SCHEMA_STRING, .values = STATES};
static const struct schema COUNT = {
    .types = SCHEMA_INTEGER, .bounded = true, .minimum = -1, .maximum = 10};
static const struct schema FLAG = {.types = SCHEMA_BOOLEAN};
static const struct schema KIND = {.types = SCHEMA_STRING, .values = KIND_A};
static const struct schema COUNTS = {
    .types = SCHEMA_ARRAY, .items = &COUNT, .minimum_items = 1, .maximum_items = 2};
static const struct schema MAP = {.types = SCHEMA_OBJECT,
                                  .open = true,
                                  .additional = &NAME,
                                  .minimum_properties = 1,
                                  .maximum_properties = 2,
                                  .maximum_name_length = 4};
static const struct schema tree;
static const struct schema TREES = {.types = SCHEMA_ARRAY, .items = &tree};
static const struct schema_property TREE_PROPERTIES[] = {{"children", &TREES, false},
                                                         {"name", &NAME, true}};
static const struct schema tree = {
    .types = SCHEMA_OBJECT, .properties = TREE_PROPERTIES, .property_count = 2};
static const struct schema_property A_PROPERTIES[] = {{"kind", &KIND, true},
                                                      {"count", &COUNT, true}};
static const struct schema A = {
    .types = SCHEMA_OBJECT, .properties = A_PROPERTIES, .property_count = 2};
static const struct schema_branch BRANCHES[] = {{"a", &A}};
static const struct schema UNION = {
    .types = SCHEMA_OBJECT, .discriminator = "kind", .branches = BRANCHES, .branch_count = 1};
static const struct schema_property PROPERTIES[] = {
    {"any", &ANY, false},    {"code", &CODE, false},     {"count", &COUNT, false},
    {"flag", &FLAG, false},  {"counts", &COUNTS, false}, {"map", &MAP, false},
    {"name", &NAME, true},   {"state", &STATE, false},   {"tree", &tree, false},
    {"union", &UNION, false}};
static const struct schema ROOT = {
    .types = SCHEMA_OBJECT, .properties = PROPERTIES, .property_count = 10};

static struct schema_errors errors;

/* "pointer code detail; ..." of every violation. */
static const char *violations(const struct schema *schema, const char *text, enum language language)
{
    static char result[4096];
    struct arena *arena = arena_new();
    struct buffer buffer = buffer_make(sizeof result - 1);
    struct json_error error;
    json_t *document = json_read(slice_of(text), &error);
    bool valid = schema_validate(schema, document, language, arena, &errors);

    EXPECT(document != NULL);
    EXPECT(valid == (errors.total == 0));
    for (size_t i = 0; i < errors.count; i++)
        buffer_append_format(&buffer, "%s%s %s %s", i == 0 ? "" : "; ", errors.list[i].pointer,
                             errors.list[i].code, errors.list[i].detail);
    memcpy(result, buffer.length == 0 ? "" : buffer.data, buffer.length + 1);
    buffer_free(&buffer);
    json_decref(document);
    arena_free(&arena);
    return result;
}

#define EXPECT_VIOLATIONS(text, expected)                                                          \
    EXPECT_TEXT(violations(&ROOT, text, LANGUAGE_ENGLISH), expected)

TEST(schema_accepts)
{
    EXPECT_VIOLATIONS("{\"name\":\"a\"}", "");
    EXPECT_VIOLATIONS(
        "{\"name\":\"中文字\",\"any\":[{\"x\":null}],\"code\":null,\"count\":-1,"
        "\"flag\":false,\"counts\":[10],\"map\":{\"四个字符\":\"b\"},\"state\":\"active\","
        "\"tree\":{\"name\":\"t\",\"children\":[{\"name\":\"u\"}]},"
        "\"union\":{\"kind\":\"a\",\"count\":1}}",
        "");
}

TEST(schema_names_each_violation)
{
    EXPECT_VIOLATIONS("[]", " wrong_type Must be an object.");
    EXPECT_VIOLATIONS("{}", "/name missing_field This field is required.");
    EXPECT_VIOLATIONS("{\"name\":\"\"}", "/name too_short Must have at least 1 characters.");
    EXPECT_VIOLATIONS("{\"name\":\"中文字字\"}", "/name too_long Must have at most 3 characters.");
    EXPECT_VIOLATIONS("{\"name\":\"a\",\"code\":1}", "/code wrong_type Must be a string or null.");
    EXPECT_VIOLATIONS("{\"name\":\"a\",\"code\":\"b\"}",
                      "/code wrong_format Must be upper-case letters.");
    EXPECT_VIOLATIONS("{\"name\":\"a\",\"count\":-2}", "/count too_small Must be -1 or more.");
    EXPECT_VIOLATIONS("{\"name\":\"a\",\"count\":11}", "/count too_large Must be 10 or less.");
    EXPECT_VIOLATIONS("{\"name\":\"a\",\"flag\":\"true\"}", "/flag wrong_type Must be a boolean.");
    EXPECT_VIOLATIONS("{\"name\":\"a\",\"counts\":[]}",
                      "/counts too_few_items Must have at least 1 items.");
    EXPECT_VIOLATIONS("{\"name\":\"a\",\"counts\":[1,2,11]}",
                      "/counts too_many_items Must have at most 2 items.; "
                      "/counts/2 too_large Must be 10 or less.");
    EXPECT_VIOLATIONS("{\"name\":\"a\",\"state\":\"gone\"}",
                      "/state not_one_of Must be one of: active, suspended.");
}

TEST(schema_bounds_maps)
{
    EXPECT_VIOLATIONS("{\"name\":\"a\",\"map\":{}}",
                      "/map too_few_fields Must have at least 1 fields.");
    EXPECT_VIOLATIONS("{\"name\":\"a\",\"map\":{\"a\":\"\",\"b\":\"b\",\"c\":\"c\"}}",
                      "/map too_many_fields Must have at most 2 fields.; "
                      "/map/a too_short Must have at least 1 characters.");
    EXPECT_VIOLATIONS("{\"name\":\"a\",\"map\":{\"abcde\":\"a\"}}",
                      "/map/abcde too_long The field's name must have at most 4 characters.");
}

TEST(schema_follows_unions_and_recursion)
{
    EXPECT_VIOLATIONS("{\"name\":\"a\",\"union\":{}}",
                      "/union/kind missing_field This field is required.");
    EXPECT_VIOLATIONS("{\"name\":\"a\",\"union\":{\"kind\":\"b\"}}",
                      "/union/kind not_one_of Must be one of: a.");
    EXPECT_VIOLATIONS("{\"name\":\"a\",\"union\":{\"kind\":1}}",
                      "/union/kind not_one_of Must be one of: a.");
    EXPECT_VIOLATIONS("{\"name\":\"a\",\"union\":{\"kind\":\"a\",\"x\":1}}",
                      "/union/x unknown_field No such field is taken here; leave it out.; "
                      "/union/count missing_field This field is required.");
    EXPECT_VIOLATIONS("{\"name\":\"a\",\"tree\":{\"name\":\"t\",\"children\":[{\"name\":\"u\","
                      "\"children\":[{\"name\":1}]}]}}",
                      "/tree/children/0/children/0/name wrong_type Must be a string.");
}

TEST(schema_reports_all_at_once_in_either_language)
{
    const char *text = "{\"count\":11,\"flag\":1,\"other\":null,\"code\":\"b\",\"state\":\"x\"}";

    EXPECT_TEXT(violations(&ROOT, text, LANGUAGE_CHINESE),
                "/count too_large 不得大于10。; /flag wrong_type 应为布尔值。; "
                "/other unknown_field 此处不接受该字段，请去掉。; "
                "/code wrong_format 应为大写字母。; "
                "/state not_one_of 应为以下之一：active、suspended。; "
                "/name missing_field 此字段必填。");
    EXPECT_NUMBER(errors.total, 6);
}

TEST(schema_pointers_are_escaped_and_bounded)
{
    struct buffer text = buffer_make(4096);

    EXPECT_VIOLATIONS("{\"name\":\"a\",\"a/b~c\":1}",
                      "/a~1b~0c unknown_field No such field is taken here; leave it out.");
    buffer_append_text(&text, "{\"name\":\"a\",\"map\":{\"");
    for (int i = 0; i < SCHEMA_POINTER_SIZE; i++)
        buffer_append_text(&text, "~");
    buffer_append_text(&text, "\":1}}");
    violations(&ROOT, text.data, LANGUAGE_ENGLISH);
    EXPECT_NUMBER(errors.count, 2);
    EXPECT_TEXT(errors.list[0].pointer, "/map");
    buffer_free(&text);
}

TEST(schema_keeps_a_hundred_errors_and_counts_all)
{
    struct buffer text = buffer_make(8192);

    buffer_append_text(&text, "{\"name\":\"a\"");
    for (int i = 0; i < SCHEMA_ERRORS_LIMIT + 50; i++)
        buffer_append_format(&text, ",\"x%d\":1", i);
    buffer_append_text(&text, "}");
    violations(&ROOT, text.data, LANGUAGE_ENGLISH);
    EXPECT_NUMBER(errors.count, SCHEMA_ERRORS_LIMIT);
    EXPECT_NUMBER(errors.total, SCHEMA_ERRORS_LIMIT + 50);
    EXPECT_TEXT(errors.list[SCHEMA_ERRORS_LIMIT - 1].pointer, "/x99");
    buffer_free(&text);
}

/* The value as compact JSON, or the first error's code. */
static const char *read_text(const struct schema *schema, const char *text)
{
    static char result[256];
    struct arena *arena = arena_new();
    json_t *value;

    if (schema_validate_text(schema, slice_of(text), LANGUAGE_ENGLISH, arena, &errors, &value)) {
        struct slice spelled = json_canonical(arena, value);

        memcpy(result, spelled.data, spelled.length);
        result[spelled.length] = '\0';
        json_decref(value);
    } else {
        EXPECT(value == NULL);
        EXPECT_TEXT(errors.list[0].pointer, "");
        memcpy(result, errors.list[0].code, strlen(errors.list[0].code) + 1);
    }
    arena_free(&arena);
    return result;
}

TEST(schema_reads_values_spelled_as_text)
{
    static const struct schema WIDE = {.types = SCHEMA_INTEGER};
    static const struct schema STATES_LIST = {.types = SCHEMA_ARRAY, .items = &STATE};

    EXPECT_TEXT(read_text(&COUNT, "10"), "10");
    EXPECT_TEXT(read_text(&COUNT, "-1"), "-1");
    EXPECT_TEXT(read_text(&COUNT, "-0"), "0");
    EXPECT_TEXT(read_text(&COUNT, "11"), "too_large");
    EXPECT_TEXT(read_text(&COUNT, ""), "wrong_type");
    EXPECT_TEXT(read_text(&COUNT, "-"), "wrong_type");
    EXPECT_TEXT(read_text(&COUNT, "+1"), "wrong_type");
    EXPECT_TEXT(read_text(&COUNT, "1.0"), "wrong_type");
    EXPECT_TEXT(read_text(&WIDE, "9223372036854775807"), "9223372036854775807");
    EXPECT_TEXT(read_text(&WIDE, "9223372036854775808"), "wrong_type");
    EXPECT_TEXT(read_text(&WIDE, "-9223372036854775808"), "-9223372036854775808");
    EXPECT_TEXT(read_text(&WIDE, "-9223372036854775809"), "wrong_type");
    EXPECT_TEXT(read_text(&FLAG, "true"), "true");
    EXPECT_TEXT(read_text(&FLAG, "TRUE"), "wrong_type");
    EXPECT_TEXT(read_text(&NAME, "10"), "\"10\"");
    EXPECT_TEXT(read_text(&NAME, ""), "too_short");
    EXPECT_TEXT(read_text(&NAME, "\xff"), "wrong_type");
    EXPECT_TEXT(read_text(&STATES_LIST, ""), "[]");
    EXPECT_TEXT(read_text(&STATES_LIST, "active,suspended"), "[\"active\",\"suspended\"]");
    EXPECT_TEXT(read_text(&STATES_LIST, "active,"), "not_one_of");
    EXPECT_TEXT(read_text(&STATES_LIST, "active,\xff"), "wrong_type");
    EXPECT_TEXT(read_text(&COUNTS, "1,2,3"), "too_many_items");
}

TEST(schema_formats_are_sorted_by_name)
{
    for (size_t i = 1; i < schema_format_count; i++)
        EXPECT(strcmp(schema_formats[i - 1].name, schema_formats[i].name) < 0);
}
