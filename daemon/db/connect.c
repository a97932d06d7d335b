#include "daemon/db/connect.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/digest.h"
#include "common/slice.h"

enum {
    PARAMETERS_LIMIT = 16,
    HOST_LIMIT = 256,
    /* Milliseconds. */
    PAUSE_FIRST = 100,
    PAUSE_LIMIT = 5000,
    PAUSE_DOUBLINGS = 6,
};

struct parameters {
    size_t count;
    const char *names[PARAMETERS_LIMIT];
    const char *values[PARAMETERS_LIMIT];
};

static void add(struct parameters *parameters, const char *name, const char *value)
{
    check(parameters->count + 1 < PARAMETERS_LIMIT);
    parameters->names[parameters->count] = name;
    parameters->values[parameters->count++] = value;
}

/* libpq lets the expanded dbname override what stands before it, and what stands behind override
 * that: defaults first, the role last. */
static struct parameters parameters_of(const char *uri, const char *role, const char *timeout)
{
    struct parameters parameters = {0};

    add(&parameters, "fallback_application_name", "bccd");
    add(&parameters, "connect_timeout", timeout);
    add(&parameters, "keepalives", "1");
    add(&parameters, "keepalives_idle", "2");
    add(&parameters, "keepalives_interval", "1");
    add(&parameters, "keepalives_count", "2");
    add(&parameters, "tcp_user_timeout", "3000");
    add(&parameters, "target_session_attrs", "read-write");
    add(&parameters, "client_encoding", "UTF8");
    add(&parameters, "dbname", uri);
    add(&parameters, "user", role);
    return parameters;
}

PGconn *connect_start(const char *uri, const char *role)
{
    struct parameters parameters = parameters_of(uri, role, NULL);
    PGconn *connection = PQconnectStartParams(parameters.names, parameters.values, 1);

    check(connection != NULL);
    return connection;
}

PGconn *connect_wait(const char *uri, const char *role)
{
    char timeout[16];
    snprintf(timeout, sizeof timeout, "%d", CONNECT_WAIT);
    struct parameters parameters = parameters_of(uri, role, timeout);
    PGconn *connection = PQconnectdbParams(parameters.names, parameters.values, 1);

    check(connection != NULL);
    return connection;
}

const char *connect_objection(int server_version, const char *synchronous_commit)
{
    if (server_version < CONNECT_SERVER_VERSION)
        return "the server is older than PostgreSQL 14; upgrade it";
    if (strcmp(synchronous_commit, "on") != 0 && strcmp(synchronous_commit, "remote_apply") != 0)
        return "synchronous_commit is below on, so an acknowledged write could be lost; set it to "
               "on or remote_apply for the server, the database and the role";
    return NULL;
}

int64_t connect_pause(unsigned failures)
{
    uint16_t random;

    if (failures == 0)
        return 0;
    unsigned doublings = failures - 1 < PAUSE_DOUBLINGS ? failures - 1 : PAUSE_DOUBLINGS;
    int64_t pause = (int64_t)PAUSE_FIRST << doublings;
    if (pause > PAUSE_LIMIT)
        pause = PAUSE_LIMIT;
    random_bytes(&random, sizeof random);
    return pause / 2 + pause / 2 * random / UINT16_MAX;
}

void connect_keyword(struct buffer *text, const char *name, const char *value)
{
    buffer_append_format(text, "%s%s='", text->length > 0 ? " " : "", name);
    for (; *value != '\0'; value++) {
        if (*value == '\'' || *value == '\\')
            buffer_append_character(text, '\\');
        buffer_append_character(text, *value);
    }
    buffer_append_character(text, '\'');
}

static bool needs_address(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];

    return host[0] != '\0' && host[0] != '/' && host[0] != '@' &&
           inet_pton(AF_INET, host, address) != 1 && inet_pton(AF_INET6, host, address) != 1;
}

/* Adds the first address of a name; nothing for a socket's directory or an address. */
static bool address_append(struct buffer *addresses, struct slice name,
                           char problem[CONNECT_PROBLEM_SIZE])
{
    char host[HOST_LIMIT], address[INET6_ADDRSTRLEN];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;

    if (name.length >= sizeof host) {
        snprintf(problem, CONNECT_PROBLEM_SIZE, "the database's host name is too long");
        return false;
    }
    snprintf(host, sizeof host, "%.*s", (int)name.length, name.length > 0 ? name.data : "");
    if (!needs_address(host))
        return true;
    int failure = getaddrinfo(host, NULL, &hints, &found);
    if (failure == 0)
        failure = getnameinfo(found->ai_addr, found->ai_addrlen, address, sizeof address, NULL, 0,
                              NI_NUMERICHOST);
    if (found != NULL)
        freeaddrinfo(found);
    if (failure != 0) {
        snprintf(problem, CONNECT_PROBLEM_SIZE,
                 "the database's host %s has no address (%s); correct it, or add hostaddr", host,
                 gai_strerror(failure));
        return false;
    }
    buffer_append_text(addresses, address);
    return true;
}

/* One address for each of the hosts, in their order, as libpq wants it. */
static bool addresses_append(struct buffer *addresses, const char *hosts,
                             char problem[CONNECT_PROBLEM_SIZE])
{
    struct slice rest = slice_of(hosts), host;

    while (slice_split(&rest, ',', &host)) {
        if (!address_append(addresses, host, problem))
            return false;
        buffer_append_character(addresses, ',');
    }
    return address_append(addresses, rest, problem);
}

static bool keywords_append(struct buffer *text, const PQconninfoOption *options,
                            char problem[CONNECT_PROBLEM_SIZE])
{
    const char *hosts = NULL;
    bool good = true, addressed = false;

    for (const PQconninfoOption *option = options; option->keyword != NULL; option++) {
        if (option->val == NULL)
            continue;
        connect_keyword(text, option->keyword, option->val);
        if (strcmp(option->keyword, "host") == 0)
            hosts = option->val;
        if (strcmp(option->keyword, "hostaddr") == 0)
            addressed = true;
    }
    if (hosts != NULL && !addressed) {
        struct buffer addresses = buffer_make(CONNECT_URI_SIZE);
        good = addresses_append(&addresses, hosts, problem);
        if (good && addresses.length > 0)
            connect_keyword(text, "hostaddr", addresses.data);
        buffer_free(&addresses);
    }
    return good;
}

bool connect_resolve(const char *uri, char resolved[CONNECT_URI_SIZE],
                     char problem[CONNECT_PROBLEM_SIZE])
{
    char *message = NULL;
    PQconninfoOption *options = PQconninfoParse(uri, &message);

    if (options == NULL) {
        snprintf(problem, CONNECT_PROBLEM_SIZE, "the database's URI is wrong: %s",
                 message == NULL ? "out of memory" : message);
        PQfreemem(message);
        return false;
    }
    struct buffer text = buffer_make(CONNECT_URI_SIZE - 1);
    bool good = keywords_append(&text, options, problem);
    if (good && buffer_overflowed(&text)) {
        snprintf(problem, CONNECT_PROBLEM_SIZE, "the database's URI is too long; at most %d bytes",
                 CONNECT_URI_SIZE);
        good = false;
    }
    if (good)
        snprintf(resolved, CONNECT_URI_SIZE, "%s", text.data == NULL ? "" : text.data);
    buffer_free(&text);
    PQconninfoFree(options);
    return good;
}
