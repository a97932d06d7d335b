#include "daemon/demonstration/demonstration.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/demonstration/world.h"

enum {
    KEY_FILE_LIMIT = 256,
    USAGE_ERROR = 2,
    MONTHS_BACK = 10, /* events are taken of the last 400 days (event_window) */
    MONTHS_YEAR = 12,
};

struct options {
    const char *host;
    int port, radius_port;
    const char *authority, *key_file, *radius_certificate, *radius_key, *summary;
    struct period month;
};

static const char help[] =
    "bccd demo: fills a running bccd with parks, enterprises, a catalog, resources and usage "
    "through\n"
    "its API: two months, which it bills, closes and exports, and the month after until "
    "yesterday.\n"
    "\n"
    "  --host NAME                 the server, as its certificate names it (localhost)\n"
    "  --port N                    its port (8443)\n"
    "  --radius-port N             its port for client certificates (8444)\n"
    "  --ca-file FILE              PEM file of the authority that signed its certificate\n"
    "  --key-file FILE             a file with an API key of a platform_admin\n"
    "  --radius-certificate FILE   PEM client certificate of a RADIUS node\n"
    "  --radius-key FILE           its key\n"
    "  --month YYYY-MM             the month to bill; the one before is billed first (last month)\n"
    "  --summary FILE              writes the enterprises and their API keys there, as JSON\n"
    "\n"
    "Run again, with the summary of the run before, it finds what is there and adds the days "
    "since.\n";

static bool last_month(struct period *month)
{
    char text[INSTANT_TEXT_SIZE];
    /* The month in Shanghai, eight hours ahead of UTC. */
    instant_write(instant_now() + INT64_C(8) * 3600 * INSTANT_SECOND, text);

    if (!period_parse((struct slice){text, PERIOD_TEXT_SIZE - 1}, month))
        return false;
    *month = period_add(*month, -1);
    return true;
}

static bool month_suits(struct period month, struct period last)
{
    int back = (last.year - month.year) * MONTHS_YEAR + last.month - month.month;
    return back >= 0 && back <= MONTHS_BACK;
}

static bool read_number(const char *text, int *number)
{
    enum { PORT_LIMIT = 65535 };
    uint64_t value;

    if (!slice_to_number(slice_of(text), PORT_LIMIT, &value))
        return false;
    *number = (int)value;
    return true;
}

static bool take_option(struct options *options, int which, const char *value)
{
    switch (which) {
    case 'h':
        options->host = value;
        return true;
    case 'p':
        return read_number(value, &options->port);
    case 'r':
        return read_number(value, &options->radius_port);
    case 'a':
        options->authority = value;
        return true;
    case 'k':
        options->key_file = value;
        return true;
    case 'c':
        options->radius_certificate = value;
        return true;
    case 'K':
        options->radius_key = value;
        return true;
    case 'm':
        return period_parse(slice_of(value), &options->month);
    case 's':
        options->summary = value;
        return true;
    default:
        return false;
    }
}

static bool take_options(struct options *options, int count, char **arguments, struct period last)
{
    static const struct option names[] = {
        {"host", required_argument, NULL, 'h'},
        {"port", required_argument, NULL, 'p'},
        {"radius-port", required_argument, NULL, 'r'},
        {"ca-file", required_argument, NULL, 'a'},
        {"key-file", required_argument, NULL, 'k'},
        {"radius-certificate", required_argument, NULL, 'c'},
        {"radius-key", required_argument, NULL, 'K'},
        {"month", required_argument, NULL, 'm'},
        {"summary", required_argument, NULL, 's'},
        {NULL, 0, NULL, 0},
    };
    int which;

    options->month = last;
    while ((which = getopt_long(count, arguments, "", names, NULL)) != -1)
        if (!take_option(options, which, optarg))
            return false;
    return optind == count && options->key_file != NULL && options->radius_certificate != NULL &&
           options->radius_key != NULL;
}

