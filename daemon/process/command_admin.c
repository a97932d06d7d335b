#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "common/digest.h"
#include "common/file.h"
#include "common/log.h"
#include "common/memory.h"
#include "daemon/db/session.h"
#include "daemon/identity/admin.h"
#include "daemon/process/command.h"
#include "daemon/process/password.h"
#include "daemon/process/prepare.h"

enum { PASSWORD_MINIMUM = 12, GENERATED_BYTES = 16 };

struct person {
    bool (*store)(struct session *session, const char *email, const char *role, const char *hash,
                  char key[KEY_TEXT_LENGTH + 1], char problem[SESSION_PROBLEM_SIZE]);
    const char *email, *role;
    char password[PASSWORD_LIMIT + 2]; /* and its end of line */
};

/* As it must be to be shown, and to sign in with. */
static bool is_utf8(const char *text)
{
    json_t *string = json_string(text);
    bool is = string != NULL;

    json_decref(string);
    return is;
}

static bool read_password(struct person *person, const char *path, char *problem)
{
    size_t length;

    if (path == NULL) {
        unsigned char random[GENERATED_BYTES];
        random_bytes(random, sizeof random);
        hex_write(random, sizeof random, person->password);
        memory_wipe(random, sizeof random);
        return true;
    }
    if (!file_read(path, person->password, sizeof person->password - 1, &length, problem,
                   OPTION_PROBLEM_SIZE))
        return false;
    person->password[length] = '\0';
    person->password[strcspn(person->password, "\r\n")] = '\0';
    length = strlen(person->password);
    if (length < PASSWORD_MINIMUM || length > PASSWORD_LIMIT)
        snprintf(problem, OPTION_PROBLEM_SIZE,
                 "%.400s: its first line is the password and has %zu bytes; give %d to %d", path,
                 length, PASSWORD_MINIMUM, PASSWORD_LIMIT);
    else if (!is_utf8(person->password))
        snprintf(problem, OPTION_PROBLEM_SIZE,
                 "%.400s: its first line is the password and is not UTF-8; write it so", path);
    else
        return true;
    return false;
}

/* JSON, so that scripts can read it; shown once. */
static void print(const struct person *person, const char *key)
{
    json_t *shown = json_pack("{s:s, s:s, s:s, s:s}", "email", person->email, "role", person->role,
                              "password", person->password, "api_key", key);

    json_dumpf(shown, stdout, JSON_INDENT(2));
    printf("\n");
    json_decref(shown);
}

/* As the serving user, in a child. */
static bool store(const struct ground *ground, void *context, char problem[OPTION_PROBLEM_SIZE])
{
    const struct person *person = context;
    char hash[PASSWORD_HASH_SIZE], key[KEY_TEXT_LENGTH + 1], reason[SESSION_PROBLEM_SIZE];
    struct session *session = session_open(ground->database_uri, "bccd_operator", reason);
    bool good = false;

    if (session == NULL) {
        snprintf(problem, OPTION_PROBLEM_SIZE,
                 "database: %s; see that it runs and run bccd migrate", reason);
        return false;
    }
    session_execute(session, "select set_config('bccd.actor', 'bccd admin', false)");
    if (!password_hash(slice_of(person->password), hash))
        snprintf(problem, OPTION_PROBLEM_SIZE, "no memory to hash the password; free 20 MB");
    else if (!person->store(session, person->email, person->role, hash, key, reason))
        snprintf(problem, OPTION_PROBLEM_SIZE, "%s", reason);
    else
        good = true;
    session_close(&session);
    if (good)
        print(person, key);
    memory_wipe(key, sizeof key);
    return good;
}

static int store_operator(struct person *person, struct settings *settings,
                          const char *password_path)
{
    static struct ground ground; /* large */
    char problem[OPTION_PROBLEM_SIZE];
    int status = COMMAND_DONE;

    log_start("admin", LOG_LEVEL_WARNING);
    if (!read_password(person, password_path, problem))
        return command_failed(problem);
    if (!ground_prepare_database(&ground, settings, problem) ||
        !ground_run(&ground, store, person, problem))
        status = command_failed(problem);
    ground_leave(&ground);
    return status;
}

int command_admin(int count, char **arguments)
{
    struct person person = {.store = NULL};
    struct settings settings;
    const char *password_path = NULL, *path;
    const struct command_option own[] = {{"--email", true, &person.email},
                                         {"--role", true, &person.role},
                                         {"--password-file", true, &password_path},
                                         {NULL, false, NULL}};
    int status;

    if (count > 1 && strcmp(arguments[1], "create-operator") == 0)
        person.store = admin_create_operator;
    else if (count > 1 && strcmp(arguments[1], "reset-operator") == 0)
        person.store = admin_reset_operator;
    else
        return command_misused(arguments[0], "say what: create-operator or reset-operator");
    status = command_settings(count - 1, arguments + 1, own, &settings, &path);
    if (status != COMMAND_DONE)
        return status;
    if (person.email == NULL || person.role == NULL)
        status = command_misused(arguments[0], "%s needs --email and --role", arguments[1]);
    else
        status = store_operator(&person, &settings, password_path);
    memory_wipe(person.password, sizeof person.password);
    settings_free(&settings);
    return status;
}
