#include "daemon/resources/line_secret.h"

#include "common/check.h"
#include "common/digest.h"

static struct slice place(struct arena *arena, const char *tenant, const char *resource)
{
    return slice_of(arena_format(arena, "%s/broadband_lines/secret/%s", tenant, resource));
}

const char *line_secret_close(const struct seal_keys *keys, struct arena *arena, const char *tenant,
                              const char *resource, struct slice password)
{
    unsigned char sealed[LINE_SECRET_LIMIT];
    size_t length = password.length + SEAL_OVERHEAD;
    char *hex = arena_allocate(arena, 2 * length + 1, 1);

    check(password.length <= LINE_PASSWORD_LIMIT);
    seal_close(keys, place(arena, tenant, resource), password, sealed);
    hex_write(sealed, length, hex);
    return hex;
}

const char *line_secret_open(const struct seal_keys *keys, struct arena *arena, const char *tenant,
                             const char *resource, struct slice hex)
{
    unsigned char sealed[LINE_SECRET_LIMIT];
    size_t length = hex.length / 2;

    if (length < SEAL_OVERHEAD || length > sizeof sealed || !hex_read(hex, sealed, length))
        return NULL;
    char *password = arena_allocate(arena, length - SEAL_OVERHEAD + 1, 1);
    return seal_open(keys, place(arena, tenant, resource),
                     (struct slice){(const char *)sealed, length}, password)
               ? password
               : NULL;
}