static void write_summary(const struct world *world, struct api *api, const char *path)
{
    json_t *tenants;
    int file;

    if (api_failed(api) || path == NULL)
        return;
    tenants = json_array();
    for (size_t i = 0; i < WORLD_TENANTS; i++)
        if (i != WORLD_SUSPENDED) /* its key will open nothing */
            json_array_append_new(
                tenants, json_pack("{s:s, s:s, s:s, s:s}", "id", world->tenants[i].id, "name",
                                   world->tenants[i].name, "name_en", world->tenants[i].name_en,
                                   "api_key", world->tenants[i].key));
    file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (file < 0 || json_dumpfd(tenants, file, JSON_INDENT(2)) != 0)
        api_fail(api, "the summary cannot be written; see --summary");
    if (file >= 0)
        close(file);
    json_decref(tenants);
}

static void stage(struct api *api, const char *name)
{
    if (!api_failed(api))
        printf("%s\n", name);
    fflush(stdout);
}

static void make_world(struct world *world, struct api *api, const struct options *options)
{
    char month[PERIOD_TEXT_SIZE];

    for (int i = 0; i < WORLD_MONTHS; i++)
        world->months[i] = period_add(options->month, i - WORLD_CLOSED + 1);
    stage(api, "Catalog");
    world_make_catalog(world, api);
    stage(api, "Parks and enterprises");
    world->known = options->summary == NULL ? NULL : json_load_file(options->summary, 0, NULL);
    world_make_tenants(world, api);
    json_decref(world->known);
    world->known = NULL;
    write_summary(world, api, options->summary);
    stage(api, "Inventory of terminals");
    world_make_inventory(world, api);
    stage(api, "Resources");
    world_make_resources(world, api);
    stage(api, "Usage");
    world_make_usage(world, api);
    stage(api, "Quotas");
    world_make_quotas(world, api);
    stage(api, "Books");
    for (size_t i = 0; i < WORLD_CLOSED; i++) {
        period_write(world->months[i], month);
        world_bill_month(api, month);
    }
    stage(api, "What happened since");
    world_make_story(world, api);
}

static int run(const struct options *options, char *key)
{
    static struct world world;
    struct api api = {.key = key};
    char problem[CLIENT_PROBLEM_SIZE];

    api.client = client_new(options->host, options->port, options->authority, problem);
    api.radius = client_new(options->host, options->radius_port, options->authority, problem);
    if (api.client == NULL || api.radius == NULL ||
        !client_use_certificate(api.radius, options->radius_certificate, options->radius_key,
                                problem))
        api_fail(&api, problem);
    else
        make_world(&world, &api, options);
    client_free(&api.client);
    client_free(&api.radius);
    if (api_failed(&api)) {
        fprintf(stderr, "bccd demo: %s\n", api.problem);
        return EXIT_FAILURE;
    }
    printf("Done, with %lld calls of the API.\n", (long long)api.calls);
    return EXIT_SUCCESS;
}

int demonstration_run(int count, char **arguments)
{
    struct options options = {.host = "localhost", .port = 8443, .radius_port = 8444};
    struct period last;
    char key[KEY_FILE_LIMIT] = "";
    FILE *file;

    if (count == 2 && strcmp(arguments[1], "--help") == 0) {
        fputs(help, stdout);
        return EXIT_SUCCESS;
    }
    if (!last_month(&last) || !take_options(&options, count, arguments, last)) {
        fprintf(stderr, "bccd demo: name --key-file, --radius-certificate and --radius-key; see "
                        "bccd demo --help\n");
        return USAGE_ERROR;
    }
    if (!month_suits(options.month, last)) {
        fprintf(stderr, "bccd demo: --month: take last month or one of the %d before it\n",
                MONTHS_BACK);
        return USAGE_ERROR;
    }
    file = fopen(options.key_file, "r");
    if (file == NULL || fgets(key, sizeof key, file) == NULL) {
        fprintf(stderr, "bccd demo: %s: cannot be read; write an API key there\n",
                options.key_file);
        if (file != NULL)
            fclose(file);
        return EXIT_FAILURE;
    }
    fclose(file);
    key[strcspn(key, "\r\n")] = '\0';
    return run(&options, key);
}
