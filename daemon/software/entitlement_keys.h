/*
 * What signs entitlements: an Ed25519 key made of each master key. The newest signs; the public key
 * of each is told, so that a token outlives the coming of another.
 */
#ifndef DAEMON_SOFTWARE_ENTITLEMENT_KEYS_H
#define DAEMON_SOFTWARE_ENTITLEMENT_KEYS_H

#include <jansson.h>

#include "common/arena.h"
#include "common/seal.h"

/* The claims as a token, in the arena. */
const char *entitlement_sign(const struct seal_keys *keys, struct arena *arena,
                             const json_t *claims);

/* The JWK set, a new reference. */
json_t *entitlement_key_set(const struct seal_keys *keys, struct arena *arena);

#endif
