/*
 * The door between connections and requests: what the worker hands to the network layer.
 */
#ifndef DAEMON_HTTP_HTTP_H
#define DAEMON_HTTP_HTTP_H

#include "daemon/db/database.h"
#include "daemon/db/job.h"
#include "daemon/http/hasher_client.h"
#include "daemon/net/connection.h"

extern const struct network_handler http_network_handler;

/* Forgets idempotency keys that are older than the option idempotency_time, once an hour. */
extern const struct job_kind http_forget_kind;

/* Answers of the database and the hasher, which go to a request by its number. */
void http_database_done(void *context, uint64_t request, const struct database_answer *answer);
void http_hasher_done(uint64_t request, enum hasher_outcome outcome, const char *hash);

/* A credential changed: the payload of a NOTIFY on bccd_credentials; NULL or "" drops all. */
void http_credential_changed(void *context, const char *digest);

#endif
