/*
 * Vendors of software and their Open Service Brokers: what the API and the courier have in common.
 */
#ifndef DAEMON_SOFTWARE_VENDORS_H
#define DAEMON_SOFTWARE_VENDORS_H

#include "common/arena.h"

enum { VENDOR_PASSWORD_LIMIT = 4 * 200 }; /* bytes; the contract bounds it to as many characters */

/* Where a broker's password is sealed for, in the arena. */
static inline const char *vendor_password_place(struct arena *arena, const char *broker)
{
    return arena_format(arena, "/vendor_brokers/password/%s", broker);
}

#endif
