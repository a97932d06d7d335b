#include "daemon/demonstration/api.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/digest.h"
#include "common/instant.h"

enum {
    FIELDS_SIZE = 512,
    OPERATION_WAIT_MILLISECONDS = 10 * 60 * 1000,
    OPERATION_POLL_NANOSECONDS = 100 * 1000 * 1000,
};

bool api_failed(const struct api *api)
{
    return api->problem[0] != '\0';
}

void api_fail(struct api *api, const char *what)
{
    if (!api_failed(api))
        snprintf(api->problem, sizeof api->problem, "%s", what);
}

const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text == NULL ? "" : text;
}

static void make_fields(const struct api *api, const char *method, const char *path,
                        const char *media, struct slice body, char fields[FIELDS_SIZE])
{
    struct sha256 *sum = sha256_new();
    unsigned char digest[SHA256_SIZE];
    char hex[SHA256_HEX_SIZE];

    sha256_add(sum, path, strlen(path) + 1);
    sha256_add(sum, api->key, strlen(api->key) + 1);
    sha256_add(sum, api->attempt, strlen(api->attempt) + 1);
    sha256_add(sum, body.data, body.length);
    sha256_finish(&sum, digest);
    hex_write(digest, sizeof digest, hex);
    if (strcmp(method, "POST") == 0)
        snprintf(fields, FIELDS_SIZE,
                 "Authorization: Bearer %s\r\nIdempotency-Key: demo-%s\r\nContent-Type: %s\r\n",
                 api->key, hex, media);
    else
        snprintf(fields, FIELDS_SIZE, "Authorization: Bearer %s\r\n", api->key);
}

static json_t *take_answer(struct api *api, const char *method, const char *path,
                           const struct client_answer *answer)
{
    struct slice body = buffer_slice(&answer->body);

    if (answer->head.status >= 400) {
        snprintf(api->problem, sizeof api->problem, "%s %s: %d %.*s", method, path,
                 answer->head.status, (int)body.length, body.length == 0 ? "" : body.data);
        return NULL;
    }
    return body.length == 0 ? NULL : json_loadb(body.data, body.length, 0, NULL);
}

static json_t *call(struct api *api, struct client *client, const char *method, const char *path,
                    const char *media, struct slice body)
{
    struct client_answer answer;
    char fields[FIELDS_SIZE], problem[CLIENT_PROBLEM_SIZE];
    json_t *document;

    if (api_failed(api))
        return NULL;
    make_fields(api, method, path, media, body, fields);
    api->calls++;
    if (!client_request(client, method, path, slice_of(fields), body, &answer, problem)) {
        snprintf(api->problem, sizeof api->problem, "%s %s: %s", method, path, problem);
        return NULL;
    }
    document = take_answer(api, method, path, &answer);
    client_answer_free(&answer);
    return document;
}

json_t *api_get(struct api *api, const char *format, ...)
{
    char path[API_PATH_SIZE];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(path, sizeof path, format, arguments);
    va_end(arguments);
    return call(api, api->client, "GET", path, NULL, (struct slice){NULL, 0});
}

json_t *api_post(struct api *api, json_t *body, const char *format, ...)
{
    char path[API_PATH_SIZE];
    va_list arguments;
    char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
    json_t *answer;

    va_start(arguments, format);
    vsnprintf(path, sizeof path, format, arguments);
    va_end(arguments);
    answer = call(api, api->client, "POST", path, "application/json", slice_of(text));
    free(text);
    json_decref(body);
    return answer;
}

json_t *api_post_text(struct api *api, const char *media, const char *text, const char *path)
{
    return call(api, api->client, "POST", path, media, slice_of(text));
}

void api_post_radius(struct api *api, const char *path, json_t *body)
{
    char *text = json_dumps(body, JSON_COMPACT);

    json_decref(call(api, api->radius, "POST", path, "application/json", slice_of(text)));
    free(text);
    json_decref(body);
}

json_t *api_find(struct api *api, const char *format, ...)
{
    char path[API_PATH_SIZE];
    va_list arguments;
    json_t *list, *first;

    va_start(arguments, format);
    vsnprintf(path, sizeof path, format, arguments);
    va_end(arguments);
    list = call(api, api->client, "GET", path, NULL, (struct slice){NULL, 0});
    first = json_incref(json_array_get(json_object_get(list, "data"), 0));
    json_decref(list);
    return first;
}

static bool ended(struct api *api, const char *operation_id)
{
    json_t *operation = api_get(api, "/v1/operations/%s", operation_id);
    const char *state = text_of(operation, "state");
    bool done = strcmp(state, "succeeded") == 0;

    if (strcmp(state, "failed") == 0) {
        char *error = json_dumps(json_object_get(operation, "error"), JSON_ENCODE_ANY);
        snprintf(api->problem, sizeof api->problem, "%s of %s failed: %s", operation_id,
                 text_of(operation, "kind"), error == NULL ? "" : error);
        free(error);
    }
    json_decref(operation);
    return done || api_failed(api);
}

void api_wait(struct api *api, const char *operation_id)
{
    const struct timespec pause = {.tv_nsec = OPERATION_POLL_NANOSECONDS};
    int64_t until = monotonic_milliseconds() + OPERATION_WAIT_MILLISECONDS;

    while (!api_failed(api) && !ended(api, operation_id)) {
        if (monotonic_milliseconds() > until)
            api_fail(api, "an operation did not end within ten minutes; see the daemon's log");
        nanosleep(&pause, NULL);
    }
}
