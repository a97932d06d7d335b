/*
 * One request and its life, a list of steps:
 *
 *     route -> authenticate -> limit -> permit -> read body -> validate -> query -> render -> send
 *
 * Each step returns NEXT (go on), WAIT (it will be called again when what it waits for has come) or
 * DONE (the answer is on its way). Permission comes before the body is read; whose row it is, the
 * statement decides.
 *
 * A domain writes the query step of its operations: `enum step operation_get_tenant(struct request
 * *)`. Most are one line, request_run(request, &statement_get_tenant): one statement, whose rows
 * are the answer.
 *
 * Invariants
 * - A request lives until its answer was sent (or its connection is gone) and nothing that was
 * asked of the database or the hasher is outstanding. Both know it by its number alone.
 * - What is allocated in its arena lives as long as it does.
 */
#ifndef DAEMON_HTTP_REQUEST_H
#define DAEMON_HTTP_REQUEST_H

#include <jansson.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/buffer.h"
#include "daemon/db/database.h"
#include "daemon/http/actor.h"
#include "daemon/http/hasher_client.h"
#include "proto/contract.h"

enum step { NEXT, WAIT, DONE };

struct request;

typedef enum step (*operation_handler)(struct request *request);

/* What is served beside the contract, on the public listener to anybody: answers a path of its own,
 * and returns NEXT for any other. The table is in modules.c and ends with NULL. */
typedef enum step (*page_handler)(struct request *request, enum http1_method method,
                                  struct slice path);
extern const page_handler page_handlers[];

/* ---- What a domain reads ---- */

struct arena *request_arena(struct request *request);
const struct actor *request_actor(const struct request *request);
const struct contract_operation *request_operation(const struct request *request);
int request_listener(const struct request *request); /* kind given to network_listen */
const char *request_id(const struct request *request);
enum language request_language(const struct request *request);

/* The validated JSON body (borrowed; NULL without one), or the bytes of another media type. */
json_t *request_body(const struct request *request);
struct slice request_bytes(const struct request *request);
struct slice
request_media(const struct request *request); /* the body's content type, without parameters */
bool request_header(const struct request *request, const char *name, struct slice *value);
const struct http1_head *request_head(const struct request *request);
const char *
request_certificate_name(const struct request *request);   /* NULL without a client certificate */
const char *request_tenant(const struct request *request); /* acted for; NULL: none named */

/* An operator who named no tenant acts for that of a row that it was shown. */
void request_act_for(struct request *request, const char *tenant);

/* A parameter by its bind name ("tenant_id", "created_at_gte"), validated; NULL when it was not
 * sent. */
const char *request_parameter(const struct request *request, const char *bind);
bool request_dry_run(const struct request *request);

/* ---- What a domain does ---- */

/* Gives a statement's parameter :name a value (kept as a pointer; NULL is SQL's NULL). */
void request_bind(struct request *request, const char *name, const char *value);

/* Sends a statement before the main one, in the same segment and transaction: a lock, whose wait
 * the main statement's snapshot must come after, or a check that refuses. Once a request. */
void request_prepend(struct request *request, const struct statement *statement);

/* Sends the statement and answers with its rows. Its parameters are found by name:
 *   :tenant        the tenant acted for: the actor's own, or that which an operator named (else
 * NULL) :actor         who acts, "usr_..." or "key_..." :body          the JSON body as text
 *   :new_res       a fresh id with prefix "res", the same throughout the request (any prefix)
 *   :if_match      the version in If-Match; NULL with If-Match: *
 *   :limit :cursor of a list
 *   :dry_run       'true' or 'false'
 *   any other      by request_bind, or a parameter of the contract by its bind name
 *
 * What the statement gives:
 *   an operation with x-list   rows (cursor, document): {"data": [...], "next_cursor": ...}. Where
 * the path has a parameter, no row means that what it names is absent; one row whose cursor is
 * NULL, that nothing is below it.
 *   any other                  one row (outcome?, document?, version?, location?); no row means
 * absent. outcome: 'ok' (the default), 'absent' 404, 'stale' 412, or the code of a problem
 * ("state_conflict"), whose "detail" may be given in a column `detail` and whose JSON pointer in a
 * column `pointer`. document becomes the body, version the ETag, location the Location header.
 * A column `changes` says that the document changes without its version: it is sent whatever
 * If-None-Match says.
 * Whatever is not 'ok' rolls nothing back, so such a statement must not have written. */
