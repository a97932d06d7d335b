#include "daemon/process/worker.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/check.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/seal.h"
#include "daemon/http/environment.h"
#include "daemon/http/http.h"
#include "daemon/net/tls.h"
#include "daemon/process/child.h"

enum {
    WORKER_SIGNALS = 4,
    SECONDS = 1000,
    DAY = 86400,
    OTHER_DESCRIPTORS = 64, /* beside clients' and the pools': listeners, the event loop, files */
};

struct worker {
    const struct worker_environment *environment;
    struct event_base *base;
    struct network_listener *listeners[WORKER_LISTENERS];
    struct network_listener *sibling;
    struct event *signals[WORKER_SIGNALS];
    struct event *drain_deadline;
    struct seal_keys seal_keys;
};

/* As many as the limit of open files leaves: the worker must always be able to connect to the
 * database again. */
static int64_t connections_of(const struct settings *settings)
{
    int64_t limit = sysconf(_SC_OPEN_MAX);
    int64_t own = OTHER_DESCRIPTORS + DATABASE_ROLES * settings->database_connections;

    if (limit < 0 || limit - own >= settings->connections)
        return settings->connections;
    return limit - own > 1 ? limit - own : 1;
}

static struct network_limits limits_of(const struct settings *settings)
{
    return (struct network_limits){
        .handshake_timeout = settings->handshake_timeout,
        .head_timeout = settings->head_timeout,
        .body_timeout = settings->body_timeout,
        .write_timeout = settings->write_timeout,
        .idle_timeout = settings->idle_timeout,
        .body_minimum_rate = settings->body_minimum_rate,
        .connections = connections_of(settings),
        .connections_address = settings->connections_address,
        .body_memory = settings->body_memory,
    };
}

/* What requests read of the settings; again after each reload. */
static void share_settings(const struct settings *settings)
{
    struct http_environment *environment = http_environment();

    environment->query_timeout = settings->database_timeout;
    environment->credential_cache_time = settings->credential_cache_time;
    environment->requests_rate = settings->requests_rate;
    environment->requests_burst = settings->requests_burst;
    environment->guesses_rate = settings->guesses_rate;
    environment->guesses_burst = settings->guesses_burst;
    environment->session_idle_time = settings->session_idle_time;
    environment->session_time = settings->session_time;
    environment->event_window = settings->event_window * DAY;
    environment->event_future_limit = settings->event_future_limit;
    environment->public_url = settings->public_url;
    environment->time_zone = settings->time_zone;
}

static SSL_CTX *make_context(const struct worker *worker, enum worker_listener kind)
{
    const struct settings *settings = worker->environment->settings;
    const struct tls_files files = {
        .certificate = settings->certificate,
        .key = settings->certificate_key,
        .client_authority = kind == WORKER_CLIENT ? settings->client_authority : NULL,
    };
    struct tls_ticket_keys keys;
    char problem[TLS_PROBLEM_SIZE];

    memcpy(keys.bytes, worker->environment->ticket_keys, sizeof keys.bytes);
    SSL_CTX *context = tls_server_new(&files, &keys, problem);
    if (context == NULL)
        log_error("certificate_refused", log_text("problem", problem));
    return context;
}

/* Each listener with a context of its own; the metrics listener speaks plain HTTP. False when a
 * certificate cannot be used. */
static bool listen_all(struct worker *worker)
{
    for (int kind = 0; kind < WORKER_LISTENERS; kind++) {
        int descriptor = worker->environment->listeners[kind];
        SSL_CTX *context = NULL;
        if (descriptor < 0)
            continue;
        if (kind != WORKER_METRICS &&
            (context = make_context(worker, (enum worker_listener)kind)) == NULL)
            return false;
        worker->listeners[kind] =
            network_listen(http_environment()->network, descriptor, context, kind);
        SSL_CTX_free(context);
    }
    return true;
}

/* New connections get the new certificates; those there are keep theirs. A file that is wrong
 * leaves everything as it was. */
static void reload_certificates(struct worker *worker)
{
    for (int kind = 0; kind < WORKER_METRICS; kind++) {
        SSL_CTX *context;
        if (worker->listeners[kind] == NULL ||
            (context = make_context(worker, (enum worker_listener)kind)) == NULL)
            continue;
        network_listener_set_tls(worker->listeners[kind], context);
        if (kind == WORKER_PUBLIC && worker->sibling != NULL)
            network_listener_set_tls(worker->sibling, context);
        SSL_CTX_free(context);
    }
}

static void reload(struct worker *worker)
{
    struct settings *settings = worker->environment->settings;
    char problem[OPTION_PROBLEM_SIZE];

    if (!settings_reload(settings, worker->environment->settings_path, NULL, problem)) {
        log_error("reload_refused", log_text("problem", problem));
        return;
    }
    struct network_limits limits = limits_of(settings);
    log_set_level((enum log_level)settings_log_level(settings));
    share_settings(settings);
    network_set_limits(http_environment()->network, &limits);
    reload_certificates(worker);
    log_info("reloaded");
}

