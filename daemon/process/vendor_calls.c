#include "daemon/process/vendor_calls.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>

#include "common/check.h"
#include "common/digest.h"
#include "common/log.h"
#include "common/memory.h"
#include "daemon/net/outbound.h"
#include "daemon/software/vendors.h"
#include "proto/json.h"
#include "proto/osb.h"
#include "statements.h"

enum {
    CALLS_MAGIC = 0x76656e64,
    CALL_MAGIC = 0x63616c6c,
    CALLS_LIMIT = 32, /* at once */
    LEASE_SLACK = 10, /* seconds that a lease outlasts the request it is for */
    NUMBER_SIZE = 24,
    REQUEST_IDENTITY_SIZE = 16, /* bytes of chance */
    MILLISECONDS = 1000,
};

struct vendor_calls {
    unsigned magic;
    const struct seal_keys *keys;
    struct outbound *outbound;
    vendor_session session;
    void *context;
    struct call *under_way[CALLS_LIMIT];
    size_t count;
};

/* One call, while it is under way. */
struct call {
    unsigned magic;
    struct vendor_calls *calls;
    struct arena *arena; /* it lies in there, too */
    enum osb_call kind;
    const char *id; /* of the operation; of the broker, where its catalog is read */
    const char *fence, *request_seconds, *poll_seconds;
};

static void call_free(struct call *call)
{
    struct arena *arena;

    check_magic(call, CALL_MAGIC);
    call->magic = 0;
    arena = call->arena; /* it lies in there, too */
    arena_free(&arena);
}

static void forget(struct vendor_calls *calls, const struct call *call)
{
    for (size_t i = 0; i < calls->count; i++)
        if (calls->under_way[i] == call) {
            calls->under_way[i] = calls->under_way[--calls->count];
            return;
        }
}

/* ---- What came of it ---- */

/* What others wrote, as PostgreSQL and JSON take it. */
static const char *text_for_people(struct arena *arena, const char *text)
{
    return text != NULL && json_is_text(slice_of(text)) ? arena_text(arena, text)
                                                        : "It is no text that can be shown.";
}

static bool note_catalog(struct session *session, struct call *call,
                         const struct outbound_answer *answer)
{
    const char *problem = answer->problem, *services = NULL;

    if (answer->result == OUTBOUND_ANSWERED)
        services = osb_read_catalog(call->arena, answer->status, answer->body, &problem);
    if (services == NULL)
        problem = text_for_people(call->arena, problem);
    log_info("vendor_catalog_read", log_text("broker", call->id),
             log_number("status", answer->status),
             log_text("problem", services != NULL ? "" : problem));
    PQclear(session_run_named(session, &statement_note_vendor_catalog, "id", call->id, "services",
                              services, "problem", services == NULL ? problem : NULL, NULL));
    return !session_failed(session);
}

/* What vendor_answer takes as `answer`. */
static const char *answer_text(struct arena *arena, const struct osb_answer *read,
                               int64_t retry_after)
{
    json_t *text =
        json_pack("{s:s?, s:s?, s:s?, s:s}", "operation", read->operation, "dashboard_url",
                  read->dashboard_url, "error", read->error, "detail", read->detail);
    const char *canonical;

    check(text != NULL);
    if (retry_after > 0)
        json_object_set_new(text, "retry_after",
                            json_integer(retry_after < INT32_MAX ? retry_after : INT32_MAX));
    canonical = json_canonical(arena, text).data;
    json_decref(text);
    return canonical;
}

static bool note_answer(struct session *session, struct call *call,
                        const struct outbound_answer *answer)
{
    struct osb_answer read = {
        .outcome = answer->result == OUTBOUND_UNSENT ? "unsent" : "lost",
        .detail = answer->problem,
    };

    if (answer->result == OUTBOUND_ANSWERED)
        osb_read(call->arena, call->kind, answer->status, answer->body, &read);
    read.detail = text_for_people(call->arena, read.detail);
    log_info("vendor_answered", log_text("operation", call->id),
             log_text("call", osb_method(call->kind)), log_text("outcome", read.outcome),
             log_number("status", answer->status));
    PQclear(session_run_named(session, &statement_answer_vendor_call, "id", call->id, "fence",
                              call->fence, "outcome", read.outcome, "answer",
                              answer_text(call->arena, &read, answer->retry_after), "poll_seconds",
                              call->poll_seconds, "request_seconds", call->request_seconds, NULL));
    return !session_failed(session);
}

