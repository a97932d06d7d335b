/* Values spelled as text become the JSON that the schema asks for, and are then validated as such;
 * what cannot be read as that type stays a string, which validation reports. */
#include "proto/schema.h"

static json_t *read_string(struct slice text)
{
    return json_stringn(text.length == 0 ? "" : text.data, text.length);
}

/* An optional minus and digits, within 64 bits; NULL otherwise. */
static json_t *read_integer(struct slice text)
{
    bool negative = slice_starts_with(text, "-");
    struct slice digits = text;
    uint64_t number;

    if (negative)
        digits = (struct slice){text.data + 1, text.length - 1};
    if (!slice_to_number(digits, (uint64_t)INT64_MAX + negative, &number))
        return NULL;
    if (!negative)
        return json_integer((json_int_t)number);
    return json_integer(number == 0 ? 0 : -(json_int_t)(number - 1) - 1);
}

static json_t *read_boolean(struct slice text)
{
    if (slice_is(text, "true"))
        return json_true();
    return slice_is(text, "false") ? json_false() : NULL;
}

static json_t *read_value(const struct schema *schema, struct slice text);

/* "a,b"; an empty text is an empty array. */
static json_t *read_array(const struct schema *schema, struct slice text)
{
    json_t *array = json_array();
    struct slice item;
    bool more = text.length > 0;

    while (more) {
        more = slice_split(&text, ',', &item);
        if (json_array_append_new(array, read_value(schema, more ? item : text)) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

/* NULL for what is not UTF-8. */
static json_t *read_value(const struct schema *schema, struct slice text)
{
    json_t *value = NULL;

    if (schema->types & SCHEMA_ARRAY)
        return read_array(schema->items, text);
    if (schema->types & SCHEMA_INTEGER)
        value = read_integer(text);
    if (value == NULL && schema->types & SCHEMA_BOOLEAN)
        value = read_boolean(text);
    return value != NULL ? value : read_string(text);
}

bool schema_validate_text(const struct schema *schema, struct slice text, enum language language,
                          struct arena *arena, struct schema_errors *errors, json_t **value)
{
    bool valid;

    *value = read_value(schema, text);
    if (*value == NULL) /* so that the error is that of a wrong type */
        *value = json_null();
    valid = schema_validate(schema, *value, language, arena, errors);
    for (size_t i = 0; i < errors->count; i++)
        errors->list[i].pointer[0] = '\0';
    if (!valid) {
        json_decref(*value);
        *value = NULL;
    }
    return valid;
}
