#include "daemon/software/entitlement_keys.h"

#include "common/check.h"
#include "common/digest.h"
#include "proto/jws.h"

_Static_assert((int)SIGNATURE_KEY_SIZE == (int)SHA256_SIZE, "a key is what HKDF gives");

static const char PURPOSE[] = "bccd entitlement signature";

struct signing_key {
    unsigned char private_key[SIGNATURE_KEY_SIZE];
    unsigned char public_key[SIGNATURE_KEY_SIZE];
};

/* Made at their first use: a process reads the master keys once. */
static const struct signing_key *signing_key(const struct seal_keys *keys, unsigned number)
{
    static struct signing_key made[SEAL_KEYS_LIMIT];
    static unsigned count;

    check(number < keys->count && keys->count <= SEAL_KEYS_LIMIT);
    for (; count < keys->count; count++) {
        struct slice master = {(const char *)keys->key[count], MASTER_KEY_SIZE};
        hkdf_sha256(master, slice_of(PURPOSE), made[count].private_key);
        signature_public_key(made[count].private_key, made[count].public_key);
    }
    return &made[number];
}

const char *entitlement_sign(const struct seal_keys *keys, struct arena *arena,
                             const json_t *claims)
{
    const struct signing_key *key = signing_key(keys, keys->count - 1);
    const char *input = jws_signing_input(arena, jws_key_id(arena, key->public_key), claims);
    unsigned char signature[SIGNATURE_SIZE];

    signature_make(key->private_key, slice_of(input), signature);
    return jws_compact(arena, input, signature);
}

json_t *entitlement_key_set(const struct seal_keys *keys, struct arena *arena)
{
    json_t *list = json_array();

    for (unsigned number = 0; number < keys->count; number++)
        json_array_append_new(list, jws_key(arena, signing_key(keys, number)->public_key));
    return json_pack("{s:o}", "keys", list);
}
