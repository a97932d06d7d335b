#include "proto/schema.h"

#include <stdio.h>

#include "proto/json.h"
#include "proto/schema_internal.h"

/* Where the validation stands: from the root by names and numbers, spelled only when needed. */
struct place {
    const struct place *parent;
    const char *name; /* NULL at the root and in arrays */
    size_t index;
};

struct validation {
    enum language language;
    struct arena *arena;
    struct schema_errors *errors;
};

/* ---- JSON pointers ---- */

/* One reference token with its slash; false, and nothing written, when it does not fit. */
static bool write_token(const struct place *place, char *pointer, size_t *length)
{
    size_t at = *length;
    char number[24];
    const char *name = place->name;

    if (name == NULL) {
        snprintf(number, sizeof number, "%zu", place->index);
        name = number;
    }
    for (pointer[at++] = '/'; *name != '\0'; name++) {
        if (at + 3 > SCHEMA_POINTER_SIZE) /* an escape and the terminator */
            break;
        if (*name == '~' || *name == '/')
            pointer[at++] = '~';
        pointer[at++] = *name == '~' ? '0' : *name == '/' ? '1' : *name;
    }
    pointer[*name == '\0' ? at : *length] = '\0';
    if (*name == '\0')
        *length = at;
    return *name == '\0';
}

static bool write_pointer(const struct place *place, char *pointer, size_t *length)
{
    if (place->parent == NULL)
        return true;
    return write_pointer(place->parent, pointer, length) && *length + 3 <= SCHEMA_POINTER_SIZE &&
           write_token(place, pointer, length);
}

/* The one place where errors are noted. */
static void violated(const struct validation *validation, enum schema_violation violation,
                     const struct schema *schema, const struct place *place)
{
    struct schema_errors *errors = validation->errors;
    struct schema_error *error;
    size_t length = 0;

    errors->total++;
    if (errors->count == SCHEMA_ERRORS_LIMIT)
        return;
    error = &errors->list[errors->count++];
    error->pointer[0] = '\0';
    write_pointer(place, error->pointer, &length);
    error->code = schema_code(violation);
    error->detail = schema_detail(violation, schema, validation->language, validation->arena);
}

/* ---- Validation by type ---- */

static void validate(const struct validation *validation, const struct schema *schema,
                     const json_t *value, const struct place *place);

static const struct schema_property *find_property(const struct schema *schema, const char *name)
{
    for (size_t i = 0; i < schema->property_count; i++)
        if (strcmp(schema->properties[i].name, name) == 0)
            return &schema->properties[i];
    return NULL;
}

static void validate_member(const struct validation *validation, const struct schema *schema,
                            const char *name, const json_t *value, const struct place *parent)
{
    const struct schema_property *property = find_property(schema, name);
    struct place place = {.parent = parent, .name = name};

    if (property != NULL) {
        validate(validation, property->schema, value, &place);
        return;
    }
    if (!schema->open) {
        violated(validation, UNKNOWN_FIELD, schema, &place);
        return;
    }
    if (schema->maximum_name_length > 0 &&
        json_characters(slice_of(name)) > schema->maximum_name_length)
        violated(validation, NAME_TOO_LONG, schema, &place);
    if (schema->additional != NULL)
        validate(validation, schema->additional, value, &place);
}

/* The branch that the discriminating property names. */
static void validate_branch(const struct validation *validation, const struct schema *schema,
                            const json_t *object, const struct place *parent)
{
    const json_t *value = json_object_get(object, schema->discriminator);
    const char *name = json_string_value(value);
    struct place place = {.parent = parent, .name = schema->discriminator};

    if (value == NULL) {
        violated(validation, MISSING_FIELD, schema, &place);
        return;
    }
    for (size_t i = 0; name != NULL && i < schema->branch_count; i++)
        if (strcmp(schema->branches[i].value, name) == 0) {
            validate(validation, schema->branches[i].schema, object, parent);
            return;
        }
    violated(validation, NOT_A_BRANCH, schema, &place);
}

