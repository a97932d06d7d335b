/*
 * Operators made from the command line: the first one, who lets the others in, and whoever lost the
 * way in.
 */
#ifndef DAEMON_IDENTITY_ADMIN_H
#define DAEMON_IDENTITY_ADMIN_H

#include <stdbool.h>

#include "common/digest.h"
#include "daemon/db/session.h"

/* Makes a user of the operator's side with a password (its argon2id hash) and an API key of the
 * same role, which goes to `key` and can be had this once. `session` runs as bccd_operator. False
 * with the reason and the remedy: above all when the e-mail address is taken, and then nothing was
 * changed. `role` is one of the operator's side but park_manager, who needs a park. */
bool admin_create_operator(struct session *session, const char *email, const char *role,
                           const char *hash, char key[KEY_TEXT_LENGTH + 1],
                           char problem[SESSION_PROBLEM_SIZE]);

/* Gives the user of that address, who must be there, the role, password and a new key, enables the
 * account, ends its sessions and revokes the key that was made from here before. */
bool admin_reset_operator(struct session *session, const char *email, const char *role,
                          const char *hash, char key[KEY_TEXT_LENGTH + 1],
                          char problem[SESSION_PROBLEM_SIZE]);

#endif
