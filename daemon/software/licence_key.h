/*
 * Licence keys at rest: sealed, each bound to its tenant, table, column and id, and found again by
 * a keyed digest.
 */
#ifndef DAEMON_SOFTWARE_LICENCE_KEY_H
#define DAEMON_SOFTWARE_LICENCE_KEY_H

#include "common/arena.h"
#include "common/seal.h"
#include "common/slice.h"

/* Bytes; the contract bounds it to a quarter as many characters. */
enum { LICENCE_KEY_LIMIT = 4 * 500 };

/* The sealed key in hexadecimal digits, in the arena. */
const char *licence_key_close(const struct seal_keys *keys, struct arena *arena, const char *tenant,
                              const char *id, struct slice key);

/* The key in clear, in the arena; NULL when it does not open (another key, a moved row). */
const char *licence_key_open(const struct seal_keys *keys, struct arena *arena, const char *tenant,
                             const char *id, struct slice hex);

/* What finds it, in hexadecimal digits, in the arena. It is keyed by the oldest master key, which
 * stays for as long as anything is sealed under it: so a key has one digest, before and after
 * others have come. */
const char *licence_key_digest(const struct seal_keys *keys, struct arena *arena, struct slice key);

/* What is shown of it, in the arena: the last four characters, or none of a key so short that they
 * would tell a good part of it. */
const char *licence_key_ending(struct arena *arena, struct slice key);

#endif
