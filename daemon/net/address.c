#include "daemon/net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/check.h"
#include "common/slice.h"

enum { PORT_MAXIMUM = 65535, MAPPED_PREFIX_LENGTH = 12 };

struct endpoint {
    const char *text;
    struct sockaddr_storage address;
    socklen_t length;
};

static bool parse_ipv4(struct endpoint *endpoint, const char *host, uint16_t port)
{
    struct sockaddr_in *address = (struct sockaddr_in *)&endpoint->address;

    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
    endpoint->length = sizeof *address;
    return inet_pton(AF_INET, host, &address->sin_addr) == 1;
}

static bool parse_ipv6(struct endpoint *endpoint, const char *host, uint16_t port)
{
    struct sockaddr_in6 *address = (struct sockaddr_in6 *)&endpoint->address;

    *address = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
    endpoint->length = sizeof *address;
    return inet_pton(AF_INET6, host, &address->sin6_addr) == 1;
}

static bool parse_endpoint(struct endpoint *endpoint)
{
    const char *colon = strrchr(endpoint->text, ':');
    char host[ADDRESS_TEXT_SIZE];
    size_t length = colon == NULL ? 0 : (size_t)(colon - endpoint->text);
    uint64_t port;

    if (length == 0 || length >= sizeof host ||
        !slice_to_number(slice_of(colon + 1), PORT_MAXIMUM, &port))
        return false;
    memcpy(host, endpoint->text, length);
    host[length] = '\0';
    if (host[0] != '[')
        return parse_ipv4(endpoint, host, (uint16_t)port);
    if (host[length - 1] != ']')
        return false;
    host[length - 1] = '\0';
    return parse_ipv6(endpoint, host + 1, (uint16_t)port);
}

static const char *remedy_of(int error)
{
    switch (error) {
    case EADDRINUSE:
        return "another process listens there; stop it (`ss -ltnp` names it) or choose another "
               "port";
    case EACCES:
        return "ports below 1024 need CAP_NET_BIND_SERVICE; start as root or choose a higher port";
    case EADDRNOTAVAIL:
        return "this machine has no such address; `ip address` lists those it has";
    case EMFILE:
    case ENFILE:
        return "out of file descriptors; raise LimitNOFILE (ulimit -n)";
    default:
        return strerror(error);
    }
}

/* A socket bound to the endpoint, and listening where others will share it; -1 with errno set. */
static int open_bound(const struct endpoint *endpoint, bool shared)
{
    int family = endpoint->address.ss_family;
    int descriptor = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    int off = 0;

    if (descriptor < 0)
        return -1;
    if (setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        (!shared || setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0) &&
        (family != AF_INET6 ||
         setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) == 0) &&
        bind(descriptor, (const struct sockaddr *)&endpoint->address, endpoint->length) == 0 &&
        (!shared || listen(descriptor, ADDRESS_BACKLOG) == 0))
        return descriptor;
    int error = errno;
    close(descriptor);
    errno = error;
    return -1;
}

/* Binding once without SO_REUSEPORT finds out whether anybody is there already. */
static bool endpoint_free(const struct endpoint *endpoint)
{
    int descriptor = open_bound(endpoint, false);

    if (descriptor >= 0)
        close(descriptor);
    return descriptor >= 0;
}

static bool open_all(struct endpoint *endpoint, int *descriptors, size_t count)
{
    if (!endpoint_free(endpoint))
        return false;
    for (size_t i = 0; i < count; i++) {
        descriptors[i] = open_bound(endpoint, true);
        if (descriptors[i] < 0) {
            int error = errno;
            while (i > 0)
                close(descriptors[--i]);
            errno = error;
            return false;
        }
        /* The next ones share the port that the kernel chose for the first. */
        check(getsockname(descriptors[i], (struct sockaddr *)&endpoint->address,
                          &endpoint->length) == 0);
    }
    return true;
}

bool address_listen(const char *text, int *descriptors, size_t count,
                    char problem[ADDRESS_PROBLEM_SIZE])
{
    struct endpoint endpoint = {.text = text};

    if (!parse_endpoint(&endpoint)) {
        snprintf(problem, ADDRESS_PROBLEM_SIZE,
                 "%s: no address and port; write 127.0.0.1:8443 or [::1]:8443", text);
        return false;
    }
    if (open_all(&endpoint, descriptors, count))
        return true;
    snprintf(problem, ADDRESS_PROBLEM_SIZE, "%s: cannot listen: %s", text, remedy_of(errno));
    return false;
}

int address_port(int descriptor)
{
    /* An IPv4 address fits, and has its port in the same place. */
    struct sockaddr_in6 address = {0};
    socklen_t length = sizeof address;

    check(getsockname(descriptor, (struct sockaddr *)&address, &length) == 0);
    return ntohs(address.sin6_port);
}

/* The IPv4 address, of itself or mapped into IPv6. */
static bool as_ipv4(const struct sockaddr_storage *address, struct in_addr *ipv4)
{
    const struct sockaddr_in6 *mapped = (const struct sockaddr_in6 *)address;

    if (address->ss_family == AF_INET) {
        *ipv4 = ((const struct sockaddr_in *)address)->sin_addr;
        return true;
    }
    if (!IN6_IS_ADDR_V4MAPPED(&mapped->sin6_addr))
        return false;
    memcpy(ipv4, mapped->sin6_addr.s6_addr + MAPPED_PREFIX_LENGTH, sizeof *ipv4);
    return true;
}

void address_write(const struct sockaddr_storage *address, char text[ADDRESS_TEXT_SIZE])
{
    struct in_addr ipv4;
    const void *bytes = &((const struct sockaddr_in6 *)address)->sin6_addr;
    int family = AF_INET6;

    if (as_ipv4(address, &ipv4)) {
        bytes = &ipv4;
        family = AF_INET;
    }
    check(inet_ntop(family, bytes, text, ADDRESS_TEXT_SIZE) != NULL);
}

uint64_t address_key(const struct sockaddr_storage *address)
{
    struct in_addr ipv4;
    uint64_t key = 0;

    if (as_ipv4(address, &ipv4)) /* where no /64 begins that anybody has */
        memcpy((char *)&key + sizeof key - sizeof ipv4, &ipv4, sizeof ipv4);
    else
        memcpy(&key, &((const struct sockaddr_in6 *)address)->sin6_addr, sizeof key);
    return key;
}
