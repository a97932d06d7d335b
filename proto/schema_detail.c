#include "proto/schema_internal.h"

#include "common/buffer.h"
#include "common/check.h"

enum { LIST_LIMIT = 1024 }; /* bytes of a list of what is allowed */

const char *schema_code(enum schema_violation violation)
{
    static const char *const CODES[] = {
        [UNKNOWN_FIELD] = "unknown_field",
        [MISSING_FIELD] = "missing_field",
        [WRONG_TYPE] = "wrong_type",
        [TOO_SHORT] = "too_short",
        [TOO_LONG] = "too_long",
        [NAME_TOO_LONG] = "too_long",
        [TOO_SMALL] = "too_small",
        [TOO_LARGE] = "too_large",
        [TOO_FEW_ITEMS] = "too_few_items",
        [TOO_MANY_ITEMS] = "too_many_items",
        [TOO_FEW_FIELDS] = "too_few_fields",
        [TOO_MANY_FIELDS] = "too_many_fields",
        [NOT_ONE_OF] = "not_one_of",
        [NOT_A_BRANCH] = "not_one_of",
        [WRONG_FORMAT] = "wrong_format",
    };

    return CODES[violation];
}

static void list_add(struct buffer *list, const char *separator, const char *text)
{
    if (list->length > 0)
        buffer_append_text(list, separator);
    buffer_append_text(list, text);
}

/* What an enum or a union allows: "active, suspended". */
static void list_values(struct buffer *list, const struct schema *schema, const char *separator)
{
    for (const char *const *value = schema->values; value != NULL && *value != NULL; value++)
        list_add(list, separator, *value);
    for (size_t i = 0; i < schema->branch_count; i++)
        list_add(list, separator, schema->branches[i].value);
}

static void list_types(struct buffer *list, const struct schema *schema, enum language language)
{
    static const struct {
        enum schema_type type;
        const char *name[2];
    } NAMES[] = {
        {SCHEMA_OBJECT, {"an object", "对象"}},    {SCHEMA_ARRAY, {"an array", "数组"}},
        {SCHEMA_STRING, {"a string", "字符串"}},   {SCHEMA_INTEGER, {"an integer", "整数"}},
        {SCHEMA_BOOLEAN, {"a boolean", "布尔值"}}, {SCHEMA_NULL, {"null", "null"}},
    };

    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (schema->types & NAMES[i].type)
            list_add(list, language == LANGUAGE_CHINESE ? "或" : " or ", NAMES[i].name[language]);
}

static const char *list_detail(enum schema_violation violation, const struct schema *schema,
                               enum language language, struct arena *arena)
{
    struct buffer list = buffer_make(LIST_LIMIT);
    const char *detail;

    if (violation == WRONG_TYPE)
        list_types(&list, schema, language);
    else
        list_values(&list, schema, language == LANGUAGE_CHINESE ? "、" : ", ");
    if (buffer_overflowed(&list))
        detail = language == LANGUAGE_CHINESE ? "应为允许的值之一。" : "Must be an allowed value.";
    else if (language == LANGUAGE_CHINESE)
        detail = arena_format(arena, violation == WRONG_TYPE ? "应为%s。" : "应为以下之一：%s。",
                              list.data);
    else
        detail = arena_format(
            arena, violation == WRONG_TYPE ? "Must be %s." : "Must be one of: %s.", list.data);
    buffer_free(&list);
    return detail;
}

/* `chinese` and `english` have one %lld each. */
#define BOUND(english, chinese, value)                                                             \
    (language == LANGUAGE_CHINESE ? arena_format(arena, chinese, (long long)(value))               \
                                  : arena_format(arena, english, (long long)(value)))

static const char *bound_detail(enum schema_violation violation, const struct schema *schema,
                                enum language language, struct arena *arena)
{
    switch (violation) {
    case TOO_SHORT:
        return BOUND("Must have at least %lld characters.", "至少需要%lld个字符。",
                     schema->minimum_length);
    case TOO_LONG:
        return BOUND("Must have at most %lld characters.", "最多允许%lld个字符。",
                     schema->maximum_length);
    case NAME_TOO_LONG:
        return BOUND("The field's name must have at most %lld characters.",
                     "字段名最多允许%lld个字符。", schema->maximum_name_length);
    case TOO_SMALL:
        return BOUND("Must be %lld or more.", "不得小于%lld。", schema->minimum);
    case TOO_LARGE:
        return BOUND("Must be %lld or less.", "不得大于%lld。", schema->maximum);
    case TOO_FEW_ITEMS:
        return BOUND("Must have at least %lld items.", "至少需要%lld项。", schema->minimum_items);
    case TOO_MANY_ITEMS:
        return BOUND("Must have at most %lld items.", "最多允许%lld项。", schema->maximum_items);
    case TOO_FEW_FIELDS:
        return BOUND("Must have at least %lld fields.", "至少需要%lld个字段。",
                     schema->minimum_properties);
    default:
        check(violation == TOO_MANY_FIELDS);
        return BOUND("Must have at most %lld fields.", "最多允许%lld个字段。",
                     schema->maximum_properties);
    }
}

const char *schema_detail(enum schema_violation violation, const struct schema *schema,
                          enum language language, struct arena *arena)
{
    bool chinese = language == LANGUAGE_CHINESE;

    switch (violation) {
    case UNKNOWN_FIELD:
        return chinese ? "此处不接受该字段，请去掉。"
                       : "No such field is taken here; leave it out.";
    case MISSING_FIELD:
        return chinese ? "此字段必填。" : "This field is required.";
    case WRONG_TYPE:
    case NOT_ONE_OF:
    case NOT_A_BRANCH:
        return list_detail(violation, schema, language, arena);
    case WRONG_FORMAT:
        return chinese ? arena_format(arena, "应为%s。", schema->format->expected_zh)
                       : arena_format(arena, "Must be %s.", schema->format->expected);
    default:
        return bound_detail(violation, schema, language, arena);
    }
}
