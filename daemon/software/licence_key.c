#include "daemon/software/licence_key.h"

#include "common/check.h"
#include "common/digest.h"
#include "common/memory.h"
#include "proto/json.h"

enum { ENDING = 4, SHOWN_FROM = 3 * ENDING }; /* characters */

static const char DIGEST_PURPOSE[] = "bccd licence key digest";

static struct slice place(struct arena *arena, const char *tenant, const char *id)
{
    return slice_of(arena_format(arena, "%s/licence_keys/secret/%s", tenant, id));
}

const char *licence_key_close(const struct seal_keys *keys, struct arena *arena, const char *tenant,
                              const char *id, struct slice key)
{
    check(key.length <= LICENCE_KEY_LIMIT);
    return seal_close_text(keys, arena, place(arena, tenant, id), key);
}

const char *licence_key_open(const struct seal_keys *keys, struct arena *arena, const char *tenant,
                             const char *id, struct slice hex)
{
    return seal_open_text(keys, arena, place(arena, tenant, id), hex);
}

const char *licence_key_digest(const struct seal_keys *keys, struct arena *arena, struct slice key)
{
    unsigned char digest_key[SHA256_SIZE], digest[SHA256_SIZE];
    char *hex = arena_allocate(arena, 1, SHA256_HEX_SIZE);

    hkdf_sha256((struct slice){(const char *)keys->key[0], MASTER_KEY_SIZE},
                slice_of(DIGEST_PURPOSE), digest_key);
    hmac_sha256((struct slice){(const char *)digest_key, sizeof digest_key}, key, digest);
    memory_wipe(digest_key, sizeof digest_key);
    hex_write(digest, sizeof digest, hex);
    return hex;
}

const char *licence_key_ending(struct arena *arena, struct slice key)
{
    size_t start = key.length;

    if (json_characters(key) < SHOWN_FROM)
        return "";
    for (unsigned count = 0; count < ENDING; count++)
        do
            start--;
        while ((key.data[start] & 0xc0) == 0x80); /* the rest of a character of UTF-8 */
    return arena_copy(arena, (struct slice){key.data + start, key.length - start});
}
