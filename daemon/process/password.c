#include "daemon/process/password.h"

#include <argon2.h>
#include <stdint.h>
#include <string.h>

#include "common/digest.h"

enum { PASSES = 2, MEMORY = 19456 /* KiB */, LANES = 1, SALT_SIZE = 16, HASH_SIZE = 32 };

bool password_hash(struct slice password, char hash[PASSWORD_HASH_SIZE])
{
    unsigned char salt[SALT_SIZE];

    random_bytes(salt, sizeof salt);
    return argon2id_hash_encoded(PASSES, MEMORY, LANES, password.data, password.length, salt,
                                 sizeof salt, HASH_SIZE, hash, PASSWORD_HASH_SIZE) == ARGON2_OK;
}

enum hasher_outcome password_verify(struct slice password, const char *hash)
{
    switch (argon2id_verify(hash, password.data, password.length)) {
    case ARGON2_OK:
        return HASHER_DONE;
    case ARGON2_VERIFY_MISMATCH:
        return HASHER_WRONG;
    default:
        return HASHER_UNAVAILABLE;
    }
}
