/*
 * Segments of the process: what is done for several requests at once.
 */
#include "common/check.h"
#include "common/memory.h"
#include "common/registry.h"
#include "daemon/http/request_internal.h"

static const uint64_t SHARED = UINT64_C(1) << 63; /* of their tickets; no request's number has it */

struct shared {
    void (*done)(void *context, const struct database_answer *answer);
    void *context;
};

static struct registry *under_way; /* by ticket less SHARED */

enum step request_wait(struct request *request)
{
    request->outstanding++;
    return WAIT;
}

void request_resume(struct request *request, enum step (*then)(struct request *request))
{
    check_magic(request, REQUEST_MAGIC);
    request->outstanding--;
    if (request->connection == 0)
        request_finish(request);
    else
        request_go_on(request, then(request));
}

void request_submit_shared(const struct segment *segment,
                           void (*done)(void *context, const struct database_answer *answer),
                           void *context)
{
    struct shared *shared = memory_allocate(1, sizeof *shared);

    *shared = (struct shared){done, context};
    if (under_way == NULL)
        under_way = registry_new();
    uint64_t number = registry_add(under_way, shared);
    check((number & SHARED) == 0);
    database_submit(http_environment()->database, segment, number | SHARED);
}

bool request_take_shared(uint64_t ticket, const struct database_answer *answer)
{
    if ((ticket & SHARED) == 0)
        return false;
    struct shared *shared = registry_find(under_way, ticket & ~SHARED);
    check(shared != NULL);
    struct shared copy = *shared;
    registry_remove(under_way, ticket & ~SHARED);
    memory_free(shared);
    copy.done(copy.context, answer);
    return true;
}