/* The vendor's word could not be acted on: the operator must know why. */
static void note_trouble(struct session *session, const struct call *call)
{
    const char *problem = arena_text(call->arena, session_problem(session));

    log_error("vendor_answer_not_applied", log_text("operation", call->id),
              log_text("problem", problem));
    if (call->kind != OSB_CATALOG && !session_lost(session))
        PQclear(session_run_named(session, &statement_note_vendor_trouble, "id", call->id, "fence",
                                  call->fence, "detail", problem, NULL));
}

static void on_answer(void *context, const struct outbound_answer *answer)
{
    struct call *call = context;
    struct session *session;

    check_magic(call, CALL_MAGIC);
    forget(call->calls, call);
    session = call->calls->session(call->calls->context);
    if (session != NULL && !(call->kind == OSB_CATALOG ? note_catalog(session, call, answer)
                                                       : note_answer(session, call, answer)))
        note_trouble(session, call);
    call_free(call);
}

/* ---- Sending ---- */

static struct call *new_call(struct vendor_calls *calls, const PGresult *rows, int row,
                             enum osb_call kind)
{
    struct arena *arena = arena_new();
    struct call *call = arena_allocate(arena, 1, sizeof *call);

    call->magic = CALL_MAGIC;
    call->calls = calls;
    call->arena = arena;
    call->kind = kind;
    call->id = arena_text(arena, result_text(rows, row, "id"));
    call->request_seconds = arena_text(arena, result_text(rows, row, "request_seconds"));
    return call;
}

/* The password in clear; "" where there is none, NULL where it does not open. */
static const char *open_password(const struct vendor_calls *calls, struct arena *arena,
                                 const char *broker, const char *hex)
{
    unsigned char sealed[VENDOR_PASSWORD_LIMIT + SEAL_OVERHEAD];
    size_t length = strlen(hex) / 2;

    if (length == 0)
        return "";
    if (length <= SEAL_OVERHEAD || length > sizeof sealed ||
        !hex_read(slice_of(hex), sealed, length))
        return NULL;
    char *password = arena_allocate(arena, length - SEAL_OVERHEAD + 1, 1);
    return seal_open(calls->keys, slice_of(vendor_password_place(arena, broker)),
                     (struct slice){(char *)sealed, length}, password)
               ? password
               : NULL;
}

static const char *request_identity(struct arena *arena)
{
    unsigned char bytes[REQUEST_IDENTITY_SIZE];
    char hex[2 * REQUEST_IDENTITY_SIZE + 1];

    random_bytes(bytes, sizeof bytes);
    hex_write(bytes, sizeof bytes, hex);
    return arena_format(arena, "X-Broker-API-Request-Identity: %s", hex);
}

static const char *originating_identity(struct arena *arena, const char *actor)
{
    const char *value = arena_format(arena, "{\"user_id\":\"%s\"}", actor);
    size_t length = strlen(value);
    unsigned char *spelled = arena_allocate(arena, (length + 2) / 3 * 4 + 1, 1);

    EVP_EncodeBlock(spelled, (const unsigned char *)value, (int)length);
    return arena_format(arena, "X-Broker-API-Originating-Identity: bccd %s", (char *)spelled);
}

