#include "proto/jws.h"

#include "common/check.h"
#include "common/digest.h"
#include "proto/json.h"

enum { BLOCK = 3, BLOCK_DIGITS = 4, DIGIT_BITS = 6, DIGIT_MASK = 63 };

static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

const char *jws_base64url(struct arena *arena, struct slice bytes)
{
    char *text = arena_allocate(arena, (bytes.length + BLOCK - 1) / BLOCK * BLOCK_DIGITS + 1, 1);
    char *end = text;
    unsigned held = 0, bits = 0;

    for (size_t i = 0; i < bytes.length; i++) {
        held = held << 8 | (unsigned char)bytes.data[i];
        for (bits += 8; bits >= DIGIT_BITS; bits -= DIGIT_BITS)
            *end++ = DIGITS[held >> (bits - DIGIT_BITS) & DIGIT_MASK];
    }
    if (bits > 0)
        *end++ = DIGITS[held << (DIGIT_BITS - bits) & DIGIT_MASK];
    return text;
}

/* The members that a key must have, which are those that its thumbprint is of. */
static json_t *required_members(struct arena *arena,
                                const unsigned char public_key[SIGNATURE_KEY_SIZE])
{
    struct slice bytes = {(const char *)public_key, SIGNATURE_KEY_SIZE};
    json_t *key = json_pack("{s:s, s:s, s:s}", "crv", "Ed25519", "kty", "OKP", "x",
                            jws_base64url(arena, bytes));

    check(key != NULL);
    return key;
}

const char *jws_key_id(struct arena *arena, const unsigned char public_key[SIGNATURE_KEY_SIZE])
{
    json_t *key = required_members(arena, public_key);
    unsigned char digest[SHA256_SIZE];

    sha256_of(json_canonical(arena, key), digest);
    json_decref(key);
    return jws_base64url(arena, (struct slice){(const char *)digest, sizeof digest});
}

json_t *jws_key(struct arena *arena, const unsigned char public_key[SIGNATURE_KEY_SIZE])
{
    json_t *key = required_members(arena, public_key);

    json_object_set_new(key, "kid", json_string(jws_key_id(arena, public_key)));
    json_object_set_new(key, "alg", json_string("EdDSA"));
    json_object_set_new(key, "use", json_string("sig"));
    return key;
}

const char *jws_signing_input(struct arena *arena, const char *key_id, const json_t *claims)
{
    json_t *header = json_pack("{s:s, s:s, s:s}", "alg", "EdDSA", "kid", key_id, "typ", "JWT");

    check(header != NULL);
    const char *input =
        arena_format(arena, "%s.%s", jws_base64url(arena, json_canonical(arena, header)),
                     jws_base64url(arena, json_canonical(arena, claims)));
    json_decref(header);
    return input;
}

const char *jws_compact(struct arena *arena, const char *signing_input,
                        const unsigned char signature[SIGNATURE_SIZE])
{
    struct slice bytes = {(const char *)signature, SIGNATURE_SIZE};

    return arena_format(arena, "%s.%s", signing_input, jws_base64url(arena, bytes));
}
