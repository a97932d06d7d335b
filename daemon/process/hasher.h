/*
 * The hasher: argon2id over the passwords that the workers send, one after another, each worker in
 * its turn. Apart from the workers, since a hash takes tens of milliseconds.
 */
#ifndef DAEMON_PROCESS_HASHER_H
#define DAEMON_PROCESS_HASHER_H

/* Answers on these SOCK_SEQPACKET sockets until it is ended by a signal. */
int hasher_run(const int *descriptors, unsigned count);

#endif
