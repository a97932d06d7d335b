/*
 * The usage of the closed months and of the open one until this morning, enterprise by enterprise.
 */
#include <stdio.h>
#include <unistd.h>

#include "daemon/demonstration/world.h"

void world_make_usage(struct world *world, struct api *api)
{
    char end = isatty(STDOUT_FILENO) ? '\r' : '\n';

    for (size_t m = 0; m < WORLD_MONTHS; m++)
        for (unsigned i = 0; i < WORLD_TENANTS && !api_failed(api); i++) {
            if (world->tenants[i].suspended)
                continue; /* an earlier run came so far */
            printf("  month %zu of %d, enterprise %2u of %d%c", m + 1, WORLD_MONTHS, i + 1,
                   WORLD_TENANTS, end);
            fflush(stdout);
            world_send_software(world, api, i, world->months[m]);
            world_send_traffic(world, api, i, world->months[m]);
        }
    if (end == '\r')
        printf("\n");
}
