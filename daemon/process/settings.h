/*
 * The configuration: one struct, filled from the option table of settings.c. Times are milliseconds
 * unless the table's unit says otherwise.
 */
#ifndef DAEMON_PROCESS_SETTINGS_H
#define DAEMON_PROCESS_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/option.h"

struct settings {
    char *state_directory;
    char *user; /* that children change to when started as root */

    char *listen_address;
    int64_t listen_port;
    char *client_listen_address; /* client certificates (RADIUS); port 0 turns it off */
    int64_t client_listen_port;
    char *metrics_address;
    int64_t metrics_port;

    char *certificate; /* PEM; empty: made under the state directory */
    char *certificate_key;
    char *client_authority; /* CA of client certificates; empty: that made under the state directory
                             */
    char *public_url; /* "https://host:port"; for links and the Origin check; empty: from Host */

    char *database; /* empty: the embedded cluster */
    char *postgresql_programs;
    int64_t database_connections; /* a worker and role */
    int64_t database_timeout, database_connect_timeout, database_queue_timeout;

    char *master_key_file; /* empty: made under the state directory */

    int64_t workers; /* 0: one a core */
    int64_t connections, connections_address;
    int64_t handshake_timeout, head_timeout, body_timeout, write_timeout, idle_timeout;
    int64_t body_minimum_rate;
    int64_t body_memory;
    int64_t requests_rate; /* a second and credential */
    int64_t requests_burst;
    int64_t guesses_rate; /* a second and address */
    int64_t guesses_burst;
    int64_t credential_cache_time;
    int64_t session_idle_time, session_time; /* seconds */
    int64_t idempotency_time;                /* hours */

    int64_t event_window;       /* days that an event's key is kept after its time */
    int64_t event_future_limit; /* seconds that an event may be ahead */

    int64_t job_lease_time; /* seconds */
    int64_t hasher_timeout, hasher_queue;
    int64_t drain_time; /* seconds */

    char *time_zone;   /* the operator's, of periods and bills */
    char *issuer_name; /* on invoices and exports */
    char *issuer_name_zh;
    char *export_directory; /* copies of export files; empty: none */
    char *log_level;
};

extern const struct option settings_table[];

/* Where what is not configured is made, below the state directory. */
#define SETTINGS_CERTIFICATE "tls/server.pem"
#define SETTINGS_CERTIFICATE_KEY "tls/server.key"
#define SETTINGS_CLIENT_AUTHORITY "tls/ca.pem"
#define SETTINGS_MASTER_KEY "master.key"

/* Notes one "NAME=VALUE" of the command line, which goes over the file at every settings_read of
 * this process and its children. */
bool settings_override(const char *assignment, char problem[OPTION_PROBLEM_SIZE]);
void settings_override_none(void);

/* Fallbacks, then the file (NULL: none), then the overrides; the paths of certificates and master
 * key that are empty become those under the state directory. False with "file:line: what; remedy".
 * To be ended with settings_free either way. */
bool settings_read(struct settings *settings, const char *path, char problem[OPTION_PROBLEM_SIZE]);
/* What the table cannot say alone: time zone, port clashes, unreadable files. One line a problem.
 */
bool settings_check(const struct settings *settings, char problem[OPTION_PROBLEM_SIZE]);
void settings_free(struct settings *settings);

/* Reads and checks again, and takes up what reloads; the rest keeps its value and its place until a
 * restart, and `kept` (NULL: nobody) is told of what was changed there. False, and nothing was
 * taken up, with the problem. Texts that reload are freed. */
bool settings_reload(struct settings *settings, const char *path,
                     void (*kept)(const struct option *option), char problem[OPTION_PROBLEM_SIZE]);

/* True when `path` is the one that bccd makes itself: `name` (SETTINGS_...) below the state
 * directory. */
bool settings_made(const struct settings *settings, const char *path, const char *name);

/* As enum log_level of common/log.h; -1 for a text that is none. */
int settings_log_level(const struct settings *settings);

#endif
