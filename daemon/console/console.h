/*
 * The console: a web application in the browser, made of daemon/console/web by build.mjs and
 * embedded here. Its pages need no credential; what they show, they ask of the API.
 *
 * Assets under /a/ bear a hash of their content in their names, so what was fetched once holds for
 * ever, and a missing one is 404. The entries /console/, /docs and /login are asked for again each
 * time; what lies below /console/ the application routes itself, so its entry answers.
 */
#ifndef DAEMON_CONSOLE_CONSOLE_H
#define DAEMON_CONSOLE_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/http/request.h"

/* A part of the blob; both 0 where a coding is absent, since it would save nothing. */
struct console_bytes {
    size_t offset, size;
};

/* What is served under a path. The entity tag is the identity's and has its quotation marks; what
 * is immutable has its digest in its path. */
struct console_asset {
    const char *path, *content_type, *etag;
    bool immutable;
    struct console_bytes identity, gzip, brotli;
};

/* Sorted by path (strcmp). Made by build.mjs. */
extern const struct console_asset console_assets[];
extern const size_t console_assets_count;

enum step console_page(struct request *request, enum http1_method method, struct slice path);

#endif
