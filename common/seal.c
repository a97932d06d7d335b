#include "common/seal.h"

#include <limits.h>
#include <stdio.h>

#include <openssl/evp.h>

#include "common/check.h"
#include "common/digest.h"
#include "common/file.h"
#include "common/memory.h"

enum {
    SEAL_VERSION = 1,
    HEAD_SIZE = 2, /* version and key number */
    NONCE_SIZE = 12,
    TAG_SIZE = 16,
    BODY_OFFSET = HEAD_SIZE + NONCE_SIZE,
    KEY_FILE_LIMIT = SEAL_KEYS_LIMIT * (2 * MASTER_KEY_SIZE + 1),
};

_Static_assert(BODY_OFFSET + TAG_SIZE == SEAL_OVERHEAD, "layout of a sealed value");

static bool keys_parse(struct slice text, struct seal_keys *keys)
{
    while (text.length > 0) {
        struct slice line = text;
        if (!slice_split(&text, '\n', &line))
            text.length = 0;
        if (keys->count == SEAL_KEYS_LIMIT ||
            !hex_read(line, keys->key[keys->count], MASTER_KEY_SIZE))
            return false;
        keys->count++;
    }
    return keys->count > 0;
}

bool seal_keys_read(const char *path, struct seal_keys *keys, char *problem, size_t problem_size)
{
    char text[KEY_FILE_LIMIT];
    size_t length = 0;

    *keys = (struct seal_keys){0};
    bool good = file_read(path, text, sizeof text, &length, problem, problem_size);
    if (good && !keys_parse((struct slice){text, length}, keys)) {
        snprintf(problem, problem_size,
                 "%s:%u: not a master key; give 64 hexadecimal digits a line, as `openssl rand "
                 "-hex 32` writes them, on 1 to %d lines",
                 path, keys->count + 1, SEAL_KEYS_LIMIT);
        good = false;
    }
    memory_wipe(text, sizeof text);
    if (!good)
        memory_wipe(keys, sizeof *keys);
    return good;
}

/* A cipher with key and nonce set, that has taken in the head and the place as additional data. */
static EVP_CIPHER_CTX *cipher_new(const struct seal_keys *keys, const unsigned char *sealed,
                                  struct slice place, bool closing)
{
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    int written;

    check(cipher != NULL && place.length <= INT_MAX);
    check(EVP_CipherInit_ex(cipher, EVP_aes_256_gcm(), NULL, keys->key[sealed[1]],
                            sealed + HEAD_SIZE, closing) == 1);
    check(EVP_CipherUpdate(cipher, NULL, &written, sealed, HEAD_SIZE) == 1);
    check(place.length == 0 ||
          EVP_CipherUpdate(cipher, NULL, &written, (const unsigned char *)place.data,
                           (int)place.length) == 1);
    return cipher;
}

void seal_close(const struct seal_keys *keys, struct slice place, struct slice plain,
                unsigned char *sealed)
{
    unsigned char *tag = sealed + BODY_OFFSET + plain.length;
    int written = 0;

    check(keys->count >= 1 && keys->count <= SEAL_KEYS_LIMIT);
    check(plain.length <= SEAL_PLAIN_LIMIT);
    sealed[0] = SEAL_VERSION;
    sealed[1] = (unsigned char)(keys->count - 1);
    random_bytes(sealed + HEAD_SIZE, NONCE_SIZE);
    EVP_CIPHER_CTX *cipher = cipher_new(keys, sealed, place, true);
    check(plain.length == 0 ||
          EVP_CipherUpdate(cipher, sealed + BODY_OFFSET, &written,
                           (const unsigned char *)plain.data, (int)plain.length) == 1);
    check(EVP_CipherFinal_ex(cipher, tag, &written) == 1);
    check(EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE, tag) == 1);
    EVP_CIPHER_CTX_free(cipher);
}

bool seal_open(const struct seal_keys *keys, struct slice place, struct slice sealed, char *plain)
{
    const unsigned char *bytes = (const unsigned char *)sealed.data;
    unsigned char tag[TAG_SIZE];
    unsigned char none;
    int written = 0;

    if (sealed.length < SEAL_OVERHEAD || sealed.length > SEAL_PLAIN_LIMIT + SEAL_OVERHEAD ||
        bytes[0] != SEAL_VERSION || bytes[1] >= keys->count)
        return false;
    size_t length = sealed.length - SEAL_OVERHEAD;
    memcpy(tag, bytes + BODY_OFFSET + length, TAG_SIZE);
    EVP_CIPHER_CTX *cipher = cipher_new(keys, bytes, place, false);
    check(length == 0 || EVP_CipherUpdate(cipher, (unsigned char *)plain, &written,
                                          bytes + BODY_OFFSET, (int)length) == 1);
    check(EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, tag) == 1);
    bool good = EVP_CipherFinal_ex(cipher, &none, &written) == 1;
    EVP_CIPHER_CTX_free(cipher);
    if (!good)
        memory_wipe(plain, length);
    return good;
}

const char *seal_close_text(const struct seal_keys *keys, struct arena *arena, struct slice place,
                            struct slice plain)
{
    size_t length = plain.length + SEAL_OVERHEAD;
    unsigned char *sealed = arena_allocate(arena, length, 1);
    char *hex = arena_allocate(arena, 2 * length + 1, 1);

    seal_close(keys, place, plain, sealed);
    hex_write(sealed, length, hex);
    return hex;
}

const char *seal_open_text(const struct seal_keys *keys, struct arena *arena, struct slice place,
                           struct slice hex)
{
    size_t length = hex.length / 2;
    unsigned char *sealed = arena_allocate(arena, length + 1, 1);
    char *plain = arena_allocate(arena, length + 1, 1); /* longer than what opens */

    return hex_read(hex, sealed, length) &&
                   seal_open(keys, place, (struct slice){(const char *)sealed, length}, plain)
               ? plain
               : NULL;
}