static void stop(void *context)
{
    struct worker *worker = context;
    event_base_loopbreak(worker->base);
}

static void drain_ended(evutil_socket_t descriptor, short what, void *context)
{
    (void)descriptor;
    (void)what;
    log_warning("drain_ended",
                log_number("connections_cut", network_connections(http_environment()->network)));
    stop(context);
}

/* Once all who hold a socket have closed it, new connections are refused. */
static void close_sockets(const struct worker_environment *environment)
{
    for (int kind = 0; kind < WORKER_LISTENERS; kind++)
        if (environment->listeners[kind] >= 0)
            close(environment->listeners[kind]);
    if (environment->sibling_listener >= 0)
        close(environment->sibling_listener);
}

static void drain(struct worker *worker)
{
    const struct timeval limit = {.tv_sec = worker->environment->settings->drain_time};

    if (http_environment()->draining)
        return;
    http_environment()->draining = true;
    log_info("draining",
             log_number("connections", network_connections(http_environment()->network)));
    evtimer_add(worker->drain_deadline, &limit);
    network_drain(http_environment()->network, stop, worker);
    close_sockets(worker->environment);
}

/* A sibling crashes again and again: its queue of connections is served from here as well. */
static void serve_sibling(struct worker *worker)
{
    SSL_CTX *context;

    if (worker->sibling != NULL || worker->environment->sibling_listener < 0 ||
        http_environment()->draining || (context = make_context(worker, WORKER_PUBLIC)) == NULL)
        return;
    worker->sibling = network_listen(http_environment()->network,
                                     worker->environment->sibling_listener, context, WORKER_PUBLIC);
    SSL_CTX_free(context);
    log_warning("serving_sibling");
}

static void on_signal(evutil_socket_t number, short what, void *context)
{
    struct worker *worker = context;

    (void)what;
    if (number == SIGHUP)
        reload(worker);
    else if (number == SIGUSR1)
        serve_sibling(worker);
    else
        drain(worker);
}

static void take_signals(struct worker *worker)
{
    static const int numbers[WORKER_SIGNALS] = {SIGHUP, SIGUSR1, SIGTERM, SIGINT};

    for (size_t i = 0; i < WORKER_SIGNALS; i++) {
        worker->signals[i] = evsignal_new(worker->base, numbers[i], on_signal, worker);
        evsignal_add(worker->signals[i], NULL);
    }
    child_take_reloads();
    worker->drain_deadline = evtimer_new(worker->base, drain_ended, worker);
}

static struct database *connect_database(struct worker *worker)
{
    const struct settings *settings = worker->environment->settings;

    const struct database_settings database = {
        .uri = worker->environment->database_uri,
        .role = {"bccd_tenant", "bccd_operator", "bccd_auth"},
        .connections = (int)settings->database_connections,
        .connect_timeout = settings->database_connect_timeout,
        .queue_timeout = settings->database_queue_timeout,
    };

    return database_new(worker->base, &database, http_database_done, NULL);
}

static bool start(struct worker *worker)
{
    const struct settings *settings = worker->environment->settings;
    struct http_environment *environment = http_environment();
    struct network_limits limits = limits_of(settings);
    char problem[OPTION_PROBLEM_SIZE];

    if (!seal_keys_read(settings->master_key_file, &worker->seal_keys, problem, sizeof problem)) {
        log_error("master_key_refused", log_text("problem", problem));
        return false;
    }
    environment->base = worker->base;
    environment->seal_keys = &worker->seal_keys;
    environment->public_listener = WORKER_PUBLIC;
    environment->client_listener = WORKER_CLIENT;
    environment->metrics_listener = WORKER_METRICS;
    share_settings(settings);
    environment->database = connect_database(worker);
    database_listen(environment->database, "bccd_credentials", http_credential_changed, NULL);
    environment->hasher =
        hasher_client_new(worker->base, worker->environment->hasher, settings->hasher_timeout,
                          settings->hasher_queue, http_hasher_done);
    environment->network = network_new(worker->base, &limits, &http_network_handler);
    take_signals(worker);
    return listen_all(worker);
}

static void end(struct worker *worker)
{
    struct http_environment *environment = http_environment();

    network_free(&environment->network);
    hasher_client_free(&environment->hasher);
    database_free(&environment->database);
    for (size_t i = 0; i < WORKER_SIGNALS; i++)
        if (worker->signals[i] != NULL)
            event_free(worker->signals[i]);
    if (worker->drain_deadline != NULL)
        event_free(worker->drain_deadline);
    event_base_free(worker->base);
}

int worker_run(const struct worker_environment *environment)
{
    struct worker worker = {.environment = environment, .base = event_base_new()};
    bool good;

    check(worker.base != NULL);
    good = start(&worker);
    if (good) {
        log_info("worker_started", log_number("number", environment->number));
        event_base_dispatch(worker.base);
    }
    end(&worker);
    log_info("worker_ended");
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
