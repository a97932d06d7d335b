#include "proto/contract.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/check.h"

/* The segments of a path; false when there are too many, or it does not begin with a slash. */
static bool split_path(struct slice path, struct slice segments[CONTRACT_SEGMENTS_LIMIT],
                       size_t *count)
{
    struct slice segment = {0};

    *count = 0;
    if (path.length == 0 || path.data[0] != '/')
        return false;
    path = (struct slice){path.data + 1, path.length - 1};
    if (path.length == 0)
        return true;
    for (bool more = true; more;) {
        more = slice_split(&path, '/', &segment);
        if (*count == CONTRACT_SEGMENTS_LIMIT)
            return false;
        segments[(*count)++] = more ? segment : path;
    }
    return true;
}

/* An empty segment is no value of a parameter. */
static bool path_matches(const struct contract_operation *operation, const struct slice *segments)
{
    for (size_t i = 0; i < operation->segment_count; i++)
        if (operation->segments[i] == NULL ? segments[i].length == 0
                                           : !slice_is(segments[i], operation->segments[i]))
            return false;
    return true;
}

static const char *method_name(enum http1_method method)
{
    static const char *const NAMES[] = {
        [HTTP1_GET] = "GET, HEAD",   [HTTP1_HEAD] = "HEAD",   [HTTP1_POST] = "POST",
        [HTTP1_PUT] = "PUT",         [HTTP1_PATCH] = "PATCH", [HTTP1_DELETE] = "DELETE",
        [HTTP1_OPTIONS] = "OPTIONS",
    };

    check(method < HTTP1_OTHER);
    return NAMES[method];
}

static void take_values(struct contract_route *route, const struct slice *segments)
{
    const struct contract_operation *operation = &contract_operations[route->operation];
    size_t count = 0;

    for (size_t i = 0; i < operation->segment_count; i++)
        if (operation->segments[i] == NULL)
            route->values[count++] = segments[i];
}

static bool same_path(size_t first, size_t other)
{
    return strcmp(contract_operations[first].path, contract_operations[other].path) == 0;
}

/* The methods of a path, whose operations are from `first` on. */
static void list_methods(size_t first, size_t end, char allow[CONTRACT_ALLOW_SIZE])
{
    size_t length = 0;

    for (size_t i = first; i < end && same_path(first, i); i++) {
        length +=
            (size_t)snprintf(allow + length, CONTRACT_ALLOW_SIZE - length, "%s%s",
                             length == 0 ? "" : ", ", method_name(contract_operations[i].method));
        check(length < CONTRACT_ALLOW_SIZE);
    }
}

static enum contract_match find_method(enum http1_method method, size_t first, size_t end,
                                       const struct slice *segments, struct contract_route *route)
{
    enum http1_method wanted = method == HTTP1_HEAD ? HTTP1_GET : method;

    for (size_t i = first; i < end && same_path(first, i); i++)
        if (contract_operations[i].method == wanted) {
            route->operation = i;
            take_values(route, segments);
            return CONTRACT_FOUND;
        }
    list_methods(first, end, route->allow);
    return CONTRACT_NO_METHOD;
}

enum contract_match contract_find(enum http1_method method, struct slice path,
                                  struct contract_route *route)
{
    struct slice segments[CONTRACT_SEGMENTS_LIMIT] = {0};
    size_t count, end;

    *route = (struct contract_route){.operation = 0};
    if (!split_path(path, segments, &count))
        return CONTRACT_NO_PATH;
    end = contract_buckets[count + 1];
    for (size_t i = contract_buckets[count]; i < end; i++)
        if (path_matches(&contract_operations[i], segments))
            return find_method(method, i, end, segments, route);
    return CONTRACT_NO_PATH;
}

static int compare_permission(const void *key, const void *row)
{
    const struct slice *name = key;
    const char *other = ((const struct contract_permission *)row)->name;
    size_t length = strlen(other);
    int order = memcmp(name->data, other, name->length < length ? name->length : length);

    if (order != 0)
        return order;
    return (name->length > length) - (name->length < length);
}

bool contract_permission_known(struct slice permission)
{
    return permission.length > 0 &&
           bsearch(&permission, contract_permissions, contract_permission_count,
                   sizeof *contract_permissions, compare_permission) != NULL;
}
