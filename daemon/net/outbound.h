/*
 * HTTPS requests to other systems, on an event loop: libcurl does the work, which is at home with
 * every server there is. One request, one answer; no redirects, no proxies, no cookies.
 */
#ifndef DAEMON_NET_OUTBOUND_H
#define DAEMON_NET_OUTBOUND_H

#include <event2/event.h>
#include <stddef.h>
#include <stdint.h>

#include "common/slice.h"

enum { OUTBOUND_BODY_LIMIT = 4 * 1024 * 1024 }; /* bytes of an answer; what is longer is lost */

struct outbound;

/* All of it is copied. */
struct outbound_request {
    const char *method, *url;
    const char *const *fields;       /* "Name: value", ended by NULL */
    struct slice body;               /* empty: none */
    const char *username, *password; /* Basic; NULL: none */
    const char *authority; /* PEM of those that may sign its certificate; NULL: the system's */
    int64_t timeout;       /* milliseconds for all of it */
};

enum outbound_result {
    OUTBOUND_ANSWERED,
    OUTBOUND_UNSENT, /* no byte of the request went out */
    OUTBOUND_LOST,   /* the server may have it, and did not answer whole or in time */
};

struct outbound_answer {
    enum outbound_result result;
    int status;          /* of OUTBOUND_ANSWERED: 100 to 999 */
    struct slice body;   /* likewise */
    int64_t retry_after; /* seconds; 0: the server said nothing of it */
    const char *problem; /* of the others: what went wrong, for people */
};

/* Called once for each request; what it is shown is gone when it returns. */
typedef void (*outbound_handler)(void *context, const struct outbound_answer *answer);

struct outbound *outbound_new(struct event_base *base);

/* What is under way is dropped, and its handlers are not called. */
void outbound_free(struct outbound **outbound);

void outbound_send(struct outbound *outbound, const struct outbound_request *request,
                   outbound_handler handler, void *context);

#endif
