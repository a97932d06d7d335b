/*
 * A database's hosts, looked up once.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "common/slice.h"
#include "daemon/db/connect.h"

enum { HOST_LIMIT = 256 };

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
