/*
 * Which passwords are accepted: 10 characters or more, PASSWORD_LIMIT bytes at most, neither the
 * account's e-mail address nor one of the most common ones, whatever the case. No rule asks for
 * kinds of characters (NIST SP 800-63B, 5.1.1.2).
 */
#ifndef DAEMON_IDENTITY_PASSWORD_POLICY_H
#define DAEMON_IDENTITY_PASSWORD_POLICY_H

#include <stdbool.h>

#include "common/slice.h"

enum { PASSWORD_MINIMUM_CHARACTERS = 10 };

/* `password` is UTF-8. */
bool password_acceptable(struct slice password, const char *email);

#endif
