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
    LISTS = 3,
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

/* The list from its element number `turn` on, and then those before that one. */
static void rotate(struct buffer *text, const char *list, unsigned turn)
{
    const char *from = list;

    for (; turn > 0; turn--)
        from = strchr(from, ',') == NULL ? list : strchr(from, ',') + 1;
    buffer_append_text(text, from);
    if (from > list)
        buffer_append_format(text, ",%.*s", (int)(from - list - 1), list);
}

PGconn *connect_start(const char *uri, const char *role, unsigned turn)
{
    static const char *const lists[] = {"host", "hostaddr", "port"};
    struct parameters parameters = parameters_of(uri, role, NULL);
    PQconninfoOption *options = PQconninfoParse(uri, NULL);
    struct buffer turned[LISTS];

    for (size_t i = 0; i < LISTS; i++) {
        turned[i] = buffer_make(CONNECT_URI_SIZE);
        for (const PQconninfoOption *option = options; option != NULL && option->keyword != NULL;
             option++)
            if (strcmp(option->keyword, lists[i]) == 0 && option->val != NULL)
                rotate(&turned[i], option->val, turn);
        if (turned[i].length > 0)
            add(&parameters, lists[i], turned[i].data);
    }
    PGconn *connection = PQconnectStartParams(parameters.names, parameters.values, 1);
    check(connection != NULL);
    for (size_t i = 0; i < LISTS; i++)
        buffer_free(&turned[i]);
    PQconninfoFree(options);
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

/* Hosts as libpq wants them: three lists of one length. */
struct hosts {
    struct buffer names, addresses, ports;
    bool addressed; /* a name had to be looked up */
};

static void hosts_add(struct hosts *hosts, const char *name, const char *address, struct slice port)
{
    const char *comma = hosts->names.length == 0 ? "" : ",";

    buffer_append_format(&hosts->names, "%s%s", comma, name);
    buffer_append_format(&hosts->addresses, "%s%s", comma, address);
    buffer_append_text(&hosts->ports, comma);
    buffer_append_slice(&hosts->ports, port);
}

/* Adds a name with each of its addresses; a socket's directory or an address as it is. */
static bool host_add(struct hosts *hosts, struct slice name, struct slice port,
                     char problem[CONNECT_PROBLEM_SIZE])
{
    char host[HOST_LIMIT], address[INET6_ADDRSTRLEN];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;

    if (name.length >= sizeof host) {
        snprintf(problem, CONNECT_PROBLEM_SIZE, "the database's host name is too long");
        return false;
    }
    snprintf(host, sizeof host, "%.*s", (int)name.length, name.length > 0 ? name.data : "");
    if (!needs_address(host)) {
        hosts_add(hosts, host, "", port);
        return true;
    }
    int failure = getaddrinfo(host, NULL, &hints, &found);
    for (const struct addrinfo *each = found; each != NULL && failure == 0; each = each->ai_next) {
        failure = getnameinfo(each->ai_addr, each->ai_addrlen, address, sizeof address, NULL, 0,
                              NI_NUMERICHOST);
        if (failure == 0)
            hosts_add(hosts, host, address, port);
    }
    if (found != NULL)
        freeaddrinfo(found);
    if (failure != 0)
        snprintf(problem, CONNECT_PROBLEM_SIZE,
                 "the database's host %s has no address (%s); correct it, or add hostaddr", host,
                 gai_strerror(failure));
    hosts->addressed = true;
    return failure == 0;
}

/* `ports` has one for each of the names, or one for all, or none. */
static bool hosts_resolve(struct hosts *hosts, struct slice names, struct slice ports,
                          char problem[CONNECT_PROBLEM_SIZE])
{
    struct slice name, port;
    bool last = false;

    while (!last) {
        last = !slice_split(&names, ',', &name);
        if (!slice_split(&ports, ',', &port))
            port = ports;
        if (!host_add(hosts, last ? names : name, port, problem))
            return false;
    }
    return true;
}

static const char *value_of(const PQconninfoOption *options, const char *keyword)
{
    while (options->keyword != NULL && strcmp(options->keyword, keyword) != 0)
        options++;
    return options->keyword == NULL ? NULL : options->val;
}

static size_t commas_in(struct slice list)
{
    struct slice before;
    size_t count = 0;

    while (slice_split(&list, ',', &before))
        count++;
    return count;
}

static bool hosts_append(struct buffer *text, const PQconninfoOption *options,
                         char problem[CONNECT_PROBLEM_SIZE])
{
    struct slice names = slice_of(value_of(options, "host"));
    struct slice ports = slice_of(value_of(options, "port"));
    struct hosts hosts = {.names = buffer_make(CONNECT_URI_SIZE),
                          .addresses = buffer_make(CONNECT_URI_SIZE),
                          .ports = buffer_make(CONNECT_URI_SIZE)};
    bool good = commas_in(ports) == 0 || commas_in(ports) == commas_in(names);

    if (!good)
        snprintf(problem, CONNECT_PROBLEM_SIZE,
                 "the database has not as many ports as hosts; give one each, or one for all");
    good = good && hosts_resolve(&hosts, names, ports, problem);
    if (good) {
        connect_keyword(text, "host", hosts.names.data);
        if (hosts.addressed)
            connect_keyword(text, "hostaddr", hosts.addresses.data);
        if (ports.length > 0)
            connect_keyword(text, "port", hosts.ports.data);
    }
    buffer_free(&hosts.names);
    buffer_free(&hosts.addresses);
    buffer_free(&hosts.ports);
    return good;
}

static bool keywords_append(struct buffer *text, const PQconninfoOption *options,
                            char problem[CONNECT_PROBLEM_SIZE])
{
    bool named = value_of(options, "host") != NULL && value_of(options, "hostaddr") == NULL;

    for (const PQconninfoOption *option = options; option->keyword != NULL; option++)
        if (option->val != NULL && !(named && (strcmp(option->keyword, "host") == 0 ||
                                               strcmp(option->keyword, "port") == 0)))
            connect_keyword(text, option->keyword, option->val);
    return !named || hosts_append(text, options, problem);
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
