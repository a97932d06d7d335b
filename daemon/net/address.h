/*
 * Socket addresses: their spelling, and listening sockets.
 */
#ifndef DAEMON_NET_ADDRESS_H
#define DAEMON_NET_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
    ADDRESS_TEXT_SIZE = 64,
    ADDRESS_PROBLEM_SIZE = 512,
    ADDRESS_BACKLOG = 4096, /* connections that wait to be accepted, a socket */
};

/* Opens `count` sockets that share one endpoint (SO_REUSEPORT), listening, non-blocking, closed on
 * exec. `endpoint` is "127.0.0.1:8443", "[::1]:8443", "0.0.0.0:80" or "[::]:80" (which takes IPv4
 * too); port 0 lets the kernel choose one. An endpoint that another process holds is refused, even
 * where SO_REUSEPORT would let us share it. False with what is wrong and the remedy in `problem`,
 * and no socket is left open. */
bool address_listen(const char *endpoint, int *descriptors, size_t count,
                    char problem[ADDRESS_PROBLEM_SIZE]);

/* The port that a socket is bound to. */
int address_port(int descriptor);

/* "192.0.2.1" or "2001:db8::1"; an IPv4 address mapped into IPv6 is written as IPv4. */
void address_write(const struct sockaddr_storage *address, char text[ADDRESS_TEXT_SIZE]);

/* What a cap counts by: an IPv4 address, or the /64 that an IPv6 subscriber is given. */
uint64_t address_key(const struct sockaddr_storage *address);

#endif
