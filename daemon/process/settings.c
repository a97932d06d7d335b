#include "daemon/process/settings.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "common/memory.h"
#include "common/slice.h"

enum { OVERRIDES_LIMIT = 64, PATH_LIMIT = 1024, URL_LIMIT = 255, PORT_LIMIT = 65535 };

#define NUMBER(field, low, high, fallback, unit, reloads, prose)                                   \
    {                                                                                              \
#field, OPTION_NUMBER, offsetof(struct settings, field), low, high, fallback, unit,        \
            reloads, prose                                                                         \
    }
#define TEXT(field, low, high, fallback, reloads, prose)                                           \
    {                                                                                              \
#field, OPTION_TEXT, offsetof(struct settings, field), low, high, fallback, NULL, reloads, \
            prose                                                                                  \
    }
#define PATH(field, fallback, reloads, prose)                                                      \
    {                                                                                              \
#field, OPTION_PATH, offsetof(struct settings, field), 0, PATH_LIMIT, fallback, NULL,      \
            reloads, prose                                                                         \
    }

enum { RELOADS = true, RESTARTS = false };

const struct option settings_table[] = {
    PATH(state_directory, "/var/lib/bccd", RESTARTS,
         "Where bccd keeps what is its own: the embedded database, the certificates and the master "
         "key that it made, and its process id."),
    TEXT(user, 1, 32, "bccd", RESTARTS,
         "The system user that serves when bccd was started as root; otherwise not looked at."),

    TEXT(listen_address, 2, 45, "0.0.0.0", RESTARTS,
         "The numeric IPv4 or IPv6 address of the public HTTPS listener; :: takes both."),
    NUMBER(listen_port, 1, PORT_LIMIT, "8443", NULL, RESTARTS,
           "The port of the public HTTPS listener."),
    TEXT(client_listen_address, 2, 45, "127.0.0.1", RESTARTS,
         "The address of the HTTPS listener that asks for client certificates (RADIUS, "
         "machines)."),
    NUMBER(client_listen_port, 0, PORT_LIMIT, "8444", NULL, RESTARTS,
           "The port of the listener for client certificates; 0 turns it off."),
    TEXT(metrics_address, 2, 45, "127.0.0.1", RESTARTS,
         "The address of the plain HTTP listener for /metrics, /livez and /readyz. It asks for no "
         "credential: keep it on a loopback or management address."),
    NUMBER(metrics_port, 0, PORT_LIMIT, "9464", NULL, RESTARTS,
           "The port of the metrics listener; 0 turns it off."),

    PATH(certificate, "", RELOADS,
         "The server's certificate chain, PEM. Empty: one is made under the state directory."),
    PATH(certificate_key, "", RELOADS,
         "The private key of the certificate, PEM; the serving user must be able to read it."),
    PATH(client_authority, "", RELOADS,
         "The authority that client certificates are verified against, PEM. Empty: the one made "
         "under the state directory."),
    TEXT(public_url, 0, URL_LIMIT, "", RELOADS,
         "What clients reach the service by, such as https://cloud.example.cn; for links and the "
         "check of Origin. Empty: what the request's Host says."),

    TEXT(database, 0, OPTION_TEXT_LIMIT, "", RESTARTS,
         "How to reach PostgreSQL: a libpq URI (postgresql://host/name) or keywords. Empty: bccd "
         "runs a private cluster under the state directory."),
    PATH(postgresql_programs, "", RESTARTS,
         "The directory of initdb and postgres for the private cluster. Empty: the one that was "
         "found when bccd was built."),
    NUMBER(database_connections, 1, 64, "4", "connections", RESTARTS,
           "Connections to the database, for each worker and each of its roles."),
    NUMBER(database_timeout, 100, 600000, "10000", "milliseconds", RELOADS,
           "How long a query of a request may take before its connection is given up."),
    NUMBER(database_connect_timeout, 100, 120000, "5000", "milliseconds", RESTARTS,
           "How long connecting to the database may take."),
    NUMBER(database_queue_timeout, 10, 60000, "2000", "milliseconds", RESTARTS,
           "How long a request may wait for a connection before it is answered 503."),

    PATH(master_key_file, "", RESTARTS,
         "The keys that seal secrets in the database: 64 hexadecimal digits a line, the newest "
         "last. Empty: one is made under the state directory; back it up."),

    NUMBER(workers, 0, 64, "0", "processes", RESTARTS, "Workers; 0 starts one a core."),
    NUMBER(connections, 10, 200000, "10000", "connections", RELOADS,
           "Most client connections that a worker holds; fewer where its limit of open files is "
           "lower."),
    NUMBER(connections_address, 1, 200000, "1000", "connections", RELOADS,
           "Most client connections from one address that a worker holds."),
    NUMBER(handshake_timeout, 100, 120000, "10000", "milliseconds", RELOADS,
           "How long a TLS handshake may take."),
    NUMBER(head_timeout, 100, 120000, "10000", "milliseconds", RELOADS,
           "How long a request's head may take, from its first byte."),
    NUMBER(body_timeout, 100, 3600000, "60000", "milliseconds", RELOADS,
           "How long a request's body may take."),
    NUMBER(write_timeout, 100, 3600000, "60000", "milliseconds", RELOADS,
           "How long a client may take to accept an answer."),
    NUMBER(idle_timeout, 100, 3600000, "75000", "milliseconds", RELOADS,
           "How long a connection may stay open between requests."),
    NUMBER(body_minimum_rate, 0, 1048576, "1024", "bytes a second", RELOADS,
           "The slowest that a body may come, once its first five seconds are over."),
    NUMBER(body_memory, 1048576, INT64_C(17179869184), "268435456", "bytes", RELOADS,
           "Memory for all bodies and answers that a worker holds at once."),
    NUMBER(requests_rate, 1, 1000000, "200", "requests a second", RELOADS,
           "Requests that a credential may send, on the average, to each worker."),
    NUMBER(requests_burst, 1, 1000000, "400", "requests", RELOADS,
           "Requests that a credential may send at once before its rate is held."),
    NUMBER(guesses_rate, 1, 1000000, "10", "credentials a second", RELOADS,
           "Unknown keys and sessions that an address may try, on the average, with each worker. "
           "Those that a worker has seen good are let in even so."),
    NUMBER(guesses_burst, 1, 1000000, "100", "credentials", RELOADS,
           "Unknown keys and sessions that an address may try at once before its rate is held."),
    NUMBER(credential_cache_time, 0, 5000, "5000", "milliseconds", RELOADS,
           "How long a worker may trust the last look-up of a key or session."),
    NUMBER(session_idle_time, 60, 86400, "1800", "seconds", RELOADS,
           "How long a session of the console lasts without a request."),
    NUMBER(session_time, 300, 604800, "43200", "seconds", RELOADS,
           "How long a session of the console lasts at most."),
    NUMBER(idempotency_time, 24, 8760, "48", "hours", RELOADS,
           "How long the answer of an Idempotency-Key is kept."),

    NUMBER(event_window, 32, 3660, "400", "days", RELOADS,
           "How long the key of a usage event is kept, and so how old an event may be."),
    NUMBER(event_future_limit, 0, 86400, "300", "seconds", RELOADS,
           "How far the time of a usage event may lie ahead."),

    NUMBER(job_lease_time, 10, 3600, "60", "seconds", RESTARTS,
           "How long a background job may go without a commit before another host takes it."),
    NUMBER(hasher_timeout, 100, 60000, "5000", "milliseconds", RESTARTS,
           "How long a request may wait for the hash of a password."),
    NUMBER(hasher_queue, 1, 128, "64", "passwords", RESTARTS,
           "Passwords that a worker may have waiting for the hasher; more are answered 503."),
    NUMBER(drain_time, 0, 3600, "30", "seconds", RELOADS,
           "How long requests under way may take to end when bccd is stopped."),

    TEXT(time_zone, 1, 64, "Asia/Shanghai", RESTARTS,
         "The time zone of periods and bills, by its name in the tz database."),
    TEXT(issuer_name, 1, 200, "Shijiazhuang Business Cloud Center", RELOADS,
         "Who issues invoices and exports, in English."),
    TEXT(issuer_name_zh, 1, 200, "石家庄市商务云中心", RELOADS,
         "Who issues invoices and exports, in Chinese."),
    PATH(export_directory, "", RELOADS,
         "Where copies of finished export files are put. Empty: nowhere; they are always in the "
         "database."),
    TEXT(log_level, 4, 7, "info", RELOADS,
         "The least that is logged: error, warning, info or debug."),
    {.name = NULL},
};

