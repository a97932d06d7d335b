#include "daemon/db/database.h"

#include "common/check.h"
#include "common/memory.h"
#include "daemon/db/listener.h"
#include "daemon/db/pool.h"

enum { DATABASE_MAGIC = 0x44415441 };

struct database {
    unsigned magic;
    struct event_base *base;
    struct database_settings settings;
    struct pool *pools[DATABASE_ROLES];
    struct listener *listeners[DATABASE_LISTENERS_LIMIT];
};

struct database *database_new(struct event_base *base, const struct database_settings *settings,
                              database_done *done, void *context)
{
    struct database *database = memory_allocate(1, sizeof *database);

    check(settings->connect_timeout > 0 && settings->queue_timeout > 0);
    database->magic = DATABASE_MAGIC;
    database->base = base;
    database->settings = *settings;
    for (size_t role = 0; role < DATABASE_ROLES; role++)
        if (settings->role[role] != NULL)
            database->pools[role] =
                pool_new(base, &database->settings, settings->role[role], done, context);
    return database;
}

void database_free(struct database **database)
{
    if (*database == NULL)
        return;
    check_magic(*database, DATABASE_MAGIC);
    for (size_t i = 0; i < DATABASE_LISTENERS_LIMIT; i++)
        listener_free(&(*database)->listeners[i]);
    for (size_t role = 0; role < DATABASE_ROLES; role++)
        pool_free(&(*database)->pools[role]);
    (*database)->magic = 0;
    memory_free(*database);
    *database = NULL;
}

void database_submit(struct database *database, const struct segment *segment, uint64_t ticket)
{
    check_magic(database, DATABASE_MAGIC);
    check(segment->role < DATABASE_ROLES && database->pools[segment->role] != NULL);
    check(segment->count > 0 && segment->count <= SEGMENT_STATEMENTS_LIMIT);
    pool_submit(database->pools[segment->role], segment, ticket);
}

bool database_ready(const struct database *database)
{
    check_magic(database, DATABASE_MAGIC);
    for (size_t role = 0; role < DATABASE_ROLES; role++)
        if (database->pools[role] != NULL && !pool_ready(database->pools[role]))
            return false;
    for (size_t i = 0; i < DATABASE_LISTENERS_LIMIT; i++)
        if (database->listeners[i] != NULL && !listener_ready(database->listeners[i]))
            return false;
    return true;
}

void database_listen(struct database *database, const char *channel,
                     void (*heard)(void *context, const char *payload), void *context)
{
    check_magic(database, DATABASE_MAGIC);
    struct listener **place = database->listeners;
    check(database->listeners[DATABASE_LISTENERS_LIMIT - 1] == NULL);
    while (*place != NULL)
        place++;
    *place = listener_new(database->base, &database->settings,
                          database->settings.role[DATABASE_AUTH], channel, heard, context);
}
