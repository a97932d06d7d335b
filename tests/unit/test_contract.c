#include "proto/contract.h"

#include <stdio.h>

#include "common/buffer.h"
#include "proto/json.h"
#include "tests/unit/unit.h"

/* "/v1/tenants/{tenant_id}" with "value-0", "value-1" ... for its parameters. */
static void spell_path(const struct contract_operation *operation, struct buffer *path)
{
    size_t count = 0;

    *path = buffer_make(1024);
    for (size_t i = 0; i < operation->segment_count; i++)
        if (operation->segments[i] != NULL)
            buffer_append_format(path, "/%s", operation->segments[i]);
        else
            buffer_append_format(path, "/value-%zu", count++);
    if (operation->segment_count == 0)
        buffer_append_character(path, '/');
}

static void expect_values(const struct contract_operation *operation,
                          const struct contract_route *route)
{
    char value[32];

    for (size_t i = 0; i < operation->parameter_count; i++) {
        if (operation->parameters[i].place != CONTRACT_PATH)
            break;
        snprintf(value, sizeof value, "value-%zu", i);
        EXPECT(slice_is(route->values[i], value));
    }
}

TEST(contract_finds_every_operation)
{
    for (size_t i = 0; i < contract_operation_count; i++) {
        const struct contract_operation *operation = &contract_operations[i];
        struct contract_route route;
        struct buffer path;

        spell_path(operation, &path);
        EXPECT_NUMBER(contract_find(operation->method, buffer_slice(&path), &route),
                      CONTRACT_FOUND);
        EXPECT_NUMBER(route.operation, i);
        expect_values(operation, &route);
        EXPECT_NUMBER(contract_find(HTTP1_OTHER, buffer_slice(&path), &route), CONTRACT_NO_METHOD);
        EXPECT(route.allow[0] != '\0');
        if (operation->method == HTTP1_GET) {
            EXPECT(strncmp(route.allow, "GET, HEAD", 9) == 0);
            EXPECT_NUMBER(contract_find(HTTP1_HEAD, buffer_slice(&path), &route), CONTRACT_FOUND);
            EXPECT_NUMBER(route.operation, i);
        }
        buffer_append_character(&path, '/');
        EXPECT_NUMBER(contract_find(operation->method, buffer_slice(&path), &route),
                      CONTRACT_NO_PATH);
        buffer_free(&path);
    }
}

TEST(contract_knows_no_other_path)
{
    static const char *const PATHS[] = {
        "",
        "*",
        "/",
        "//",
        "livez",
        "/livez/",
        "//livez",
        "/Livez",
        "/livez/x",
        "/%6civez",
        "/v1",
        "/v1/",
        "/v1//",
        "/no/such/path",
        "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p",
    };
    struct contract_route route;

    for (size_t i = 0; i < sizeof PATHS / sizeof *PATHS; i++)
        if (contract_find(HTTP1_GET, slice_of(PATHS[i]), &route) != CONTRACT_NO_PATH)
            unit_failed(__FILE__, __LINE__, "\"%s\" is found", PATHS[i]);
}

TEST(contract_allows_what_a_path_has)
{
    struct contract_route route;

    EXPECT_NUMBER(contract_find(HTTP1_POST, slice_of("/livez"), &route), CONTRACT_NO_METHOD);
    EXPECT_TEXT(route.allow, "GET, HEAD");
    EXPECT_NUMBER(contract_find(HTTP1_GET, slice_of("/livez"), &route), CONTRACT_FOUND);
    EXPECT_TEXT(contract_operations[route.operation].id, "get_liveness");
    EXPECT_NUMBER(contract_operations[route.operation].audience, CONTRACT_PUBLIC);
    EXPECT_NUMBER(contract_operations[route.operation].success, 200);
}

TEST(contract_buckets_hold_their_segment_counts)
{
    EXPECT_NUMBER(contract_buckets[0], 0);
    EXPECT_NUMBER(contract_buckets[CONTRACT_SEGMENTS_LIMIT + 1], contract_operation_count);
    for (size_t count = 0; count <= CONTRACT_SEGMENTS_LIMIT; count++)
        for (size_t i = contract_buckets[count]; i < contract_buckets[count + 1]; i++)
            EXPECT_NUMBER(contract_operations[i].segment_count, count);
}

static void expect_parameter(const struct contract_operation *operation,
                             const struct contract_parameter *parameter, struct arena *arena)
{
    static struct schema_errors errors;
    json_t *value;

    EXPECT(parameter->schema != NULL && parameter->bind != NULL);
    if (parameter->fallback == NULL)
        return;
    if (!schema_validate_text(parameter->schema, slice_of(parameter->fallback), LANGUAGE_ENGLISH,
                              arena, &errors, &value))
        unit_failed(__FILE__, __LINE__, "%s: the default of %s is not valid", operation->id,
                    parameter->name);
    json_decref(value);
}

TEST(contract_operations_are_sound)
{
    struct arena *arena = arena_new();

    for (size_t i = 0; i < contract_operation_count; i++) {
        const struct contract_operation *operation = &contract_operations[i];
        bool limit = false, cursor = false;

        for (size_t j = 0; j < operation->parameter_count; j++) {
            expect_parameter(operation, &operation->parameters[j], arena);
            limit |= strcmp(operation->parameters[j].bind, "limit") == 0;
            cursor |= strcmp(operation->parameters[j].bind, "cursor") == 0;
        }
        EXPECT(operation->list == NULL || (limit && cursor));
        EXPECT(operation->body == NULL || operation->media_count > 0);
        EXPECT(operation->permission == NULL ||
               contract_permission_known(slice_of(operation->permission)));
        EXPECT(operation->success >= 200 && operation->success < 400);
        EXPECT(operation->body_limit > 0);
    }
    arena_free(&arena);
}

TEST(contract_permissions_are_known_exactly)
{
    EXPECT(!contract_permission_known(slice_of("")));
    EXPECT(!contract_permission_known(slice_of("no:such")));
    for (size_t i = 0; i < contract_permission_count; i++) {
        struct slice name = slice_of(contract_permissions[i].name);
        struct slice shorter = {name.data, name.length - 1};
        char longer[128];

        snprintf(longer, sizeof longer, "%sx", name.data);
        EXPECT(contract_permission_known(name));
        EXPECT(!contract_permission_known(shorter));
        EXPECT(!contract_permission_known(slice_of(longer)));
    }
}

/* The document says what the tables say. */
TEST(contract_document_holds_the_operations)
{
    static const char *const METHODS[] = {[HTTP1_GET] = "get",
                                          [HTTP1_POST] = "post",
                                          [HTTP1_PUT] = "put",
                                          [HTTP1_PATCH] = "patch",
                                          [HTTP1_DELETE] = "delete"};
    json_t *document = json_loadb(contract_document, contract_document_length, 0, NULL);
    json_t *paths = json_object_get(document, "paths");

    EXPECT_TEXT(json_member_text(document, "openapi"), "3.1.0");
    for (size_t i = 0; i < contract_operation_count; i++) {
        const struct contract_operation *operation = &contract_operations[i];
        json_t *item = json_object_get(paths, operation->path);
        json_t *node = json_object_get(item, METHODS[operation->method]);

        EXPECT_TEXT(json_member_text(node, "operationId"), operation->id);
        EXPECT(json_object_get(node, "x-audience") == NULL);
        EXPECT((json_object_get(node, "x-permission") != NULL) == (operation->permission != NULL));
    }
    json_decref(document);
}
