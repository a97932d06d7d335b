/*
 * Two months of usage: what software did, as CloudEvents sent by the enterprises' own keys, and
 * what the lines carried, as RADIUS accounting in the form that FreeRADIUS's rlm_rest posts.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/demonstration/world.h"

enum {
    BATCH_EVENTS = 500,
    WORK_STARTS = 8 * 60 + 30, /* minutes of the day */
    NOON = 12 * 60,
    WORK_ENDS = 18 * 60 + 30,
    SHANGHAI_MINUTES = 8 * 60,
    DAY_MINUTES = 24 * 60,
    MEGABYTE = 1000000,
    STATUS_START = 1,
    STATUS_STOP = 2,
    STATUS_INTERIM = 3,
    FIRST_PAYMENTS_TENANT = 8,
};

/* Days from 1970-01-01 to a date of the Gregorian calendar (Hinnant, days_from_civil). */
static int64_t days_from_civil(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = y / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * 146097 + day_of_era - 719468;
}

int world_month_days(struct period month)
{
    struct period next = period_add(month, 1);
    return (int)(days_from_civil(next.year, next.month, 1) -
                 days_from_civil(month.year, month.month, 1));
}

instant world_instant(struct period month, int day, int minute)
{
    int64_t minutes =
        days_from_civil(month.year, month.month, day) * DAY_MINUTES + minute - SHANGHAI_MINUTES;
    return minutes * 60 * INSTANT_SECOND;
}

void world_time(struct period month, int day, int minute, char text[INSTANT_TEXT_SIZE])
{
    instant_write(world_instant(month, day, minute), text);
}

unsigned world_number(unsigned bound, unsigned tenant, unsigned month, unsigned day, unsigned what)
{
    uint64_t hash = UINT64_C(0x9e3779b97f4a7c15);
    const unsigned parts[] = {tenant, month, day, what};

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        hash ^= parts[i] + 1;
        hash *= UINT64_C(0xbf58476d1ce4e5b9);
        hash ^= hash >> 29;
    }
    return (unsigned)(hash % bound);
}

/* ---- Software ---- */

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

    snprintf(number, sizeof number, "%u", 100 + world_number(900, i, m, d, 1));
    json_array_append_new(events, event(tenant, "center.software.api_call", "calls", month, day,
                                        WORK_ENDS, json_pack("{s:s}", "calls", number)));
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
    unsigned m = (unsigned)month.month, d = (unsigned)day;
    char amount[24];

    for (unsigned n = 0; n < 2 + world_number(5, i, m, d, 4); n++) {
        snprintf(amount, sizeof amount, "%u.%02u", 20 + world_number(9000, i, m, d, 10 + n),
                 world_number(100, i, m, d, 30 + n));
        json_array_append_new(events, event(tenant, "center.software.payment", "payment", month,
                                            day, WORK_STARTS + (int)n * 61,
                                            json_pack("{s:s}", "amount", amount)));
    }
}

static void send_events(struct api *api, const struct world_tenant *tenant, json_t *events)
{
    const char *operator_key = api->key;
    char *text = json_dumps(events, JSON_COMPACT);

    api->key = tenant->key;
    json_decref(api_post_text(api, "application/cloudevents-batch+json", text, "/v1/events"));
    api->key = operator_key;
    free(text);
    json_array_clear(events);
}

static void send_software(struct world *world, struct api *api, unsigned i, struct period month)
{
    const struct world_tenant *tenant = &world->tenants[i];
    json_t *events = json_array();
    int first = month.month == world->months[0].month ? world_software_day(i) : 1;

    for (int day = first; day <= world_month_days(month); day++) {
        if (i < FIRST_PAYMENTS_TENANT)
            add_crm_day(events, tenant, i, month, day);
        else
            add_payments_day(events, tenant, i, month, day);
        if (json_array_size(events) >= BATCH_EVENTS)
            send_events(api, tenant, events);
    }
    if (json_array_size(events) > 0)
        send_events(api, tenant, events);
    json_decref(events);
}

/* ---- Broadband ---- */

static void attribute(json_t *body, const char *name, const char *type, json_t *value)
{
    json_object_set_new(body, name, json_pack("{s:s, s:[o]}", "type", type, "value", value));
}

static void octets(json_t *body, const char *name, uint64_t count)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRIu64, count);
    attribute(body, name, "integer64", json_string(text));
}

/* One accounting packet, as recorded of rlm_rest with raw_value = yes. */
static void send_packet(struct api *api, const struct world_tenant *tenant, const char *session,
                        int status, instant at, uint64_t input, uint64_t output)
{
    json_t *body = json_object();

    attribute(body, "User-Name", "string", json_string(tenant->login));
    attribute(body, "NAS-IP-Address", "ipaddr", json_string("192.0.2.1"));
    attribute(body, "NAS-Identifier", "string", json_string("bras-1"));
    attribute(body, "Acct-Status-Type", "integer", json_integer(status));
    attribute(body, "Acct-Session-Id", "string", json_string(session));
    attribute(body, "Acct-Delay-Time", "integer", json_integer(0));
    attribute(body, "Event-Timestamp", "date", json_integer(at / INSTANT_SECOND));
    octets(body, "Acct-Input-Octets64", input);
    octets(body, "Acct-Output-Octets64", output);
    api_post_radius(api, "/radius/v1/accounting", body);
}

/* A working day's session: start, noon, end; counters are cumulative. */
static void send_line_day(struct world *world, struct api *api, unsigned i, struct period month,
                          int day)
{
    const struct world_tenant *tenant = &world->tenants[i];
    unsigned m = (unsigned)month.month, d = (unsigned)day;
    uint64_t down = (uint64_t)(8000 + world_number(60000, i, m, d, 50)) * MEGABYTE;
    uint64_t up = (uint64_t)(500 + world_number(9000, i, m, d, 51)) * MEGABYTE;
    char session[32];

    snprintf(session, sizeof session, "%02x%04d%02d%02d", i, month.year, month.month, day);
    send_packet(api, tenant, session, STATUS_START, world_instant(month, day, WORK_STARTS), 0, 0);
    send_packet(api, tenant, session, STATUS_INTERIM, world_instant(month, day, NOON), up / 3,
                down / 3);
    send_packet(api, tenant, session, STATUS_STOP, world_instant(month, day, WORK_ENDS), up, down);
}

static void send_line(struct world *world, struct api *api, unsigned i, struct period month)
{
    int first = month.month == world->months[0].month ? world_line_day(i) : 1;

    for (int day = first; day <= world_month_days(month) && !api_failed(api); day++)
        if (world_number(7, i, (unsigned)month.month, (unsigned)day, 60) != 0)
            send_line_day(world, api, i, month, day);
}

void world_make_usage(struct world *world, struct api *api)
{
    char end = isatty(STDOUT_FILENO) ? '\r' : '\n';

    for (size_t m = 0; m < 2; m++)
        for (unsigned i = 0; i < WORLD_TENANTS && !api_failed(api); i++) {
            printf("  month %zu of 2, enterprise %2u of %d%c", m + 1, i + 1, WORLD_TENANTS, end);
            fflush(stdout);
            send_software(world, api, i, world->months[m]);
            send_line(world, api, i, world->months[m]);
        }
    if (end == '\r')
        printf("\n");
}
