/*
 * Digests, random bytes and their spellings, over OpenSSL's EVP.
 */
#ifndef COMMON_DIGEST_H
#define COMMON_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/slice.h"

enum { SHA256_SIZE = 32, SHA256_HEX_SIZE = 65 };

struct sha256; /* a digest under way */

struct sha256 *sha256_new(void);
void sha256_add(struct sha256 *digest, const void *data, size_t length);
void sha256_take(struct sha256 *digest, unsigned char result[SHA256_SIZE]);    /* and begins anew */
void sha256_finish(struct sha256 **digest, unsigned char result[SHA256_SIZE]); /* and frees */
void sha256_free(struct sha256 **digest);

void sha256_of(struct slice bytes, unsigned char result[SHA256_SIZE]);
void sha256_hex(struct slice bytes, char result[SHA256_HEX_SIZE]);
void hmac_sha256(struct slice key, struct slice bytes, unsigned char result[SHA256_SIZE]);

/* A key made of another for one purpose: HKDF (RFC 5869) without salt. */
void hkdf_sha256(struct slice key, struct slice purpose, unsigned char result[SHA256_SIZE]);

/* Lower-case hexadecimal; `text` holds 2 * length + 1. */
void hex_write(const void *data, size_t length, char *text);
bool hex_read(struct slice text, void *data,
              size_t length); /* exactly 2 * length digits, either case */

uint32_t crc32_of(struct slice bytes); /* IEEE 802.3, as zlib has it */

void random_bytes(void *data, size_t length);

/* Compared in constant time; lengths are not secret. */
bool secret_equal(struct slice a, struct slice b);

/* API keys: "bcc_", 32 characters of base62 from 24 random bytes and more, 6 of the CRC-32 of all
 * before (GitHub's form). */
enum { KEY_TEXT_LENGTH = 42 };
void key_make(char text[KEY_TEXT_LENGTH + 1]);
bool key_well_formed(struct slice text);

#endif
