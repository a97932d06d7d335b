/*
 * Who acts: the holder of a credential, as the look-up of its key or session gave it. Values only,
 * so it can be copied and cached.
 */
#ifndef DAEMON_HTTP_ACTOR_H
#define DAEMON_HTTP_ACTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/identifier.h"
#include "common/slice.h"

enum { ACTOR_SCOPES_SIZE = 512 };

enum actor_side { ACTOR_NOBODY, ACTOR_TENANT, ACTOR_OPERATOR };

struct actor {
    enum actor_side side;
    char id[IDENTIFIER_SIZE];       /* usr_... or key_... */
    char tenant[IDENTIFIER_SIZE];   /* of ACTOR_TENANT; else "" */
    char park[IDENTIFIER_SIZE];     /* a park_manager's park; else "" */
    char role[24];                  /* "owner", "operator", ... */
    char scopes[ACTOR_SCOPES_SIZE]; /* of an API key, separated by blanks; "" is all that the role
                                       may */
    char session[IDENTIFIER_SIZE];  /* ses_... of a cookie; else "" */
};

struct actor_role {
    const char *name;
    const char *permissions; /* of the contract, separated by blanks; "x:*" is all of x, "*" all */
};

/* What each role may do. */
extern const struct actor_role actor_roles[];
extern const size_t actor_role_count;

/* True when role and scopes both allow the permission ("invoices:read"); NULL is always allowed. */
bool actor_may(const struct actor *actor, const char *permission);

#endif
