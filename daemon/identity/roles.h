/*
 * Which roles a caller may hand on. Nobody gives, changes or takes a role that he could not have
 * given, so nobody rises by what he makes.
 */
#ifndef DAEMON_IDENTITY_ROLES_H
#define DAEMON_IDENTITY_ROLES_H

#include "daemon/http/actor.h"

/* Roles separated by commas, "" for none. Constant texts. */

/* To API keys, whose scopes are kept within the caller's apart from their role. */
const char *roles_for_keys(const struct actor *actor);

/* To people, who have no scopes: a key that is bound by scopes makes plain members alone. */
const char *roles_for_people(const struct actor *actor);

#endif
