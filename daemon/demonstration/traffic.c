/*
 * What the lines carried, as RADIUS accounting in the form that FreeRADIUS's rlm_rest posts.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/demonstration/world.h"

enum {
    MEGABYTE = 1000000,
    WEEKEND_SHARE = 25,
    STATUS_START = 1,
    STATUS_STOP = 2,
    STATUS_INTERIM = 3
};

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

/* Per cent of the usual: one enterprise grows out of a tier each month, and all rest at weekends.
 */
static uint64_t share(const struct world *world, unsigned i, struct period month, int day)
{
    static const uint64_t shares[WORLD_MONTHS] = {30, 75, 160};
    size_t m = 0;

    while (m < WORLD_MONTHS - 1 && world->months[m].month != month.month)
        m++;
    return (i == WORLD_GROWING ? shares[m] : 100) *
           (world_at_weekend(month, day) ? WEEKEND_SHARE : 100);
}

/* A day's session: start, noon, end; counters are cumulative. */
static void send_line_day(const struct world *world, struct api *api, unsigned i,
                          struct period month, int day)
{
    const struct world_tenant *tenant = &world->tenants[i];
    unsigned m = (unsigned)month.month, d = (unsigned)day;
    uint64_t part = share(world, i, month, day);
    uint64_t down = (30000 + world_number(24000, i, m, d, 50)) * part * (MEGABYTE / 10000);
    uint64_t up = (3000 + world_number(4000, i, m, d, 51)) * part * (MEGABYTE / 10000);
    char session[32];

    snprintf(session, sizeof session, "%02x%04d%02d%02d", i, month.year, month.month, day);
    send_packet(api, tenant, session, STATUS_START, world_instant(month, day, WORK_STARTS), 0, 0);
    send_packet(api, tenant, session, STATUS_INTERIM, world_instant(month, day, NOON), up / 3,
                down / 3);
    send_packet(api, tenant, session, STATUS_STOP, world_instant(month, day, WORK_ENDS), up, down);
}

void world_send_traffic(const struct world *world, struct api *api, unsigned i, struct period month)
{
    int first = month.month == world->months[0].month ? world_line_day(i) : 1;

    for (int day = first; day <= world_days_past(month) && !api_failed(api); day++)
        if (world_number(7, i, (unsigned)month.month, (unsigned)day, 60) != 0)
            send_line_day(world, api, i, month, day);
}