/* What the command line sets goes over the file, at every reading. */
static struct {
    size_t count;
    struct {
        char *name, *value;
    } list[OVERRIDES_LIMIT];
} overrides;

bool settings_override(const char *assignment, char problem[OPTION_PROBLEM_SIZE])
{
    struct slice value = slice_of(assignment), name;
    struct settings trial = {0};
    size_t place = overrides.count;

    if (!slice_split(&value, '=', &name) || place == OVERRIDES_LIMIT) {
        snprintf(problem, OPTION_PROBLEM_SIZE,
                 place == OVERRIDES_LIMIT ? "--set %.200s: too many; write them to a file"
                                          : "--set %.200s: write it as NAME=VALUE",
                 assignment);
        return false;
    }
    name = slice_trim(name);
    value = slice_trim(value);
    overrides.list[place].name = memory_copy(name.data, name.length);
    overrides.list[place].value = memory_copy(value.data, value.length);
    overrides.count++;
    option_defaults(settings_table, &trial);
    bool good = option_set(settings_table, &trial, overrides.list[place].name,
                           overrides.list[place].value, problem);
    option_free(settings_table, &trial);
    return good;
}

void settings_override_none(void)
{
    while (overrides.count > 0) {
        overrides.count--;
        memory_free(overrides.list[overrides.count].name);
        memory_free(overrides.list[overrides.count].value);
    }
}

