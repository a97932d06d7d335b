#include "common/signature.h"

#include <openssl/evp.h>

#include "common/check.h"

static EVP_PKEY *key_new(const unsigned char key[SIGNATURE_KEY_SIZE])
{
    EVP_PKEY *pair = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, key, SIGNATURE_KEY_SIZE);

    check(pair != NULL);
    return pair;
}

void signature_public_key(const unsigned char key[SIGNATURE_KEY_SIZE],
                          unsigned char public_key[SIGNATURE_KEY_SIZE])
{
    EVP_PKEY *pair = key_new(key);
    size_t length = SIGNATURE_KEY_SIZE;

    check(EVP_PKEY_get_raw_public_key(pair, public_key, &length) == 1);
    check(length == SIGNATURE_KEY_SIZE);
    EVP_PKEY_free(pair);
}

void signature_make(const unsigned char key[SIGNATURE_KEY_SIZE], struct slice message,
                    unsigned char signature[SIGNATURE_SIZE])
{
    EVP_PKEY *pair = key_new(key);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t length = SIGNATURE_SIZE;

    check(context != NULL);
    check(EVP_DigestSignInit(context, NULL, NULL, NULL, pair) == 1);
    check(EVP_DigestSign(context, signature, &length, (const unsigned char *)message.data,
                         message.length) == 1);
    check(length == SIGNATURE_SIZE);
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(pair);
}
