/*
 * What the demonstration is about: its parks, enterprises, catalog and resources, and where each id
 * is kept while it runs.
 */
#ifndef DAEMON_DEMONSTRATION_WORLD_H
#define DAEMON_DEMONSTRATION_WORLD_H

#include "common/digest.h"
#include "common/identifier.h"
#include "common/instant.h"
#include "daemon/demonstration/api.h"

enum {
    WORLD_PARKS = 3,
    WORLD_TENANTS = 13,
    WORLD_GROWING = 3,        /* its traffic outgrows a tier each month */
    WORLD_FIRST_PAYMENTS = 8, /* from here on they rent the payment service, before it the CRM */
    WORLD_SUSPENDED = 12,     /* has not paid */
    WORLD_MONTHS = 3,         /* two that are closed, and the one after them */
    WORLD_CLOSED = 2,
    WORLD_OFFERINGS = 4,
    WORLD_PLANS = 8,
    WORLD_TERMINALS = 40, /* in the inventory; some stay in stock */
    WORLD_LOGIN_SIZE = 64,
    WORK_STARTS = 8 * 60 + 30, /* minutes of the day */
    NOON = 12 * 60,
    WORK_ENDS = 18 * 60 + 30,
};

struct world_tenant {
    char id[IDENTIFIER_SIZE];
    const char *code, *name, *name_en;
    bool suspended; /* then its key opens nothing */
    char key[KEY_TEXT_LENGTH + 1];
    char line[IDENTIFIER_SIZE], software[IDENTIFIER_SIZE];
    char login[WORLD_LOGIN_SIZE];
};

struct world {
    struct period months[WORLD_MONTHS]; /* the month before, the one chosen, and the one after */
    char parks[WORLD_PARKS][IDENTIFIER_SIZE];
    char offerings[WORLD_OFFERINGS][IDENTIFIER_SIZE];
    char plans[WORLD_PLANS][IDENTIFIER_SIZE];
    struct world_tenant tenants[WORLD_TENANTS];
    json_t *known; /* the summary of an earlier run, which has its API keys; or NULL */
};

/* Each finds what is there already, makes what is not, and says on standard output how far it is.
 */
void world_make_catalog(struct world *world, struct api *api);
void world_make_tenants(struct world *world, struct api *api);
void world_make_inventory(struct world *world, struct api *api);
void world_make_resources(struct world *world, struct api *api);

/* Usage of all months: software events by the enterprises' own keys, broadband by RADIUS
 * accounting; no more of a month than its days that are over. */
void world_make_usage(struct world *world, struct api *api);
void world_send_software(const struct world *world, struct api *api, unsigned tenant,
                         struct period month);
void world_send_traffic(const struct world *world, struct api *api, unsigned tenant,
                        struct period month);

/* What comes when its month is closed already. */
void world_send_late(const struct world *world, struct api *api);

/* Bills and closes a month and has its books exported. */
void world_bill_month(struct api *api, const char *month);

/* What some enterprises may come to, and a reservation of it. */
void world_make_quotas(const struct world *world, struct api *api);

/* What happens after the closed months: orders under way and gone wrong, a suspension, a credit
 * note, late usage, and drafts of the open month. */
void world_make_story(struct world *world, struct api *api);

/* "2026-10-01T08:30:00Z": a day (1 and up) of a month and a minute of it, in Shanghai, where the
 * clock is eight hours ahead of UTC all year. */
void world_time(struct period month, int day, int minute, char text[INSTANT_TEXT_SIZE]);
instant world_instant(struct period month, int day, int minute);
int world_month_days(struct period month);
int world_days_past(struct period month); /* of its days, those that are over */
bool world_at_weekend(struct period month, int day);

/* The day of the first month from which the enterprise's line and its software count. */
int world_line_day(size_t tenant);
int world_software_day(size_t tenant);

/* The same numbers at each run: a hash of what they are for, below `bound`. */
unsigned world_number(unsigned bound, unsigned tenant, unsigned month, unsigned day, unsigned what);

#endif
