#include "proto/radius_packet.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "common/check.h"

enum {
    CODE_DISCONNECT = 40,
    CODE_ACK = 41,
    CODE_NAK = 42,
    USER_NAME = 1,
    ACCT_SESSION_ID = 44,
    EVENT_TIMESTAMP = 55,
    MESSAGE_AUTHENTICATOR = 80,
    ERROR_CAUSE = 101,
    IDENTIFIER_AT = 1,
    LENGTH_AT = 2,
    AUTHENTICATOR_AT = 4,
    HEAD_SIZE = 20,
    MD5_SIZE = 16,
    ATTRIBUTE_HEAD = 2,
    INTEGER_SIZE = 4,
};

static void put_integer(unsigned char *bytes, uint32_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        bytes[i] = (unsigned char)(value >> (8 * (size - 1 - i)));
}

static uint32_t get_integer(const unsigned char *bytes, unsigned size)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < size; i++)
        value = value << 8 | bytes[i];
    return value;
}

/* MD5 of the packet as it is and the secret. */
static void authenticator_of(const unsigned char *bytes, size_t length, struct slice secret,
                             unsigned char result[MD5_SIZE])
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    check(context != NULL && EVP_DigestInit_ex(context, EVP_md5(), NULL) == 1 &&
          EVP_DigestUpdate(context, bytes, length) == 1 &&
          EVP_DigestUpdate(context, secret.data, secret.length) == 1 &&
          EVP_DigestFinal_ex(context, result, NULL) == 1);
    EVP_MD_CTX_free(context);
}

static void message_authenticator_of(const unsigned char *bytes, size_t length, struct slice secret,
                                     unsigned char result[MD5_SIZE])
{
    check(HMAC(EVP_md5(), secret.data, (int)secret.length, bytes, length, result, NULL) != NULL);
}

/* Adds an attribute; the place of its value. The texts are short enough for the packet. */
static unsigned char *put_attribute(struct radius_packet *packet, unsigned char type,
                                    const void *value, size_t length)
{
    unsigned char *place = packet->bytes + packet->length;

    place[0] = type;
    place[1] = (unsigned char)(length + ATTRIBUTE_HEAD);
    memcpy(place + ATTRIBUTE_HEAD, value, length);
    packet->length += length + ATTRIBUTE_HEAD;
    return place + ATTRIBUTE_HEAD;
}

static bool secret_good(struct slice secret)
{
    return secret.length > 0 && secret.length <= RADIUS_SECRET_LIMIT;
}

bool radius_write_disconnect(const struct radius_disconnect *disconnect, struct slice secret,
                             struct radius_packet *packet)
{
    static const unsigned char zeros[MD5_SIZE];
    unsigned char time[INTEGER_SIZE], result[MD5_SIZE];
    unsigned char *signature;

    if (!secret_good(secret) || disconnect->user_name.length > RADIUS_TEXT_LIMIT ||
        disconnect->session_id.length > RADIUS_TEXT_LIMIT ||
        disconnect->user_name.length + disconnect->session_id.length == 0)
        return false;
    memset(packet, 0, sizeof *packet);
    packet->length = HEAD_SIZE;
    packet->bytes[0] = CODE_DISCONNECT;
    packet->bytes[IDENTIFIER_AT] = disconnect->identifier;
    if (disconnect->user_name.length > 0)
        put_attribute(packet, USER_NAME, disconnect->user_name.data, disconnect->user_name.length);
    if (disconnect->session_id.length > 0)
        put_attribute(packet, ACCT_SESSION_ID, disconnect->session_id.data,
                      disconnect->session_id.length);
    put_integer(time, disconnect->time, INTEGER_SIZE);
    put_attribute(packet, EVENT_TIMESTAMP, time, sizeof time);
    signature = put_attribute(packet, MESSAGE_AUTHENTICATOR, zeros, sizeof zeros);
    put_integer(packet->bytes + LENGTH_AT, (uint32_t)packet->length, 2);
    /* RFC 5176, 3.4: first the HMAC with both authenticators zero, then the packet's. */
    message_authenticator_of(packet->bytes, packet->length, secret, result);
    memcpy(signature, result, sizeof result);
    authenticator_of(packet->bytes, packet->length, secret, result);
    memcpy(packet->bytes + AUTHENTICATOR_AT, result, sizeof result);
    return true;
}

/* What the attributes of a reply hold; places are offsets, 0 for none. */
struct attributes {
    size_t signature_at, cause_at;
};

static bool read_attributes(const unsigned char *bytes, size_t length, struct attributes *found)
{
    *found = (struct attributes){0, 0};
    for (size_t at = HEAD_SIZE; at < length; at += bytes[at + 1]) {
        if (length - at < ATTRIBUTE_HEAD || bytes[at + 1] < ATTRIBUTE_HEAD ||
            bytes[at + 1] > length - at)
            return false;
        if (bytes[at] == MESSAGE_AUTHENTICATOR && bytes[at + 1] == MD5_SIZE + ATTRIBUTE_HEAD)
            found->signature_at = at + ATTRIBUTE_HEAD;
        if (bytes[at] == ERROR_CAUSE && bytes[at + 1] == INTEGER_SIZE + ATTRIBUTE_HEAD)
            found->cause_at = at + ATTRIBUTE_HEAD;
    }
    return true;
}

/* Both are computed with the request's authenticator in the place of the reply's. */
static bool authentic(unsigned char *bytes, size_t length, const struct radius_packet *request,
                      struct slice secret, const struct attributes *found)
{
    unsigned char told[MD5_SIZE], result[MD5_SIZE];

    memcpy(told, bytes + AUTHENTICATOR_AT, sizeof told);
    memcpy(bytes + AUTHENTICATOR_AT, request->bytes + AUTHENTICATOR_AT, MD5_SIZE);
    authenticator_of(bytes, length, secret, result);
    if (CRYPTO_memcmp(told, result, MD5_SIZE) != 0)
        return false;
    if (found->signature_at == 0)
        return true;
    memcpy(told, bytes + found->signature_at, sizeof told);
    memset(bytes + found->signature_at, 0, MD5_SIZE);
    message_authenticator_of(bytes, length, secret, result);
    return CRYPTO_memcmp(told, result, MD5_SIZE) == 0;
}

enum radius_reply radius_read_reply(struct slice bytes, const struct radius_packet *request,
                                    struct slice secret, uint32_t *error_cause)
{
    unsigned char copy[RADIUS_PACKET_LIMIT];
    struct attributes found;
    size_t length;

    *error_cause = 0;
    if (!secret_good(secret) || bytes.length < HEAD_SIZE || bytes.length > sizeof copy)
        return RADIUS_FOREIGN;
    memcpy(copy, bytes.data, bytes.length);
    length = get_integer(copy + LENGTH_AT, 2); /* what follows it is padding */
    if (length < HEAD_SIZE || length > bytes.length ||
        (copy[0] != CODE_ACK && copy[0] != CODE_NAK) ||
        copy[IDENTIFIER_AT] != request->bytes[IDENTIFIER_AT] ||
        !read_attributes(copy, length, &found) || !authentic(copy, length, request, secret, &found))
        return RADIUS_FOREIGN;
    if (copy[0] == CODE_ACK)
        return RADIUS_ACK;
    if (found.cause_at != 0)
        *error_cause = get_integer(copy + found.cause_at, INTEGER_SIZE);
    return RADIUS_NAK;
}
