#include "daemon/resources/line_secret.h"

#include "common/check.h"

static struct slice place(struct arena *arena, const char *tenant, const char *resource)
{
    return slice_of(arena_format(arena, "%s/broadband_lines/secret/%s", tenant, resource));
}

const char *line_secret_close(const struct seal_keys *keys, struct arena *arena, const char *tenant,
                              const char *resource, struct slice password)
{
    check(password.length <= LINE_PASSWORD_LIMIT);
    return seal_close_text(keys, arena, place(arena, tenant, resource), password);
}

const char *line_secret_open(const struct seal_keys *keys, struct arena *arena, const char *tenant,
                             const char *resource, struct slice hex)
{
    return seal_open_text(keys, arena, place(arena, tenant, resource), hex);
}
