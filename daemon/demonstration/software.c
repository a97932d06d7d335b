/*
 * What software was used for, as CloudEvents sent by the enterprises' own keys: calls of its API in
 * every five minutes, with the rhythm of days and weeks; storage, licences, builds and payments.
 */
#include <stdio.h>
#include <string.h>

#include "common/buffer.h"
#include "daemon/demonstration/world.h"

enum {
    BATCH_EVENTS = 500,
    CALLS_MINUTES = 5,
    DAY_MINUTES = 24 * 60,
    CALLS_LIMIT = 4 * 1024 * 1024, /* bytes of a month's events, sent at once */
    WEEKEND_PERCENT = 22,
    PERCENT = 100,
};

static json_t *event(const struct world_tenant *tenant, const char *type, const char *name,
                     struct period month, int day, int minute, json_t *data)
{
    char id[64], time[INSTANT_TEXT_SIZE];

    world_time(month, day, minute, time);
    snprintf(id, sizeof id, "%s-%04d%02d%02d-%04d", name, month.year, month.month, day, minute);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "specversion", "1.0", "id", id,
                     "source", "/demonstration/software", "type", type, "subject", tenant->software,
                     "time", time, "data", data);
}

static void add_crm_day(json_t *events, const struct world_tenant *tenant, unsigned i,
                        struct period month, int day)
{
    unsigned m = (unsigned)month.month, d = (unsigned)day;
    char number[24];

    snprintf(number, sizeof number, "%u.%u", 10 + d, world_number(10, i, m, d, 2));
    json_array_append_new(events, event(tenant, "center.software.storage", "storage", month, day,
                                        NOON, json_pack("{s:s}", "gigabytes", number)));
    if (day % 7 == 1) {
        snprintf(number, sizeof number, "%u", 6 + i + d / 7);
        json_array_append_new(events,
                              event(tenant, "center.software.licence", "licences", month, day,
                                    WORK_STARTS, json_pack("{s:s}", "licences", number)));
    }
    for (unsigned n = 0; n < world_number(6, i, m, d, 3); n++)
        json_array_append_new(events, event(tenant, "center.software.build", "build", month, day,
                                            WORK_STARTS + (int)n * 70, json_object()));
}

static void add_payments_day(json_t *events, const struct world_tenant *tenant, unsigned i,
                             struct period month, int day)
{
    static const char *const methods[] = {"wechat-pay", "alipay", "wechat-pay", "unionpay", NULL};
    enum { METHODS = sizeof methods / sizeof methods[0] };
    unsigned m = (unsigned)month.month, d = (unsigned)day;
    char amount[24];

    for (unsigned n = 0; n < 2 + world_number(5, i, m, d, 4); n++) {
        /* Some do not say how they were paid. */
        const char *method = methods[world_number(METHODS, i, m, d, 70 + n)];
        snprintf(amount, sizeof amount, "%u.%02u", 20 + world_number(9000, i, m, d, 10 + n),
                 world_number(100, i, m, d, 30 + n));
        json_array_append_new(events,
                              event(tenant, "center.software.payment", "payment", month, day,
                                    WORK_STARTS + (int)n * 61,
                                    json_pack("{s:s, s:s*}", "amount", amount, "method", method)));
    }
}

/* Calls of five minutes: busy mornings and afternoons, a break at noon, few at night. */
static unsigned calls_of(unsigned i, struct period month, int day, int minute)
{
    static const unsigned shape[24] = {4,  3,  2,  2,   2,  4,  10, 30, 75, 100, 98, 85,
                                       40, 62, 92, 100, 95, 80, 45, 30, 24, 18,  12, 7};
    unsigned usual = 20 + 7 * i;
    unsigned week = world_at_weekend(month, day) ? WEEKEND_PERCENT : PERCENT;
    unsigned noise =
        70 + world_number(61, i, (unsigned)month.month, (unsigned)day, 1000 + (unsigned)minute);

    return 1 + usual * shape[minute / 60] * week * noise / (PERCENT * PERCENT * PERCENT);
}

/* One a line, as application/x-ndjson. */
static void add_calls_day(struct buffer *lines, const struct world_tenant *tenant, unsigned i,
                          struct period month, int day)
{
    char time[INSTANT_TEXT_SIZE];

    for (int minute = 0; minute < DAY_MINUTES; minute += CALLS_MINUTES) {
        world_time(month, day, minute, time);
        buffer_append_format(
            lines,
            "{\"specversion\":\"1.0\",\"id\":\"calls-%04d%02d%02d-%04d\",\"source\":"
            "\"/demonstration/software\",\"type\":\"center.software.api_call\",\"subject\":\"%s\","
            "\"time\":\"%s\",\"data\":{\"calls\":\"%u\"}}\n",
            month.year, month.month, day, minute, tenant->software, time,
            calls_of(i, month, day, minute));
    }
}

static void send_as(struct api *api, const struct world_tenant *tenant, const char *media,
                    const char *text)
{
    const char *operator_key = api->key;

    api->key = tenant->key;
    json_decref(api_post_text(api, media, text, "/v1/events"));
    api->key = operator_key;
}

static void send_events(struct api *api, const struct world_tenant *tenant, json_t *events)
{
    char *text = json_dumps(events, JSON_COMPACT);

    send_as(api, tenant, "application/cloudevents-batch+json", text);
    free(text);
    json_array_clear(events);
}

static void send_calls(struct api *api, const struct world_tenant *tenant, unsigned i,
                       struct period month, int first)
{
    struct buffer lines = buffer_make(CALLS_LIMIT);

    for (int day = first; day <= world_days_past(month); day++)
        add_calls_day(&lines, tenant, i, month, day);
    if (lines.length > 0)
        send_as(api, tenant, "application/x-ndjson", lines.data);
    buffer_free(&lines);
}

void world_send_software(const struct world *world, struct api *api, unsigned i,
                         struct period month)
{
    const struct world_tenant *tenant = &world->tenants[i];
    json_t *events = json_array();
    int first = month.month == world->months[0].month ? world_software_day(i) : 1;

    for (int day = first; day <= world_days_past(month); day++) {
        if (i < WORLD_FIRST_PAYMENTS)
            add_crm_day(events, tenant, i, month, day);
        else
            add_payments_day(events, tenant, i, month, day);
        if (json_array_size(events) >= BATCH_EVENTS)
            send_events(api, tenant, events);
    }
    if (json_array_size(events) > 0)
        send_events(api, tenant, events);
    json_decref(events);
    send_calls(api, tenant, i, month, first);
}

void world_send_late(const struct world *world, struct api *api)
{
    const struct world_tenant *tenant = &world->tenants[0];
    json_t *events = json_pack("[o]", event(tenant, "center.software.api_call", "late",
                                            world->months[WORLD_CLOSED - 1], 20, NOON,
                                            json_pack("{s:s}", "calls", "2500")));

    send_events(api, tenant, events);
    json_decref(events);
}
