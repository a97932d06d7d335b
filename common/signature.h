/*
 * Ed25519 (RFC 8032): signatures that anybody can verify who has the public key. They are
 * deterministic: the same message under the same key gives the same bytes.
 */
#ifndef COMMON_SIGNATURE_H
#define COMMON_SIGNATURE_H

#include "common/slice.h"

enum { SIGNATURE_KEY_SIZE = 32, SIGNATURE_SIZE = 64 }; /* of either key, and of a signature */

/* Any 32 bytes are a private key. */
void signature_public_key(const unsigned char key[SIGNATURE_KEY_SIZE],
                          unsigned char public_key[SIGNATURE_KEY_SIZE]);
void signature_make(const unsigned char key[SIGNATURE_KEY_SIZE], struct slice message,
                    unsigned char signature[SIGNATURE_SIZE]);

#endif
