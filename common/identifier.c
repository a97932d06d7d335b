#include "common/identifier.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/digest.h"
#include "common/instant.h"

enum {
    UUID_SIZE = 16,
    UUID_TEXT_SIZE = 37,
    SUFFIX_LENGTH = 26, /* 130 bits, of which the first two are 0 */
    COUNTER_BITS = 12,
    POOL_SIZE = 4096,
};

/* Crockford's base32. */
static const char ALPHABET[] = "0123456789abcdefghjkmnpqrstvwxyz";

/* Milliseconds and, as the counter that RFC 9562, section 6.2, allows in rand_a, 4096ths of one.
 * One more than the last where the clock stands or goes back. Forked processes share the last; what
 * keeps their ids apart is the random half. */
static uint64_t next_time(void)
{
    static uint64_t last;
    uint64_t now = (uint64_t)instant_now();
    uint64_t time = now / 1000 << COUNTER_BITS | (now % 1000 << COUNTER_BITS) / 1000;

    last = time > last ? time : last + 1;
    return last;
}

/* Random bytes for ids, which are no secrets: many are fetched at once. A forked process fetches
 * its own. */
static struct {
    bool watched;
    size_t left;
    unsigned char bytes[POOL_SIZE];
} pool;

static void empty_pool(void)
{
    pool.left = 0;
}

static void take_random(unsigned char *bytes, size_t length)
{
    if (!pool.watched)
        pool.watched = pthread_atfork(NULL, NULL, empty_pool) == 0;
    check(pool.watched);
    if (pool.left < length) {
        random_bytes(pool.bytes, sizeof pool.bytes);
        pool.left = sizeof pool.bytes;
    }
    pool.left -= length;
    memcpy(bytes, pool.bytes + pool.left, length);
}

static void put_big_endian(uint64_t value, size_t size, unsigned char *bytes)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(value >> 8 * (size - 1 - i));
}

static void set_version(unsigned char uuid[UUID_SIZE], unsigned version)
{
    uuid[6] = (unsigned char)((uuid[6] & 0x0f) | version << 4);
    uuid[8] = (unsigned char)((uuid[8] & 0x3f) | 0x80);
}

static void uuid_v7(unsigned char uuid[UUID_SIZE])
{
    uint64_t time = next_time();

    put_big_endian(time >> COUNTER_BITS, 6, uuid);
    put_big_endian(time & ((1U << COUNTER_BITS) - 1), 2, uuid + 6);
    take_random(uuid + 8, UUID_SIZE - 8);
    set_version(uuid, 7);
}

static void suffix_write(const unsigned char uuid[UUID_SIZE], char text[SUFFIX_LENGTH + 1])
{
    unsigned bits = 0;
    unsigned count = 2; /* the two leading zeros */
    size_t at = 0;

    for (size_t i = 0; i < UUID_SIZE; i++) {
        bits = bits << 8 | uuid[i];
        for (count += 8; count >= 5; count -= 5)
            text[at++] = ALPHABET[bits >> (count - 5) & 0x1f];
    }
    check(at == SUFFIX_LENGTH && count == 0);
    text[at] = '\0';
}

static bool prefix_valid(struct slice prefix)
{
    if (prefix.length != 3)
        return slice_is(prefix, "op");
    for (size_t i = 0; i < prefix.length; i++)
        if (prefix.data[i] < 'a' || prefix.data[i] > 'z')
            return false;
    return true;
}

void identifier_make(const char *prefix, char text[IDENTIFIER_SIZE])
{
    unsigned char uuid[UUID_SIZE];
    char suffix[SUFFIX_LENGTH + 1];

    check(prefix_valid(slice_of(prefix)));
    uuid_v7(uuid);
    suffix_write(uuid, suffix);
    snprintf(text, IDENTIFIER_SIZE, "%.3s_%s", prefix, suffix);
}

bool identifier_valid(struct slice text, const char *prefix)
{
    struct slice before;

    if (!slice_split(&text, '_', &before) ||
        !(prefix == NULL ? prefix_valid(before) : slice_is(before, prefix)))
        return false;
    if (text.length != SUFFIX_LENGTH || text.data[0] > '7')
        return false;
    for (size_t i = 0; i < text.length; i++)
        if (text.data[i] == '\0' || strchr(ALPHABET, text.data[i]) == NULL)
            return false;
    return true;
}

void uuid_make(char text[37])
{
    unsigned char uuid[UUID_SIZE];
    char hex[2 * UUID_SIZE + 1];

    take_random(uuid, sizeof uuid);
    set_version(uuid, 4);
    hex_write(uuid, sizeof uuid, hex);
    for (size_t i = 0, at = 0; i < UUID_SIZE; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            text[at++] = '-';
        text[at++] = hex[2 * i];
        text[at++] = hex[2 * i + 1];
    }
    text[UUID_TEXT_SIZE - 1] = '\0';
}
