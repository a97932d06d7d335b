/*
 * limit: a token bucket a credential, or an address where there is none, in this worker. Says what
 * is left in RateLimit fields (draft-ietf-httpapi-ratelimit-headers).
 */
#include "daemon/http/request_internal.h"

enum { BUCKETS = 4096, MILLISECONDS = 1000 };

struct bucket {
    char owner[48];
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

static struct bucket *bucket_of(const char *owner, int64_t burst, int64_t now)
{
    struct bucket *bucket = &buckets[place(owner)];

    if (strncmp(bucket->owner, owner, sizeof bucket->owner - 1) != 0) {
        memset(bucket, 0, sizeof *bucket);
        memcpy(bucket->owner, owner, strnlen(owner, sizeof bucket->owner - 1));
        bucket->thousandths = burst * MILLISECONDS;
        bucket->filled_at = now;
    }
    return bucket;
}

enum step request_limit(struct request *request)
{
    const struct http_environment *environment = http_environment();
    int64_t rate = environment->requests_rate;
    int64_t burst = environment->requests_burst;
    int64_t now = monotonic_milliseconds();
    const char *owner = request->actor.id[0] != '\0' ? request->actor.id : request->address;

    bool platform = request->operation->audience == CONTRACT_PUBLIC &&
                    request->operation->method == HTTP1_GET; /* health, metrics, the contract */

    if (platform || request->operation->audience == CONTRACT_CERTIFICATE)
        return NEXT;
    struct bucket *bucket = bucket_of(owner, burst, now);
    bucket->thousandths += (now - bucket->filled_at) * rate;
    bucket->filled_at = now;
    if (bucket->thousandths > burst * MILLISECONDS)
        bucket->thousandths = burst * MILLISECONDS;
    bool allowed = bucket->thousandths >= MILLISECONDS;
    if (allowed)
        bucket->thousandths -= MILLISECONDS;
    request_add_field(request, "RateLimit-Policy",
                      arena_format(request->arena, "\"credential\";q=%lld;w=%lld", (long long)burst,
                                   (long long)(burst / rate > 0 ? burst / rate : 1)));
    request_add_field(request, "RateLimit",
                      arena_format(request->arena, "\"credential\";r=%lld;t=1",
                                   (long long)(bucket->thousandths / MILLISECONDS)));
    if (allowed)
        return NEXT;
    request_add_field(request, "Retry-After", "1");
    return request_refuse(request, "rate_limited", NULL);
}
