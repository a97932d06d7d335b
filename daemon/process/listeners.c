#include "daemon/process/listeners.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/slice.h"
#include "daemon/net/address.h"

enum { FIRST_INHERITED = 3 };

static const char *const names[WORKER_LISTENERS] = {"public", "client", "metrics"};

static bool open_kind(struct listeners *listeners, const struct settings *settings, int kind,
                      char *problem)
{
    const struct {
        const char *option, *address;
        int64_t port;
    } places[WORKER_LISTENERS] = {
        [WORKER_PUBLIC] = {"listen", settings->listen_address, settings->listen_port},
        [WORKER_CLIENT] = {"client_listen", settings->client_listen_address,
                           settings->client_listen_port},
        [WORKER_METRICS] = {"metrics", settings->metrics_address, settings->metrics_port},
    };
    bool each = kind != WORKER_METRICS;
    char endpoint[ADDRESS_TEXT_SIZE + ADDRESS_TEXT_SIZE], reason[ADDRESS_PROBLEM_SIZE];
    int opened[WORKERS_LIMIT];

    if (places[kind].port == 0)
        return true;
    snprintf(endpoint, sizeof endpoint,
             strchr(places[kind].address, ':') == NULL ? "%s:%" PRId64 : "[%s]:%" PRId64,
             places[kind].address, places[kind].port);
    if (!address_listen(endpoint, opened, each ? listeners->workers : 1, reason)) {
        snprintf(problem, OPTION_PROBLEM_SIZE, "%s_address, %s_port: %s", places[kind].option,
                 places[kind].option, reason);
        return false;
    }
    for (unsigned i = 0; i < listeners->workers; i++)
        listeners->sockets[i][kind] = opened[each ? i : 0];
    return true;
}

/* What systemd handed over: descriptors 3 and up, their names separated by colons. */
struct inherited {
    size_t count;
    int kinds[LISTENERS_INHERITED_LIMIT]; /* of descriptor FIRST_INHERITED + i */
};

static int kind_named(struct slice name)
{
    for (int kind = 0; kind < WORKER_LISTENERS; kind++)
        if (slice_is(name, names[kind]))
            return kind;
    return -1;
}

static bool inherited_read(struct inherited *inherited, char *problem)
{
    const char *process = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    struct slice rest = slice_of(getenv("LISTEN_FDNAMES")), name;
    uint64_t number;

    inherited->count = 0;
    if (process == NULL || count == NULL ||
        !slice_to_number(slice_of(process), INT32_MAX, &number) || number != (uint64_t)getpid())
        return true;
    if (!slice_to_number(slice_of(count), LISTENERS_INHERITED_LIMIT, &number)) {
        snprintf(problem, OPTION_PROBLEM_SIZE, "LISTEN_FDS = %.40s: hand over at most %d sockets",
                 count, LISTENERS_INHERITED_LIMIT);
        return false;
    }
    for (; inherited->count < number; inherited->count++) {
        if (!slice_split(&rest, ':', &name)) {
            name = rest;
            rest = (struct slice){NULL, 0};
        }
        inherited->kinds[inherited->count] = kind_named(name);
        if (inherited->kinds[inherited->count] < 0) {
            snprintf(problem, OPTION_PROBLEM_SIZE,
                     "LISTEN_FDNAMES: \"%.*s\" is none of public, client and metrics; set "
                     "FileDescriptorName= in the socket unit",
                     (int)(name.length < 60 ? name.length : 60),
                     name.data == NULL ? "" : name.data);
            return false;
        }
    }
    return true;
}

/* Several sockets of one kind go round the workers; a single one is shared by all. False when there
 * are more than workers: nobody would accept on some. */
static bool adopt_kind(struct listeners *listeners, const struct inherited *inherited, int kind)
{
    int found[LISTENERS_INHERITED_LIMIT];
    size_t count = 0;

    for (size_t i = 0; i < inherited->count; i++)
        if (inherited->kinds[i] == kind) {
            found[count] = FIRST_INHERITED + (int)i;
            fcntl(found[count], F_SETFD, FD_CLOEXEC);
            fcntl(found[count], F_SETFL, fcntl(found[count], F_GETFL) | O_NONBLOCK);
            count++;
        }
    for (unsigned i = 0; count > 0 && i < listeners->workers; i++)
        listeners->sockets[i][kind] = found[i % count];
    return count <= listeners->workers;
}

static bool take_kind(struct listeners *listeners, const struct settings *settings,
                      const struct inherited *inherited, int kind, char *problem)
{
    if (!adopt_kind(listeners, inherited, kind)) {
        snprintf(
            problem, OPTION_PROBLEM_SIZE,
            "LISTEN_FDNAMES: more sockets named %s than the %u workers; raise workers, or hand "
            "over fewer",
            names[kind], listeners->workers);
        return false;
    }
    return listeners->sockets[0][kind] >= 0 || open_kind(listeners, settings, kind, problem);
}

bool listeners_open(struct listeners *listeners, const struct settings *settings, unsigned workers,
                    char problem[OPTION_PROBLEM_SIZE])
{
    struct inherited inherited;

    listeners->workers = workers;
    memset(listeners->sockets, 0xff, sizeof listeners->sockets); /* -1 */
    if (!inherited_read(&inherited, problem))
        return false;
    for (int kind = 0; kind < WORKER_LISTENERS; kind++)
        if (!take_kind(listeners, settings, &inherited, kind, problem))
            return false;
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return true;
}

/* Shared ones stand in several places: closing them again fails and does no harm, since nothing is
 * opened in between. */
void listeners_close(struct listeners *listeners)
{
    for (unsigned i = 0; i < listeners->workers; i++)
        for (int kind = 0; kind < WORKER_LISTENERS; kind++) {
            if (listeners->sockets[i][kind] >= 0)
                close(listeners->sockets[i][kind]);
            listeners->sockets[i][kind] = -1;
        }
}