enum step request_run(struct request *request, const struct statement *statement);

/* What request_run makes of rows that are there already. */
enum step request_answer_rows(struct request *request, const PGresult *rows);

/* request_run in another role's pool: DATABASE_AUTH, for signing in. */
enum step request_run_as(struct request *request, enum database_role role,
                         const struct statement *statement);

/* Sends the statement and hands its answer to `rows`, which answers with one of the functions below
 * or runs another statement (then a segment and transaction of its own). For operations that
 * compute in C. */
enum step request_query(struct request *request, const struct statement *statement,
                        enum step (*rows)(struct request *request, const PGresult *result));
enum step request_query_as(struct request *request, enum database_role role,
                           const struct statement *statement,
                           enum step (*rows)(struct request *request, const PGresult *result));

/* The same; where a constraint of one of those names is violated, its `then` goes on instead of a
 * refusal, after the segment's transaction was rolled back. A list that ends with a name NULL, and
 * outlives the request. */
struct request_violation {
    const char *constraint;
    enum step (*then)(struct request *request);
};
enum step request_query_unless(struct request *request, const struct statement *statement,
                               enum step (*rows)(struct request *request, const PGresult *result),
                               const struct request_violation *violations);

/* Waits for what is done for several requests at once, in a segment of the process; until then the
 * request is there, whatever becomes of its connection. request_resume goes on with `then`. */
enum step request_wait(struct request *request);
void request_resume(struct request *request, enum step (*then)(struct request *request));
void request_submit_shared(const struct segment *segment,
                           void (*done)(void *context, const struct database_answer *answer),
                           void *context);

/* Rendered answers. `status` 0 takes the operation's success status. Each returns DONE. */
enum step request_answer_json(struct request *request, int status, const json_t *document);
enum step request_answer_bytes(struct request *request, int status, const char *content_type,
                               struct slice bytes);
enum step request_answer_empty(struct request *request, int status);

/* 405 with the field Allow, or what OPTIONS asks. */
enum step request_refuse_method(struct request *request, const char *allow);

/* A problem by its code; `detail` NULL takes the code's own sentence. */
enum step request_refuse(struct request *request, const char *code, const char *detail);
/* The same with JSON pointers. */
enum step request_refuse_at(struct request *request, const char *code,
                            const struct schema_errors *errors);

/* The same with bytes of the program, which are not copied. */
enum step request_answer_constant(struct request *request, int status, const char *content_type,
                                  struct slice bytes);

/* Gives the answer its ETag; true when If-None-Match says that the client has it: answer 304. */
bool request_set_version(struct request *request, const char *version);

/* A header field for the answer; name and value are copied. */
void request_add_field(struct request *request, const char *name, const char *value);

/* Cache-Control of the answer, "no-store" where nothing is said; kept as a pointer. */
void request_set_cache_control(struct request *request, const char *value);

/* Password hashing in the hasher: `then` is called with the outcome at hand below. */
enum step request_hash_password(struct request *request, struct slice password,
                                enum step (*then)(struct request *request));
enum step request_verify_password(struct request *request, struct slice password, const char *hash,
                                  enum step (*then)(struct request *request));
enum hasher_outcome request_hasher_outcome(const struct request *request);
const char *request_password_hash(const struct request *request); /* in the arena */

/* A place for the operation's own state between steps, in the arena. */
void *request_state(const struct request *request);
void request_set_state(struct request *request, void *state);

/* A long answer in pieces, for downloads: begin with the whole length, then `more` is called each
 * time the connection can take more; it writes with request_write and returns WAIT, or DONE after
 * the last piece. */
enum step request_stream(struct request *request, const char *content_type, uint64_t length,
                         enum step (*more)(struct request *request));
void request_write(struct request *request, struct slice bytes);

#endif
