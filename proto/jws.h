/*
 * Signed claims, written and never read here: JWS in its compact serialization (RFC 7515), the
 * claims of a JWT (RFC 7519), Ed25519 (RFC 8037), and the public keys as members of a JWK set
 * (RFC 7517), each under its thumbprint (RFC 7638).
 */
#ifndef PROTO_JWS_H
#define PROTO_JWS_H

#include <jansson.h>

#include "common/arena.h"
#include "common/signature.h"
#include "common/slice.h"

/* base64url without padding (RFC 7515, 2), in the arena. */
const char *jws_base64url(struct arena *arena, struct slice bytes);

/* The thumbprint of a public key, in the arena. */
const char *jws_key_id(struct arena *arena, const unsigned char public_key[SIGNATURE_KEY_SIZE]);

/* The public key as a JWK, a new reference. */
json_t *jws_key(struct arena *arena, const unsigned char public_key[SIGNATURE_KEY_SIZE]);

/* What is to be signed: header and claims, each as canonical JSON, so that equal claims give equal
 * bytes. In the arena. */
const char *jws_signing_input(struct arena *arena, const char *key_id, const json_t *claims);

/* The token: what was signed, and the signature. In the arena. */
const char *jws_compact(struct arena *arena, const char *signing_input,
                        const unsigned char signature[SIGNATURE_SIZE]);

#endif
