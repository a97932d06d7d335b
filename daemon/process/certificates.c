#include "daemon/process/certificates.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/net/tls.h"

enum { PATH_SIZE = 1200, NAME_SIZE = 32, HOST_SIZE = 254 };

_Static_assert((int)TLS_PROBLEM_SIZE == (int)OPTION_PROBLEM_SIZE, "problems are handed through");

/* A host name of letters, digits, '-' and '.' goes into the certificate; any other is left out. */
static bool host_name(char host[HOST_SIZE])
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";

    if (gethostname(host, HOST_SIZE) != 0)
        return false;
    host[HOST_SIZE - 1] = '\0';
    return host[0] != '\0' && strspn(host, letters) == strlen(host);
}

static bool absent(const char *directory, const char *name)
{
    char path[PATH_SIZE + NAME_SIZE];

    snprintf(path, sizeof path, "%s/%.*s", directory, NAME_SIZE - 2, name);
    return access(path, F_OK) != 0 && errno == ENOENT;
}

static bool make(const struct settings *settings, char *problem)
{
    char directory[PATH_SIZE], host[HOST_SIZE];
    const char *names[] = {host};

    snprintf(directory, sizeof directory, "%s/tls", settings->state_directory);
    if (mkdir(directory, 0700) != 0 && errno != EEXIST) {
        snprintf(problem, OPTION_PROBLEM_SIZE, "%.600s: %s; make the state directory writable",
                 directory, strerror(errno));
        return false;
    }
    if ((absent(directory, "ca.pem") || absent(directory, "server.pem")) &&
        !tls_make_certificate(directory, names, host_name(host) ? 1 : 0, problem))
        return false;
    return !absent(directory, "radius-client.pem") ||
           tls_issue_client(directory, "radius-client", "radius", problem);
}

bool certificates_prepare(const struct settings *settings, char problem[OPTION_PROBLEM_SIZE])
{
    const struct tls_files files = {settings->certificate, settings->certificate_key,
                                    settings->client_authority};
    struct tls_ticket_keys keys;
    SSL_CTX *context;

    if ((settings_made(settings, settings->certificate, SETTINGS_CERTIFICATE) ||
         settings_made(settings, settings->client_authority, SETTINGS_CLIENT_AUTHORITY)) &&
        !make(settings, problem))
        return false;
    tls_ticket_keys_make(&keys);
    context = tls_server_new(&files, &keys, problem);
    SSL_CTX_free(context);
    return context != NULL;
}