static void validate_object(const struct validation *validation, const struct schema *schema,
                            const json_t *object, const struct place *place)
{
    size_t size = json_object_size(object);
    json_t *members = (json_t *)object; /* jansson has no constant form of iterating */

    if (schema->discriminator != NULL) {
        validate_branch(validation, schema, object, place);
        return;
    }
    if (size < schema->minimum_properties)
        violated(validation, TOO_FEW_FIELDS, schema, place);
    if (schema->maximum_properties > 0 && size > schema->maximum_properties)
        violated(validation, TOO_MANY_FIELDS, schema, place);
    for (void *at = json_object_iter(members); at != NULL; at = json_object_iter_next(members, at))
        validate_member(validation, schema, json_object_iter_key(at), json_object_iter_value(at),
                        place);
    for (size_t i = 0; i < schema->property_count; i++) {
        struct place missing = {.parent = place, .name = schema->properties[i].name};

        if (schema->properties[i].required && json_object_get(object, missing.name) == NULL)
            violated(validation, MISSING_FIELD, schema, &missing);
    }
}

static void validate_array(const struct validation *validation, const struct schema *schema,
                           const json_t *array, const struct place *place)
{
    size_t size = json_array_size(array);

    if (size < schema->minimum_items)
        violated(validation, TOO_FEW_ITEMS, schema, place);
    if (schema->maximum_items > 0 && size > schema->maximum_items)
        violated(validation, TOO_MANY_ITEMS, schema, place);
    for (size_t i = 0; schema->items != NULL && i < size; i++) {
        struct place item = {.parent = place, .index = i};

        validate(validation, schema->items, json_array_get(array, i), &item);
    }
}

static bool is_one_of(const char *const *values, const char *text)
{
    for (; *values != NULL; values++)
        if (strcmp(*values, text) == 0)
            return true;
    return false;
}

static void validate_string(const struct validation *validation, const struct schema *schema,
                            const json_t *string, const struct place *place)
{
    struct slice text = {json_string_value(string), json_string_length(string)};
    size_t length = json_characters(text);

    if (schema->values != NULL && !is_one_of(schema->values, text.data))
        violated(validation, NOT_ONE_OF, schema, place);
    if (length < schema->minimum_length)
        violated(validation, TOO_SHORT, schema, place);
    if (schema->maximum_length > 0 && length > schema->maximum_length)
        violated(validation, TOO_LONG, schema, place);
    if (schema->format != NULL && !schema->format->valid(text))
        violated(validation, WRONG_FORMAT, schema, place);
}

static void validate_integer(const struct validation *validation, const struct schema *schema,
                             const json_t *integer, const struct place *place)
{
    int64_t value = json_integer_value(integer);

    if (!schema->bounded)
        return;
    if (value < schema->minimum)
        violated(validation, TOO_SMALL, schema, place);
    if (value > schema->maximum)
        violated(validation, TOO_LARGE, schema, place);
}

static unsigned type_of(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return SCHEMA_OBJECT;
    case JSON_ARRAY:
        return SCHEMA_ARRAY;
    case JSON_STRING:
        return SCHEMA_STRING;
    case JSON_INTEGER:
        return SCHEMA_INTEGER;
    case JSON_TRUE:
    case JSON_FALSE:
        return SCHEMA_BOOLEAN;
    case JSON_NULL:
        return SCHEMA_NULL;
    case JSON_REAL:
        break;
    }
    return 0;
}

static void validate(const struct validation *validation, const struct schema *schema,
                     const json_t *value, const struct place *place)
{
    unsigned type = type_of(value);

    if (schema->types == 0)
        return;
    if ((schema->types & type) == 0)
        violated(validation, WRONG_TYPE, schema, place);
    else if (type == SCHEMA_OBJECT)
        validate_object(validation, schema, value, place);
    else if (type == SCHEMA_ARRAY)
        validate_array(validation, schema, value, place);
    else if (type == SCHEMA_STRING)
        validate_string(validation, schema, value, place);
    else if (type == SCHEMA_INTEGER)
        validate_integer(validation, schema, value, place);
}

bool schema_validate(const struct schema *schema, const json_t *document, enum language language,
                     struct arena *arena, struct schema_errors *errors)
{
    struct validation validation = {language, arena, errors};
    struct place root = {.parent = NULL};

    errors->count = 0;
    errors->total = 0;
    validate(&validation, schema, document, &root);
    return errors->total == 0;
}
