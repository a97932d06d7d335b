/*
 * Entitlements. An answer is of a window of time, not of a moment: within one the same question has
 * the same answer to the letter, its signature too, until something changes. So it can be cached,
 * for as long as a window; and it is good until the end of the window that follows.
 */
#include "common/check.h"
#include "common/digest.h"
#include "common/instant.h"
#include "daemon/db/session.h"
#include "daemon/http/environment.h"
#include "daemon/http/request.h"
#include "daemon/software/entitlement_keys.h"
#include "daemon/software/licence_key.h"
#include "operations.h"
#include "proto/json.h"
#include "statements.h"

enum { ENTITLEMENT_SECONDS = 300, TAG_LENGTH = 32 };

#define WINDOW (ENTITLEMENT_SECONDS * INSTANT_SECOND)

struct span {
    instant from, until; /* checked_at and valid_until */
};

/* ---- What is found ---- */

static json_t *text_at(const PGresult *rows, const char *name)
{
    return PQntuples(rows) == 0 || result_is_null(rows, 0, name)
               ? json_null()
               : json_string(result_text(rows, 0, name));
}

/* The members that answer and token share. */
static json_t *facts(struct request *request, const PGresult *rows)
{
    static const char *const TEXTS[] = {"resource_id", "offering_id", "offering_code", "plan_id",
                                        "seat_id"};
    const char *email = request_parameter(request, "email");
    bool found = PQntuples(rows) == 1;
    json_t *members = json_object();

    json_object_set_new(members, "reason",
                        found ? text_at(rows, "reason") : json_string("unknown"));
    json_object_set_new(members, "entitled",
                        json_boolean(json_is_null(json_object_get(members, "reason"))));
    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++)
        json_object_set_new(members, TEXTS[i], text_at(rows, TEXTS[i]));
    json_object_set_new(members, "seats",
                        found && !result_is_null(rows, 0, "seats")
                            ? json_integer(result_number(rows, 0, "seats"))
                            : json_null());
    json_object_set_new(members, "email", found ? text_at(rows, "email") : json_null());
    if (json_is_null(json_object_get(members, "email")) && email != NULL)
        json_object_set_new(members, "email", json_string(email));
    return members;
}

/* It ends no later than the key that it is of. */
static struct span span_of(const PGresult *rows, const json_t *members)
{
    instant now = instant_now(), ends;
    struct span span = {.from = now - now % WINDOW};

    span.until = span.from + 2 * WINDOW;
    if (json_is_true(json_object_get(members, "entitled")) &&
        !result_is_null(rows, 0, "valid_until")) {
        check(instant_parse(slice_of(result_text(rows, 0, "valid_until")), &ends));
        span.until = ends < span.until ? ends : span.until;
    }
    return span;
}

/* ---- The answer ---- */

static void set_text(json_t *object, const char *name, const char *text)
{
    if (text != NULL)
        json_object_set_new(object, name, json_string(text));
}

/* What was asked about: the person, or else the key. */
static const char *subject(struct request *request, const PGresult *rows, const json_t *members)
{
    const char *email = json_member_text(members, "email");

    if (request_parameter(request, "email") != NULL)
        return email;
    return PQntuples(rows) == 1 ? result_text(rows, 0, "licence_key_id")
                                : request_parameter(request, "licence_key_id");
}

static const char *token(struct request *request, const PGresult *rows, const json_t *members,
                         struct span span)
{
    const char *platform = http_environment()->public_url;
    const char *offering = json_member_text(members, "offering_code");
    json_t *claims = json_copy((json_t *)members);

    check(claims != NULL);
    set_text(claims, "iss", platform[0] == '\0' ? "bccd" : platform);
    set_text(claims, "sub", subject(request, rows, members));
    set_text(claims, "aud", offering != NULL ? offering : request_parameter(request, "offering"));
    json_object_set_new(claims, "iat", json_integer(span.from / INSTANT_SECOND));
    json_object_set_new(claims, "nbf", json_integer(span.from / INSTANT_SECOND));
    json_object_set_new(claims, "exp", json_integer(span.until / INSTANT_SECOND));
    const char *text =
        entitlement_sign(http_environment()->seal_keys, request_arena(request), claims);
    json_decref(claims);
    return text;
}

static void set_time(json_t *members, const char *name, instant time)
{
    char text[INSTANT_TEXT_SIZE];

    instant_write(time, text);
    json_object_set_new(members, name, json_string(text));
}

/* Of a question in the URL alone; what is posted stays "no-store". */
static bool client_has(struct request *request, struct slice body, struct span span)
{
    int64_t left = (span.until - instant_now()) / INSTANT_SECOND;
    char digest[SHA256_HEX_SIZE];

    if (request_operation(request)->method != HTTP1_GET)
        return false;
    left = left < 0 ? 0 : left < ENTITLEMENT_SECONDS ? left : ENTITLEMENT_SECONDS;
    request_set_cache_control(
        request, arena_format(request_arena(request), "private, max-age=%d", (int)left));
    request_add_field(request, "Vary", "Authorization, Cookie");
    sha256_hex(body, digest);
    digest[TAG_LENGTH] = '\0';
    return request_set_version(request, digest);
}

static enum step answer(struct request *request, const PGresult *rows)
{
    json_t *members = facts(request, rows);
    struct span span = span_of(rows, members);
    const char *signed_text = token(request, rows, members, span);

    set_time(members, "checked_at", span.from);
    set_time(members, "valid_until", span.until);
    set_text(members, "token", signed_text);
    struct slice body = json_canonical(request_arena(request), members);
    json_decref(members);
    return client_has(request, body, span)
               ? request_answer_empty(request, 304)
               : request_answer_bytes(request, 0, "application/json", body);
}

/* ---- The questions ---- */

static bool tenant_named(const struct request *request)
{
    return request_tenant(request) != NULL;
}

enum step operation_get_entitlement(struct request *request)
{
    static const struct {
        const char *parameter;
        const struct statement *statement;
    } QUESTIONS[] = {{"resource_id", &statement_find_entitlement_by_resource},
                     {"external_id", &statement_find_entitlement_by_external_id},
                     {"offering", &statement_find_entitlement_by_offering},
                     {"licence_key_id", &statement_find_entitlement_by_key}};
    const struct statement *asked = NULL;
    unsigned count = 0;

    for (size_t i = 0; i < sizeof QUESTIONS / sizeof QUESTIONS[0]; i++)
        if (request_parameter(request, QUESTIONS[i].parameter) != NULL) {
            asked = QUESTIONS[i].statement;
            count++;
        }
    if (count != 1 || (request_parameter(request, "email") == NULL &&
                       request_parameter(request, "licence_key_id") == NULL))
        return request_refuse(request, "entitlement_question", NULL);
    if (!tenant_named(request))
        return request_refuse(request, "tenant_required", NULL);
    return request_query(request, asked, answer);
}

enum step operation_check_entitlement(struct request *request)
{
    struct slice key = slice_of(json_member_text(request_body(request), "licence_key"));

    if (!tenant_named(request))
        return request_refuse(request, "tenant_required", NULL);
    request_bind(request, "email", json_member_text(request_body(request), "email"));
    request_bind(request, "digest",
                 licence_key_digest(http_environment()->seal_keys, request_arena(request), key));
    return request_query(request, &statement_find_entitlement_by_key_text, answer);
}

enum step operation_list_entitlement_keys(struct request *request)
{
    json_t *keys = entitlement_key_set(http_environment()->seal_keys, request_arena(request));

    request_set_cache_control(request, "public, max-age=300");
    enum step next = request_answer_json(request, 0, keys);
    json_decref(keys);
    return next;
}
