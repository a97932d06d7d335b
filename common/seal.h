/*
 * Secrets that must be read back: AES-256-GCM under the master key, bound to where they stand
 * (tenant, table, column, id), so a sealed value moved to another row does not open. A sealed
 * value is version (1 byte), key number (1 byte), nonce (12), cipher text, tag (16).
 */
#ifndef COMMON_SEAL_H
#define COMMON_SEAL_H

#include <stdbool.h>
#include <stddef.h>

#include "common/arena.h"
#include "common/slice.h"

enum { MASTER_KEY_SIZE = 32, SEAL_OVERHEAD = 30, SEAL_PLAIN_LIMIT = 4096, SEAL_KEYS_LIMIT = 8 };

struct seal_keys {
    unsigned count; /* the last seals; every one opens; the number is the place in the list */
    unsigned char key[SEAL_KEYS_LIMIT][MASTER_KEY_SIZE];
};

/* Reads the master key file: one key of 64 hexadecimal digits a line, the newest last. On failure
 * writes what is wrong and the remedy to `problem`. */
bool seal_keys_read(const char *path, struct seal_keys *keys, char *problem, size_t problem_size);

/* `place` is "tenant/table/column/id". `sealed` holds plain.length + SEAL_OVERHEAD bytes. */
void seal_close(const struct seal_keys *keys, struct slice place, struct slice plain,
                unsigned char *sealed);

/* `plain` holds sealed.length - SEAL_OVERHEAD bytes; false when it was altered, moved or sealed
 * under a key that is not there. */
bool seal_open(const struct seal_keys *keys, struct slice place, struct slice sealed, char *plain);

/* The same in the arena, sealed in hexadecimal digits; NULL where it does not open. */
const char *seal_close_text(const struct seal_keys *keys, struct arena *arena, struct slice place,
                            struct slice plain);
const char *seal_open_text(const struct seal_keys *keys, struct arena *arena, struct slice place,
                           struct slice hex);

#endif
