/*
 * Any bytes, as a JSON body against the body of every operation, and as the text of every
 * parameter: never a crash, and the result agrees with the counts. What is read as JSON is, in its
 * canonical spelling, the same document.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/check.h"
#include "proto/contract.h"
#include "proto/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_errors(const struct schema_errors *errors, bool valid)
{
    size_t kept = errors->total < SCHEMA_ERRORS_LIMIT ? errors->total : SCHEMA_ERRORS_LIMIT;

    check(valid == (errors->total == 0));
    check(errors->count == kept);
    for (size_t i = 0; i < errors->count; i++) {
        const struct schema_error *error = &errors->list[i];

        check(memchr(error->pointer, '\0', sizeof error->pointer) != NULL);
        check(error->pointer[0] == '\0' || error->pointer[0] == '/');
        check(error->code != NULL && error->detail != NULL && error->detail[0] != '\0');
    }
}

static void try_operation(const struct contract_operation *operation, struct slice text,
                          const json_t *document, enum language language)
{
    static struct schema_errors errors;
    struct arena *arena = arena_new();
    json_t *value;
    bool valid;

    if (operation->body != NULL && document != NULL) {
        valid = schema_validate(operation->body, document, language, arena, &errors);
        check_errors(&errors, valid);
    }
    for (size_t i = 0; i < operation->parameter_count; i++) {
        valid = schema_validate_text(operation->parameters[i].schema, text, language, arena,
                                     &errors, &value);
        check_errors(&errors, valid);
        check(valid == (value != NULL));
        json_decref(value);
    }
    arena_free(&arena);
}

static void check_canonical(const json_t *document)
{
    struct arena *arena = arena_new();
    struct slice spelled = json_canonical(arena, document);
    struct json_error error;
    json_t *again = json_read(spelled, &error);

    check(again != NULL && json_equal(document, again));
    check(slice_equal(json_canonical(arena, again), spelled));
    json_decref(again);
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = {(const char *)data, size};
    struct json_error error;
    json_t *document = json_read(text, &error);

    check(document != NULL || (error.code != NULL && error.line >= 1));
    if (document != NULL)
        check_canonical(document);
    for (size_t i = 0; i < contract_operation_count; i++)
        try_operation(&contract_operations[i], text, document,
                      size % 2 == 0 ? LANGUAGE_ENGLISH : LANGUAGE_CHINESE);
    json_decref(document);
    return 0;
}
