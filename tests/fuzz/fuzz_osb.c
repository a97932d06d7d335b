/*
 * Answers of vendors' brokers: whatever comes, each call reads as one of the outcomes, what is kept
 * of it fits PostgreSQL and JSON, and a catalog that was read reads as the same again.
 */
#include "common/check.h"
#include "proto/json.h"
#include "proto/osb.h"

enum { STATUSES = 600, HEAD_SIZE = 2 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_kept_well(const char *text, size_t limit)
{
    return text == NULL ||
           (json_is_text(slice_of(text)) && json_characters(slice_of(text)) <= limit);
}

static void read_answer(struct arena *arena, enum osb_call call, int status, struct slice body)
{
    static const char *const outcomes[] = {"done",   "accepted", "in_progress", "gone",
                                           "failed", "rejected", "busy",        "unknown"};
    struct osb_answer answer;
    bool known = false;

    osb_read(arena, call, status, body, &answer);
    for (size_t i = 0; i < sizeof outcomes / sizeof outcomes[0]; i++)
        known = known || strcmp(answer.outcome, outcomes[i]) == 0;
    check(known && answer.detail != NULL);
    check(is_kept_well(answer.error, OSB_DETAIL_LIMIT));
    check(is_kept_well(answer.dashboard_url, OSB_URL_LIMIT));
    check(strcmp(answer.outcome, "accepted") != 0 || call == OSB_DEPROVISION ||
          is_kept_well(answer.operation, OSB_OPERATION_LIMIT));
}

static void read_catalog(struct arena *arena, struct slice body)
{
    const char *problem;
    const char *services = osb_read_catalog(arena, 200, body, &problem);

    if (services == NULL) {
        check(problem != NULL);
        return;
    }
    const char *again = osb_read_catalog(
        arena, 200, slice_of(arena_format(arena, "{\"services\":%s}", services)), &problem);
    check(again != NULL && strcmp(again, services) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena;

    if (size < HEAD_SIZE)
        return 0;
    arena = arena_new();
    int status = (data[0] | data[1] << 8) % STATUSES;
    struct slice body = {(const char *)data + HEAD_SIZE, size - HEAD_SIZE};
    for (enum osb_call call = OSB_PROVISION; call <= OSB_LAST_OPERATION; call++)
        read_answer(arena, call, status, body);
    read_catalog(arena, body);
    arena_free(&arena);
    return 0;
}