static void resolve(char **path, const char *state_directory, const char *name)
{
    char text[PATH_LIMIT + OPTION_PROBLEM_SIZE];

    if ((*path)[0] != '\0')
        return;
    snprintf(text, sizeof text, "%s/%s", state_directory, name);
    memory_free(*path);
    *path = memory_text(text);
}

/* A certificate without its key, or the other way round, stays as it is for settings_check. */
static void resolve_all(struct settings *settings)
{
    if (settings->certificate[0] == '\0' && settings->certificate_key[0] == '\0') {
        resolve(&settings->certificate, settings->state_directory, SETTINGS_CERTIFICATE);
        resolve(&settings->certificate_key, settings->state_directory, SETTINGS_CERTIFICATE_KEY);
    }
    resolve(&settings->client_authority, settings->state_directory, SETTINGS_CLIENT_AUTHORITY);
    resolve(&settings->master_key_file, settings->state_directory, SETTINGS_MASTER_KEY);
}

bool settings_read(struct settings *settings, const char *path, char problem[OPTION_PROBLEM_SIZE])
{
    memset(settings, 0, sizeof *settings);
    option_defaults(settings_table, settings);
    if (path != NULL && !option_read_file(settings_table, settings, path, problem))
        return false;
    for (size_t i = 0; i < overrides.count; i++)
        if (!option_set(settings_table, settings, overrides.list[i].name, overrides.list[i].value,
                        problem))
            return false;
    resolve_all(settings);
    return true;
}

void settings_free(struct settings *settings)
{
    option_free(settings_table, settings);
    memset(settings, 0, sizeof *settings);
}

static bool option_same(const struct option *option, const void *a, const void *b)
{
    if (option->type == OPTION_NUMBER)
        return *(const int64_t *)a == *(const int64_t *)b;
    return strcmp(*(char *const *)a, *(char *const *)b) == 0;
}

static void option_swap(const struct option *option, void *a, void *b)
{
    size_t size = option->type == OPTION_NUMBER ? sizeof(int64_t) : sizeof(char *);
    char kept[sizeof(int64_t)];

    memcpy(kept, a, size);
    memcpy(a, b, size);
    memcpy(b, kept, size);
}

bool settings_reload(struct settings *settings, const char *path,
                     void (*kept)(const struct option *option), char problem[OPTION_PROBLEM_SIZE])
{
    struct settings fresh;
    bool good = settings_read(&fresh, path, problem) && settings_check(&fresh, problem);

    for (const struct option *option = settings_table; good && option->name != NULL; option++) {
        void *before = (char *)settings + option->offset, *after = (char *)&fresh + option->offset;
        if (option->reloads)
            option_swap(option, before, after);
        else if (kept != NULL && !option_same(option, before, after))
            kept(option);
    }
    settings_free(&fresh);
    return good;
}

bool settings_made(const struct settings *settings, const char *path, const char *name)
{
    size_t length = strlen(settings->state_directory);

    return strncmp(path, settings->state_directory, length) == 0 && path[length] == '/' &&
           strcmp(path + length + 1, name) == 0;
}

int settings_log_level(const struct settings *settings)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};

    for (int i = 0; i < 4; i++)
        if (strcmp(settings->log_level, names[i]) == 0)
            return i;
    return -1;
}