static void send_call(struct call *call, const PGresult *rows, int row, const char *broker,
                      const struct osb_request *osb, const char *body)
{
    const char *fields[] = {
        "X-Broker-API-Version: " OSB_VERSION,
        request_identity(call->arena),
        "Accept: application/json",
        body == NULL ? NULL : "Content-Type: application/json",
        body == NULL ? NULL : originating_identity(call->arena, result_text(rows, row, "actor")),
        NULL,
    };
    const struct outbound_request request = {
        .method = osb_method(call->kind),
        .url = osb_url(call->arena, osb),
        .fields = fields,
        .body = slice_of(body),
        .username = result_text(rows, row, "username"),
        .password =
            open_password(call->calls, call->arena, broker, result_text(rows, row, "password")),
        .authority =
            result_is_null(rows, row, "authority") ? NULL : result_text(rows, row, "authority"),
        .timeout = result_number(rows, row, "request_seconds") * MILLISECONDS,
    };

    call->calls->under_way[call->calls->count++] = call;
    if (request.password == NULL)
        on_answer(call, &(struct outbound_answer){
                            .result = OUTBOUND_UNSENT,
                            .problem = "the broker's password does not open under the master keys; "
                                       "set it anew"});
    else
        outbound_send(call->calls->outbound, &request, on_answer, call);
}

static enum osb_call kind_of(const char *call)
{
    return strcmp(call, "provision") == 0     ? OSB_PROVISION
           : strcmp(call, "update") == 0      ? OSB_UPDATE
           : strcmp(call, "deprovision") == 0 ? OSB_DEPROVISION
                                              : OSB_LAST_OPERATION;
}

static void begin_call(struct vendor_calls *calls, const PGresult *rows, int row)
{
    struct call *call = new_call(calls, rows, row, kind_of(result_text(rows, row, "call")));
    const struct osb_request osb = {
        .call = call->kind,
        .base_url = result_text(rows, row, "url"),
        .instance_id = result_text(rows, row, "instance_id"),
        .service_id = result_text(rows, row, "service_id"),
        .plan_id = result_text(rows, row, "vendor_plan_id"),
        .operation = result_is_null(rows, row, "vendor_operation")
                         ? NULL
                         : result_text(rows, row, "vendor_operation"),
    };

    call->fence = arena_text(call->arena, result_text(rows, row, "claims"));
    call->poll_seconds = arena_text(call->arena, result_text(rows, row, "poll_seconds"));
    send_call(call, rows, row, result_text(rows, row, "broker_id"), &osb,
              result_is_null(rows, row, "body") ? NULL : result_text(rows, row, "body"));
}

static void begin_catalog(struct vendor_calls *calls, const PGresult *rows, int row)
{
    struct call *call = new_call(calls, rows, row, OSB_CATALOG);
    const struct osb_request osb = {.call = OSB_CATALOG, .base_url = result_text(rows, row, "url")};

    send_call(call, rows, row, call->id, &osb, NULL);
}

static void claim(struct vendor_calls *calls, struct session *session,
                  const struct statement *statement,
                  void (*begin)(struct vendor_calls *, const PGresult *, int))
{
    char limit[NUMBER_SIZE], slack[NUMBER_SIZE];
    PGresult *rows;

    if (calls->count == CALLS_LIMIT)
        return;
    snprintf(limit, sizeof limit, "%zu", CALLS_LIMIT - calls->count);
    snprintf(slack, sizeof slack, "%d", LEASE_SLACK);
    rows = session_run_named(session, statement, "limit", limit, "slack", slack, NULL);
    for (int row = 0; row < PQntuples(rows); row++)
        begin(calls, rows, row);
    PQclear(rows);
}

void vendor_calls_claim(struct vendor_calls *calls, struct session *session)
{
    check_magic(calls, CALLS_MAGIC);
    claim(calls, session, &statement_claim_vendor_calls, begin_call);
    claim(calls, session, &statement_claim_vendor_catalogs, begin_catalog);
}

struct vendor_calls *vendor_calls_new(struct event_base *base, const struct seal_keys *keys,
                                      vendor_session session, void *context)
{
    struct vendor_calls *calls = memory_allocate(1, sizeof *calls);

    calls->magic = CALLS_MAGIC;
    calls->keys = keys;
    calls->session = session;
    calls->context = context;
    calls->outbound = outbound_new(base);
    return calls;
}

void vendor_calls_free(struct vendor_calls **calls)
{
    if (*calls == NULL)
        return;
    check_magic(*calls, CALLS_MAGIC);
    outbound_free(&(*calls)->outbound);
    while ((*calls)->count > 0)
        call_free((*calls)->under_way[--(*calls)->count]);
    memory_free(*calls);
    *calls = NULL;
}
