/*
 * What the operations of this folder share. People are users; a user is a member of tenants, or of
 * the operator's side. A credential is an API key or a session, and is kept as the SHA-256 of its
 * text alone.
 *
 * Invariants
 * - Nobody gives a role or a scope beyond his own (roles.h).
 * - A tenant changes the accounts of those alone who have access to no other; it keeps an owner.
 * - Password hashes and sessions can be reached through the functions of bccd_auth alone.
 */
#ifndef DAEMON_IDENTITY_IDENTITY_H
#define DAEMON_IDENTITY_IDENTITY_H

#include "daemon/http/request.h"

/* A text of the validated body with its length; empty when it was not sent. */
struct slice identity_body_text(const struct request *request, const char *name);

/* Binds :password_hash to what the hasher made. False when it made none: then answer with
 * identity_refuse_overloaded. */
bool identity_bind_hash(struct request *request);

/* Verifies the body's text of that name against the hash that look_up_password gave, and binds that
 * to :verified_hash. Where there is no account it takes as long: there is always a hash. */
enum step identity_verify_password(struct request *request, const PGresult *rows, const char *name,
                                   enum step (*then)(struct request *request));

/* 503 with Retry-After: the hasher could not answer in time. */
enum step identity_refuse_overloaded(struct request *request);

/* Too many attempts at an account's password: 429, with the seconds that the look-up gave. */
enum step identity_refuse_throttled(struct request *request, const PGresult *rows);

#endif
