#include "daemon/db/connect.h"

#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/digest.h"

enum {
    PARAMETERS_LIMIT = 16,
    LISTS = 3,
    /* Milliseconds. */
    PAUSE_FIRST = 100,
    PAUSE_LIMIT = 5000,
    PAUSE_DOUBLINGS = 6,
};

struct parameters {
    size_t count;
    const char *names[PARAMETERS_LIMIT];
    const char *values[PARAMETERS_LIMIT];
};

static void add(struct parameters *parameters, const char *name, const char *value)
{
    check(parameters->count + 1 < PARAMETERS_LIMIT);
    parameters->names[parameters->count] = name;
    parameters->values[parameters->count++] = value;
}

/* libpq lets the expanded dbname override what stands before it, and what stands behind override
 * that: defaults first, the role last. */
static struct parameters parameters_of(const char *uri, const char *role, const char *timeout)
{
    struct parameters parameters = {0};

    add(&parameters, "fallback_application_name", "bccd");
    add(&parameters, "connect_timeout", timeout);
    add(&parameters, "keepalives", "1");
    add(&parameters, "keepalives_idle", "2");
    add(&parameters, "keepalives_interval", "1");
    add(&parameters, "keepalives_count", "2");
    add(&parameters, "tcp_user_timeout", "3000");
    add(&parameters, "target_session_attrs", "read-write");
    add(&parameters, "client_encoding", "UTF8");
    add(&parameters, "dbname", uri);
    add(&parameters, "user", role);
    return parameters;
}

/* The list from its element number `turn` on, and then those before that one. */
static void rotate(struct buffer *text, const char *list, unsigned turn)
{
    const char *from = list;

    for (; turn > 0; turn--)
        from = strchr(from, ',') == NULL ? list : strchr(from, ',') + 1;
    buffer_append_text(text, from);
    if (from > list)
        buffer_append_format(text, ",%.*s", (int)(from - list - 1), list);
}

PGconn *connect_start(const char *uri, const char *role, unsigned turn)
{
    static const char *const lists[LISTS] = {"host", "hostaddr", "port"};
    struct parameters parameters = parameters_of(uri, role, NULL);
    PQconninfoOption *options = PQconninfoParse(uri, NULL);
    struct buffer turned[LISTS];

    for (size_t i = 0; i < LISTS; i++) {
        turned[i] = buffer_make(CONNECT_URI_SIZE);
        for (const PQconninfoOption *option = options; option != NULL && option->keyword != NULL;
             option++)
            if (strcmp(option->keyword, lists[i]) == 0 && option->val != NULL)
                rotate(&turned[i], option->val, turn);
        if (turned[i].length > 0)
            add(&parameters, lists[i], turned[i].data);
    }
    PGconn *connection = PQconnectStartParams(parameters.names, parameters.values, 1);
    check(connection != NULL);
    for (size_t i = 0; i < LISTS; i++)
        buffer_free(&turned[i]);
    PQconninfoFree(options);
    return connection;
}

PGconn *connect_wait(const char *uri, const char *role)
{
    char timeout[16];
    snprintf(timeout, sizeof timeout, "%d", CONNECT_WAIT);
    struct parameters parameters = parameters_of(uri, role, timeout);
    PGconn *connection = PQconnectdbParams(parameters.names, parameters.values, 1);

    check(connection != NULL);
    return connection;
}

const char *connect_objection(int server_version, const char *synchronous_commit)
{
    if (server_version < CONNECT_SERVER_VERSION)
        return "the server is older than PostgreSQL 14; upgrade it";
    if (strcmp(synchronous_commit, "on") != 0 && strcmp(synchronous_commit, "remote_apply") != 0)
        return "synchronous_commit is below on, so an acknowledged write could be lost; set it to "
               "on or remote_apply for the server, the database and the role";
    return NULL;
}

int64_t connect_pause(unsigned failures)
{
    uint16_t random;

    if (failures == 0)
        return 0;
    unsigned doublings = failures - 1 < PAUSE_DOUBLINGS ? failures - 1 : PAUSE_DOUBLINGS;
    int64_t pause = (int64_t)PAUSE_FIRST << doublings;
    if (pause > PAUSE_LIMIT)
        pause = PAUSE_LIMIT;
    random_bytes(&random, sizeof random);
    return pause / 2 + pause / 2 * random / UINT16_MAX;
}

void connect_keyword(struct buffer *text, const char *name, const char *value)
{
    buffer_append_format(text, "%s%s='", text->length > 0 ? " " : "", name);
    for (; *value != '\0'; value++) {
        if (*value == '\'' || *value == '\\')
            buffer_append_character(text, '\\');
        buffer_append_character(text, *value);
    }
    buffer_append_character(text, '\'');
}
