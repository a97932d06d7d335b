/*
 * A month's end: the billing run, the close, the exports; each only where it was not done before.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/demonstration/world.h"

static void say(const struct api *api, const char *month, const char *what)
{
    if (!api_failed(api))
        printf("  %s: %s\n", month, what);
    fflush(stdout);
}

static void bill(struct api *api, const char *month)
{
    json_t *run =
        api_post(api, json_pack("{s:s, s:b}", "period", month, "finalize", 1), "/v1/billing-runs");

    api_wait(api, text_of(run, "operation_id"));
    json_decref(run);
}

static void close_month(struct api *api, const char *month)
{
    json_t *closing = api_post(api, NULL, "/v1/periods/%s/close", month);

    api_wait(api, text_of(closing, "operation_id"));
    json_decref(closing);
}

static void export_books(struct api *api, const char *month, const char *format)
{
    json_t *made =
        api_post(api, json_pack("{s:s, s:s}", "format", format, "period", month), "/v1/exports");

    if (strcmp(text_of(made, "state"), "ready") != 0)
        api_wait(api, text_of(made, "operation_id"));
    json_decref(made);
}

/* What failed before is tried anew, and not answered with its stored failure. */
static void begin_attempt(struct api *api)
{
    json_t *failed = api_find(api, "/v1/operations?state=failed&limit=1");

    snprintf(api->attempt, sizeof api->attempt, "%s", text_of(failed, "id"));
    json_decref(failed);
}

void world_bill_month(struct api *api, const char *month)
{
    static const char *const formats[] = {"journal", "focus", "lines"};
    json_t *period = api_get(api, "/v1/periods/%s", month);

    begin_attempt(api);
    if (strcmp(text_of(period, "state"), "open") == 0) {
        say(api, month, "billing");
        bill(api, month);
        say(api, month, "closing");
        close_month(api, month);
    }
    json_decref(period);
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        say(api, month, formats[i]);
        export_books(api, month, formats[i]);
    }
}
