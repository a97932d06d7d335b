/*
 * limit: a token bucket a credential, or an address where there is none, in this worker. Says what
 * is left in RateLimit fields (draft-ietf-httpapi-ratelimit-headers). Another bucket of the address
 * holds whoever tries credentials that nobody has.
 */
#include "daemon/http/request_internal.h"

#include <inttypes.h>
#include <stdio.h>

enum { BUCKETS = 4096, MILLISECONDS = 1000, OWNER_SIZE = 48 };

struct bucket {
    char owner[OWNER_SIZE];
    int64_t thousandths; /* of a token */
    int64_t filled_at;   /* monotonic milliseconds */
};

static struct bucket buckets[BUCKETS];

static uint32_t place(const char *owner)
{
    uint32_t hash = 2166136261U; /* FNV-1a */
    for (; *owner != '\0'; owner++)
        hash = (hash ^ (unsigned char)*owner) * 16777619U;
    return hash % BUCKETS;
}

/* The owner's bucket, filled up to now. */
static struct bucket *bucket_of(const char *owner, int64_t rate, int64_t burst)
{
    struct bucket *bucket = &buckets[place(owner)];
    int64_t now = monotonic_milliseconds();

    if (strncmp(bucket->owner, owner, sizeof bucket->owner - 1) != 0) {
        memset(bucket, 0, sizeof *bucket);
        memcpy(bucket->owner, owner, strnlen(owner, sizeof bucket->owner - 1));
        bucket->thousandths = burst * MILLISECONDS;
        bucket->filled_at = now;
    }
    bucket->thousandths += (now - bucket->filled_at) * rate;
    bucket->filled_at = now;
    if (bucket->thousandths > burst * MILLISECONDS)
        bucket->thousandths = burst * MILLISECONDS;
    return bucket;
}

static struct bucket *guesses_of(const struct request *request)
{
    const struct http_environment *environment = http_environment();
    char owner[OWNER_SIZE];

    snprintf(owner, sizeof owner, "guesses:%016" PRIx64, request->address_key);
    return bucket_of(owner, environment->guesses_rate, environment->guesses_burst);
}

bool request_may_guess(const struct request *request)
{
    return guesses_of(request)->thousandths >= MILLISECONDS;
}

/* Look-ups under way may all turn out to be guesses: what is taken too much is owed. */
void request_guessed(const struct request *request)
{
    guesses_of(request)->thousandths -= MILLISECONDS;
}

enum step request_refuse_rate(struct request *request)
{
    request_add_field(request, "Retry-After", "1");
    return request_refuse(request, "rate_limited", NULL);
}

enum step request_limit(struct request *request)
{
    const struct http_environment *environment = http_environment();
    int64_t rate = environment->requests_rate;
    int64_t burst = environment->requests_burst;
    const char *owner = request->actor.id[0] != '\0' ? request->actor.id : request->address;

    bool platform = request->operation->audience == CONTRACT_PUBLIC &&
                    request->operation->method == HTTP1_GET; /* health, metrics, the contract */

    if (platform || request->operation->audience == CONTRACT_CERTIFICATE)
        return NEXT;
    struct bucket *bucket = bucket_of(owner, rate, burst);
    bool allowed = bucket->thousandths >= MILLISECONDS;
    if (allowed)
        bucket->thousandths -= MILLISECONDS;
    request_add_field(request, "RateLimit-Policy",
                      arena_format(request->arena, "\"credential\";q=%lld;w=%lld", (long long)burst,
                                   (long long)(burst / rate > 0 ? burst / rate : 1)));
    request_add_field(request, "RateLimit",
                      arena_format(request->arena, "\"credential\";r=%lld;t=1",
                                   (long long)(bucket->thousandths / MILLISECONDS)));
    return allowed ? NEXT : request_refuse_rate(request);
}
