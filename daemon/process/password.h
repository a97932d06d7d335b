/*
 * Password hashes: argon2id, 19 MiB, two passes, one lane (OWASP's first choice), in the encoded
 * form "$argon2id$v=19$m=19456,t=2,p=1$salt$hash".
 */
#ifndef DAEMON_PROCESS_PASSWORD_H
#define DAEMON_PROCESS_PASSWORD_H

#include <stdbool.h>

#include "common/slice.h"
#include "daemon/http/hasher_client.h"

/* False when memory cannot be had. */
bool password_hash(struct slice password, char hash[PASSWORD_HASH_SIZE]);

/* `hash` is terminated; HASHER_UNAVAILABLE when memory cannot be had or it is not argon2id. */
enum hasher_outcome password_verify(struct slice password, const char *hash);

#endif
