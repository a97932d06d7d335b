/*
 * What the table of options cannot say alone.
 */
#include <arpa/inet.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/process/settings.h"

static bool refuse(char *problem, const char *name, const char *value, const char *remedy)
{
    snprintf(problem, OPTION_PROBLEM_SIZE, "%s = %.400s: %s", name, value, remedy);
    return false;
}

static bool check_address(const char *name, const char *address, char *problem)
{
    struct in6_addr scratch;

    if (inet_pton(AF_INET, address, &scratch) == 1 || inet_pton(AF_INET6, address, &scratch) == 1)
        return true;
    return refuse(problem, name, address, "write a numeric IPv4 or IPv6 address such as 0.0.0.0");
}

static bool is_any(const char *address)
{
    return strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0;
}

static bool clash(const char *address, int64_t port, const char *other_address, int64_t other_port)
{
    return port != 0 && port == other_port &&
           (is_any(address) || is_any(other_address) || strcmp(address, other_address) == 0);
}

static bool check_listeners(const struct settings *settings, char *problem)
{
    const struct {
        const char *name, *address;
        int64_t port;
    } listeners[] = {
        {"listen", settings->listen_address, settings->listen_port},
        {"client_listen", settings->client_listen_address, settings->client_listen_port},
        {"metrics", settings->metrics_address, settings->metrics_port}};
    char name[OPTION_PROBLEM_SIZE / 2];

    for (size_t i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s_address", listeners[i].name);
        if (!check_address(name, listeners[i].address, problem))
            return false;
        for (size_t j = 0; j < i; j++)
            if (clash(listeners[i].address, listeners[i].port, listeners[j].address,
                      listeners[j].port)) {
                snprintf(
                    problem, OPTION_PROBLEM_SIZE,
                    "%s_port = %lld: %s_port is the same; give each listener a port of its own",
                    listeners[i].name, (long long)listeners[i].port, listeners[j].name);
                return false;
            }
    }
    return true;
}

/* What bccd makes itself may not be there yet. */
static bool check_file(const struct settings *settings, const char *option, const char *path,
                       const char *made, char *problem)
{
    if (settings_made(settings, path, made) || access(path, R_OK) == 0)
        return true;
    return refuse(problem, option, path,
                  "the file cannot be read; put it there, readable for the serving user, or leave "
                  "the option empty to have it made");
}

static bool check_files(const struct settings *settings, char *problem)
{
    if (settings->certificate[0] == '\0')
        return refuse(problem, "certificate_key", settings->certificate_key,
                      "set certificate to its certificate as well");
    if (settings->certificate_key[0] == '\0')
        return refuse(problem, "certificate", settings->certificate,
                      "set certificate_key to its private key as well");
    return check_file(settings, "certificate", settings->certificate, SETTINGS_CERTIFICATE,
                      problem) &&
           check_file(settings, "certificate_key", settings->certificate_key,
                      SETTINGS_CERTIFICATE_KEY, problem) &&
           check_file(settings, "client_authority", settings->client_authority,
                      SETTINGS_CLIENT_AUTHORITY, problem) &&
           check_file(settings, "master_key_file", settings->master_key_file, SETTINGS_MASTER_KEY,
                      problem);
}

/* The message never carries the URI, which may hold a password. */
static bool check_database(const struct settings *settings, char *problem)
{
    char *reason = NULL;
    PQconninfoOption *parsed;

    if (settings->database[0] == '\0')
        return true;
    parsed = PQconninfoParse(settings->database, &reason);
    if (parsed == NULL)
        snprintf(problem, OPTION_PROBLEM_SIZE,
                 "database: not a libpq connection string; write postgresql://HOST/NAME, or leave "
                 "it empty for the embedded cluster");
    PQconninfoFree(parsed);
    PQfreemem(reason);
    return parsed != NULL;
}

static bool check_time_zone(const struct settings *settings, char *problem)
{
    static const char directory[] = "/usr/share/zoneinfo";
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/";
    const char *zone = settings->time_zone;
    char path[sizeof directory + OPTION_TEXT_LIMIT];

    snprintf(path, sizeof path, "%s/%s", directory, zone);
    if (strspn(zone, allowed) == strlen(zone) && zone[0] != '/' &&
        (access(path, R_OK) == 0 || access(directory, R_OK) != 0))
        return true;
    return refuse(problem, "time_zone", zone, "no such time zone; write one such as Asia/Shanghai");
}

/* An origin: https, a host, perhaps a port, and no path. */
static bool check_public_url(const struct settings *settings, char *problem)
{
    static const char scheme[] = "https://";
    const char *url = settings->public_url;
    size_t length = strlen(scheme);

    if (url[0] == '\0')
        return true;
    if (strncmp(url, scheme, length) == 0 && url[length] != '\0' &&
        strcspn(url + length, "/?#@ \"\\") == strlen(url + length))
        return true;
    return refuse(problem, "public_url", url,
                  "write it as https://HOST or https://HOST:PORT, without a path");
}

static bool check_bounds(const struct settings *settings, char *problem)
{
    if (settings->session_time < settings->session_idle_time) {
        snprintf(problem, OPTION_PROBLEM_SIZE,
                 "session_time = %lld: shorter than session_idle_time; make it %lld at least",
                 (long long)settings->session_time, (long long)settings->session_idle_time);
        return false;
    }
    if (settings_log_level(settings) < 0)
        return refuse(problem, "log_level", settings->log_level,
                      "write error, warning, info or debug");
    return true;
}

bool settings_check(const struct settings *settings, char problem[OPTION_PROBLEM_SIZE])
{
    return check_listeners(settings, problem) && check_files(settings, problem) &&
           check_database(settings, problem) && check_time_zone(settings, problem) &&
           check_public_url(settings, problem) && check_bounds(settings, problem);
}
