/*
 * authenticate: a bearer key, or a session's cookie, becomes an actor. What the database said is
 * cached for credential_cache_time at most, and dropped when a NOTIFY says that it changed.
 */
#include "daemon/http/request_internal.h"

#include <stdio.h>

#include "daemon/http/http.h"
#include "statements.h"

enum {
    CACHE_ENTRIES = 4096, /* placed by digest; a newer credential replaces an older one */
    SESSION_TOKEN_LIMIT = 128,
    SESSION_COOKIE_LENGTH = sizeof "__Host-bccd=" - 1,
};

struct cache_entry {
    unsigned char digest[SHA256_SIZE];
    int64_t until; /* monotonic milliseconds; 0: empty */
    struct actor actor;
};

static struct cache_entry cache[CACHE_ENTRIES];

static struct cache_entry *cache_place(const unsigned char digest[SHA256_SIZE])
{
    return &cache[((unsigned)digest[0] << 8 | digest[1]) % CACHE_ENTRIES];
}

static bool is_of(const struct cache_entry *entry, const unsigned char digest[SHA256_SIZE])
{
    return memcmp(entry->digest, digest, SHA256_SIZE) == 0;
}

void http_credential_changed(void *context, const char *payload)
{
    unsigned char digest[SHA256_SIZE];

    (void)context;
    if (payload != NULL && hex_read(slice_of(payload), digest, sizeof digest)) {
        struct cache_entry *entry = cache_place(digest);
        if (is_of(entry, digest))
            entry->until = 0;
        return;
    }
    for (size_t i = 0; i < CACHE_ENTRIES; i++)
        cache[i].until = 0;
}

static bool safe_method(const struct request *request)
{
    return request->head.method == HTTP1_GET || request->head.method == HTTP1_HEAD;
}

/* "https://host[:port]" against the configured URL, or against the Host that was asked. */
static bool own_origin(const struct request *request, struct slice origin)
{
    const char *public_url = http_environment()->public_url;

    if (public_url[0] != '\0')
        return slice_is(origin, public_url);
    return slice_starts_with(origin, "https://") &&
           slice_equal((struct slice){origin.data + 8, origin.length - 8}, request->head.host);
}

/* Against CSRF: a cookie alone moves nothing that another site's page could have sent. */
static bool cross_origin(const struct request *request)
{
    struct slice value;

    if (http1_field(&request->head, "origin", &value))
        return !own_origin(request, value);
    if (http1_field(&request->head, "sec-fetch-site", &value))
        return !slice_is(value, "same-origin") && !slice_is(value, "none");
    return false;
}

/* The session's token from the Cookie field; false when there is none. */
static bool session_token(const struct request *request, struct slice *token)
{
    struct slice cookies, cookie;

    if (!http1_field(&request->head, "cookie", &cookies))
        return false;
    for (bool more = true; more;) {
        more = slice_split(&cookies, ';', &cookie);
        cookie = slice_trim(more ? cookie : cookies);
        if (slice_starts_with(cookie, "__Host-bccd=")) {
            *token = (struct slice){cookie.data + SESSION_COOKIE_LENGTH,
                                    cookie.length - SESSION_COOKIE_LENGTH};
            return token->length > 0 && token->length <= SESSION_TOKEN_LIMIT;
        }
    }
    return false;
}

static void copy_column(const PGresult *rows, const char *column, char *text, size_t size)
{
    int number = PQfnumber(rows, column);
    snprintf(text, size, "%s", number < 0 ? "" : PQgetvalue(rows, 0, number));
}

static void read_actor(const PGresult *rows, struct actor *actor)
{
    char side[16];

    memset(actor, 0, sizeof *actor);
    copy_column(rows, "side", side, sizeof side);
    copy_column(rows, "actor", actor->id, sizeof actor->id);
    copy_column(rows, "tenant", actor->tenant, sizeof actor->tenant);
    copy_column(rows, "park", actor->park, sizeof actor->park);
    copy_column(rows, "role", actor->role, sizeof actor->role);
    copy_column(rows, "scopes", actor->scopes, sizeof actor->scopes);
    copy_column(rows, "session", actor->session, sizeof actor->session);
    actor->side = strcmp(side, "operator") == 0                             ? ACTOR_OPERATOR
                  : strcmp(side, "tenant") == 0 && actor->tenant[0] != '\0' ? ACTOR_TENANT
                                                                            : ACTOR_NOBODY;
}

static enum step unauthenticated(struct request *request)
{
    request_add_field(request, "WWW-Authenticate", "Bearer realm=\"bccd\"");
    return request_refuse(request, "unauthenticated", NULL);
}

/* Takes the look-up's row; the digest stands in the request's state meanwhile. */
static enum step take_credential(struct request *request, const PGresult *rows)
{
    const unsigned char *digest = request->state;
    struct cache_entry *entry = cache_place(digest);
    struct actor actor = {.side = ACTOR_NOBODY};

    request->state = NULL;
    if (PQntuples(rows) == 1)
        read_actor(rows, &actor);
    if (actor.side == ACTOR_NOBODY) {
        request_guessed(request);
        if (is_of(entry, digest))
            memset(entry, 0, sizeof *entry);
        return unauthenticated(request);
    }
    request->actor = actor;
    memcpy(entry->digest, digest, SHA256_SIZE);
    entry->actor = actor;
    entry->until = monotonic_milliseconds() + http_environment()->credential_cache_time;
    return NEXT;
}

/* Many tenants may share an address with one who guesses: a credential that was good before, which
 * is one that has its place in the cache, is looked up whatever that one does. */
static enum step look_up(struct request *request, const struct statement *statement,
                         struct slice credential)
{
    unsigned char *digest = arena_allocate(request->arena, 1, SHA256_SIZE);
    char *hex = arena_allocate(request->arena, 1, SHA256_HEX_SIZE);
    const struct cache_entry *entry;

    sha256_of(credential, digest);
    entry = cache_place(digest);
    if (is_of(entry, digest) && entry->until > monotonic_milliseconds()) {
        request->actor = entry->actor;
        return NEXT;
    }
    if (!is_of(entry, digest) && !request_may_guess(request))
        return request_refuse_rate(request);
    hex_write(digest, SHA256_SIZE, hex);
    request_bind(request, "digest", hex);
    request_bind(
        request, "idle_seconds",
        arena_format(request->arena, "%lld", (long long)http_environment()->session_idle_time));
    request->state = digest;
    return request_query_as(request, DATABASE_AUTH, statement, take_credential);
}

enum step request_authenticate(struct request *request)
{
    struct slice value, scheme, token;

    if (request->operation->audience == CONTRACT_PUBLIC)
        return NEXT;
    if (request->operation->audience == CONTRACT_CERTIFICATE) {
        request->actor.side = ACTOR_OPERATOR;
        snprintf(request->actor.id, sizeof request->actor.id, "radius:%.20s",
                 request->certificate_name == NULL ? "" : request->certificate_name);
        return NEXT;
    }
    if (http1_field(&request->head, "authorization", &value)) {
        if (!slice_split(&value, ' ', &scheme) || !slice_is_caseless(scheme, "bearer") ||
            !key_well_formed(slice_trim(value)))
            return unauthenticated(request);
        return look_up(request, &statement_look_up_key, slice_trim(value));
    }
    if (!session_token(request, &token))
        return unauthenticated(request);
    if (!safe_method(request) && cross_origin(request))
        return request_refuse(request, "cross_origin_refused", NULL);
    return look_up(request, &statement_look_up_session, token);
}
