/*
 * What every request of a worker shares, set once by the worker before its first connection.
 */
#ifndef DAEMON_HTTP_ENVIRONMENT_H
#define DAEMON_HTTP_ENVIRONMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/seal.h"
#include "daemon/db/database.h"
#include "daemon/http/hasher_client.h"
#include "daemon/net/connection.h"

struct http_environment {
    struct event_base *base;
    struct network *network;
    struct database *database;
    struct hasher_client *hasher;
    const struct seal_keys *seal_keys;
    int public_listener, client_listener, metrics_listener; /* kinds given to network_listen */
    int64_t query_timeout;                                  /* milliseconds */
    int64_t credential_cache_time;                          /* milliseconds, 0 to 5000 */
    int64_t requests_rate;                                  /* a second and credential */
    int64_t requests_burst;
    int64_t guesses_rate; /* a second and address */
    int64_t guesses_burst;
    int64_t session_idle_time, session_time; /* seconds */
    int64_t event_window;                    /* seconds before now */
    int64_t event_future_limit;              /* seconds after now */
    const char *public_url;                  /* "" when it is taken from Host */
    const char *time_zone;                   /* the operator's */
    bool draining;
};

/* The one of this process. */
struct http_environment *http_environment(void);

#endif
