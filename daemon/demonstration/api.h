/*
 * Calls of the API by the demonstration. Failures are sticky: after one every further call does
 * nothing and gives NULL, and api->problem says what was refused, so the code reads as if nothing
 * could fail.
 */
#ifndef DAEMON_DEMONSTRATION_API_H
#define DAEMON_DEMONSTRATION_API_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/identifier.h"
#include "daemon/net/client.h"

enum { API_PROBLEM_SIZE = 2048, API_PATH_SIZE = 512 };

struct api {
    struct client *client;         /* of the public listener */
    struct client *radius;         /* of the listener for client certificates */
    const char *key;               /* who calls */
    char attempt[IDENTIFIER_SIZE]; /* goes into the keys of POSTs: another one does anew */
    int64_t calls;
    char problem[API_PROBLEM_SIZE]; /* "" while all is well */
};

bool api_failed(const struct api *api);
void api_fail(struct api *api, const char *what);

/* Answers are new references; NULL after a failure, or where the answer has no body. */
json_t *api_get(struct api *api, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* `body` is taken over and may be NULL. Every POST bears a key made from path, body, caller and
 * attempt, so a repeated run gets the stored answers. */
json_t *api_post(struct api *api, json_t *body, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
json_t *api_post_text(struct api *api, const char *media, const char *text, const char *path);

/* To the RADIUS listener; `body` is taken over. */
void api_post_radius(struct api *api, const char *path, json_t *body);

/* The first of a list, or NULL when it is empty; a new reference. */
json_t *api_find(struct api *api, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Waits for a long-running operation to end; its failure is the call's. */
void api_wait(struct api *api, const char *operation_id);

const char *text_of(const json_t *object, const char *name);

#endif
