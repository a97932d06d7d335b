#include "common/digest.h"

#include <limits.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <zlib.h>

#include "common/check.h"
#include "common/memory.h"

enum {
    SHA256_MAGIC = 0x53484132,
    KEY_RANDOM_LENGTH = 32,
    KEY_BODY_LENGTH = 36, /* the prefix and the random characters */
    KEY_CRC_LENGTH = 6,
    BASE62 = 62,
    BASE62_FAIR =
        248, /* the greatest multiple of 62 in a byte: below it every digit is as likely */
};

static const char KEY_PREFIX[] = "bcc_";
static const char BASE62_DIGITS[] =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
static const char HEX_DIGITS[] = "0123456789abcdef";

struct sha256 {
    unsigned magic;
    EVP_MD_CTX *context;
};

struct sha256 *sha256_new(void)
{
    struct sha256 *digest = memory_allocate(1, sizeof *digest);

    digest->magic = SHA256_MAGIC;
    digest->context = EVP_MD_CTX_new();
    check(digest->context != NULL);
    check(EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL) == 1);
    return digest;
}

void sha256_add(struct sha256 *digest, const void *data, size_t length)
{
    check_magic(digest, SHA256_MAGIC);
    check(EVP_DigestUpdate(digest->context, data, length) == 1);
}

void sha256_take(struct sha256 *digest, unsigned char result[SHA256_SIZE])
{
    check_magic(digest, SHA256_MAGIC);
    check(EVP_DigestFinal_ex(digest->context, result, NULL) == 1);
    check(EVP_DigestInit_ex2(digest->context, NULL, NULL) == 1);
}

void sha256_finish(struct sha256 **digest, unsigned char result[SHA256_SIZE])
{
    sha256_take(*digest, result);
    sha256_free(digest);
}

void sha256_free(struct sha256 **digest)
{
    check_magic(*digest, SHA256_MAGIC);
    EVP_MD_CTX_free((*digest)->context);
    (*digest)->magic = 0;
    memory_free(*digest);
    *digest = NULL;
}

void sha256_of(struct slice bytes, unsigned char result[SHA256_SIZE])
{
    check(EVP_Digest(bytes.data, bytes.length, result, NULL, EVP_sha256(), NULL) == 1);
}

void sha256_hex(struct slice bytes, char result[SHA256_HEX_SIZE])
{
    unsigned char digest[SHA256_SIZE];

    sha256_of(bytes, digest);
    hex_write(digest, sizeof digest, result);
}

void hmac_sha256(struct slice key, struct slice bytes, unsigned char result[SHA256_SIZE])
{
    check(key.length <= INT_MAX);
    check(HMAC(EVP_sha256(), key.length == 0 ? "" : key.data, (int)key.length,
               (const unsigned char *)bytes.data, bytes.length, result, NULL) != NULL);
}

void hkdf_sha256(struct slice key, struct slice purpose, unsigned char result[SHA256_SIZE])
{
    char name[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, name, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)key.data, key.length),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)purpose.data,
                                          purpose.length),
        OSSL_PARAM_construct_end(),
    };
    EVP_KDF *kind = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *context = EVP_KDF_CTX_new(kind);

    check(context != NULL);
    check(EVP_KDF_derive(context, result, SHA256_SIZE, parameters) == 1);
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kind);
}

void hex_write(const void *data, size_t length, char *text)
{
    const unsigned char *bytes = data;

    for (size_t i = 0; i < length; i++) {
        text[2 * i] = HEX_DIGITS[bytes[i] >> 4];
        text[2 * i + 1] = HEX_DIGITS[bytes[i] & 0x0f];
    }
    text[2 * length] = '\0';
}

static int hex_digit(char character)
{
    if (character >= '0' && character <= '9')
        return character - '0';
    if (character >= 'a' && character <= 'f')
        return character - 'a' + 10;
    if (character >= 'A' && character <= 'F')
        return character - 'A' + 10;
    return -1;
}

bool hex_read(struct slice text, void *data, size_t length)
{
    unsigned char *bytes = data;

    if (text.length % 2 != 0 || text.length / 2 != length)
        return false;
    for (size_t i = 0; i < length; i++) {
        int high = hex_digit(text.data[2 * i]);
        int low = hex_digit(text.data[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

uint32_t crc32_of(struct slice bytes)
{
    return (uint32_t)crc32_z(0, (const unsigned char *)bytes.data, bytes.length);
}

void random_bytes(void *data, size_t length)
{
    check(length <= INT_MAX);
    check(RAND_bytes(data, (int)length) == 1);
}

bool secret_equal(struct slice a, struct slice b)
{
    return a.length == b.length && (a.length == 0 || CRYPTO_memcmp(a.data, b.data, a.length) == 0);
}

static char random_digit(void)
{
    unsigned char byte;

    do
        random_bytes(&byte, 1);
    while (byte >= BASE62_FAIR);
    return BASE62_DIGITS[byte % BASE62];
}

/* The last characters of a key whose first ones are `body`. */
static void key_crc(const char *body, char text[KEY_CRC_LENGTH])
{
    uint32_t crc = crc32_of((struct slice){body, KEY_BODY_LENGTH});

    for (size_t i = KEY_CRC_LENGTH; i-- > 0; crc /= BASE62)
        text[i] = BASE62_DIGITS[crc % BASE62];
}

void key_make(char text[KEY_TEXT_LENGTH + 1])
{
    memcpy(text, KEY_PREFIX, sizeof KEY_PREFIX);
    for (size_t i = 0; i < KEY_RANDOM_LENGTH; i++)
        text[sizeof KEY_PREFIX - 1 + i] = random_digit();
    key_crc(text, text + KEY_BODY_LENGTH);
    text[KEY_TEXT_LENGTH] = '\0';
}

bool key_well_formed(struct slice text)
{
    char crc[KEY_CRC_LENGTH];

    if (text.length != KEY_TEXT_LENGTH || !slice_starts_with(text, KEY_PREFIX))
        return false;
    for (size_t i = sizeof KEY_PREFIX - 1; i < KEY_BODY_LENGTH; i++)
        if (memchr(BASE62_DIGITS, text.data[i], BASE62) == NULL)
            return false;
    key_crc(text.data, crc);
    return memcmp(text.data + KEY_BODY_LENGTH, crc, sizeof crc) == 0;
}
