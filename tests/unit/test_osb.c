#include "proto/osb.h"

#include "proto/json.h"
#include "tests/unit/unit.h"

TEST(osb_writes_addresses)
{
    struct arena *arena = arena_new();
    struct osb_request request = {.call = OSB_PROVISION,
                                  .base_url = "https://broker.example.com/osb",
                                  .instance_id = "5b6f-1",
                                  .service_id = "a b&c",
                                  .plan_id = "ü/1"};

    EXPECT_TEXT(
        osb_url(arena, &request),
        "https://broker.example.com/osb/v2/service_instances/5b6f-1?accepts_incomplete=true");
    request.call = OSB_DEPROVISION;
    EXPECT_TEXT(osb_url(arena, &request),
                "https://broker.example.com/osb/v2/service_instances/5b6f-1"
                "?service_id=a%20b%26c&plan_id=%C3%BC%2F1&accepts_incomplete=true");
    request.call = OSB_LAST_OPERATION;
    EXPECT_TEXT(osb_url(arena, &request),
                "https://broker.example.com/osb/v2/service_instances/5b6f-1/last_operation"
                "?service_id=a%20b%26c&plan_id=%C3%BC%2F1");
    request.operation = "task 10";
    EXPECT_TEXT(osb_url(arena, &request),
                "https://broker.example.com/osb/v2/service_instances/5b6f-1/last_operation"
                "?service_id=a%20b%26c&plan_id=%C3%BC%2F1&operation=task%2010");
    request.call = OSB_CATALOG;
    EXPECT_TEXT(osb_url(arena, &request), "https://broker.example.com/osb/v2/catalog");
    arena_free(&arena);
}

/* The table of "Orphan Mitigation", and what stands beside each call. */
TEST(osb_reads_answers)
{
    static const struct {
        enum osb_call call;
        int status;
        const char *body, *outcome;
    } CASES[] = {
        {OSB_PROVISION, 201, "{}", "done"},
        {OSB_PROVISION, 200, "{\"cost\": 9.5}", "done"},
        {OSB_PROVISION, 201, "<html>", "unknown"},
        {OSB_PROVISION, 200, "[]", "unknown"},
        {OSB_PROVISION, 201, "{\"operation\": 7}", "unknown"},
        {OSB_PROVISION, 201, "{\"a\": 1, \"a\": 2}", "unknown"},
        {OSB_PROVISION, 202, "{\"operation\": \"o\"}", "accepted"},
        {OSB_PROVISION, 202, "", "unknown"},
        {OSB_PROVISION, 204, "", "unknown"},
        {OSB_PROVISION, 302, "{}", "unknown"},
        {OSB_PROVISION, 400, "{}", "rejected"},
        {OSB_PROVISION, 401, "{}", "busy"},
        {OSB_PROVISION, 408, "", "busy"},
        {OSB_PROVISION, 409, "{}", "unknown"},
        {OSB_PROVISION, 410, "{}", "rejected"},
        {OSB_PROVISION, 422, "{\"error\": \"ConcurrencyError\"}", "busy"},
        {OSB_PROVISION, 422, "{\"error\": \"AsyncRequired\"}", "rejected"},
        {OSB_PROVISION, 429, "", "busy"},
        {OSB_PROVISION, 500, "{}", "unknown"},
        {OSB_UPDATE, 200, "{}", "done"},
        {OSB_UPDATE, 201, "{}", "unknown"},
        {OSB_UPDATE, 404, "{}", "gone"},
        {OSB_UPDATE, 422, "{}", "rejected"},
        {OSB_DEPROVISION, 200, "{}", "done"},
        {OSB_DEPROVISION, 200, "gone", "unknown"},
        {OSB_DEPROVISION, 202, "accepted", "accepted"},
        {OSB_DEPROVISION, 404, "{}", "rejected"},
        {OSB_DEPROVISION, 410, "", "gone"},
        {OSB_LAST_OPERATION, 200, "{\"state\": \"in progress\"}", "in_progress"},
        {OSB_LAST_OPERATION, 200, "{\"state\": \"succeeded\"}", "done"},
        {OSB_LAST_OPERATION, 200, "{\"state\": \"failed\"}", "failed"},
        {OSB_LAST_OPERATION, 200, "{\"state\": \"sunny\"}", "unknown"},
        {OSB_LAST_OPERATION, 202, "{\"state\": \"succeeded\"}", "unknown"},
        {OSB_LAST_OPERATION, 400, "{}", "rejected"},
        {OSB_LAST_OPERATION, 404, "{}", "gone"},
        {OSB_LAST_OPERATION, 410, "{}", "gone"},
        {OSB_LAST_OPERATION, 500, "{\"state\": \"succeeded\"}", "unknown"},
    };
    struct arena *arena = arena_new();
    struct osb_answer answer;

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        osb_read(arena, CASES[i].call, CASES[i].status, slice_of(CASES[i].body), &answer);
        if (strcmp(answer.outcome, CASES[i].outcome) != 0)
            unit_failed(__FILE__, __LINE__, "case %zu (%d): %s", i, CASES[i].status,
                        answer.outcome);
    }
    arena_free(&arena);
}

TEST(osb_keeps_what_is_for_people)
{
    struct arena *arena = arena_new();
    struct osb_answer answer;

    osb_read(arena, OSB_PROVISION, 202,
             slice_of("{\"operation\": \"task_10\", \"dashboard_url\": \"https://x.example/1\"}"),
             &answer);
    EXPECT_TEXT(answer.operation, "task_10");
    EXPECT_TEXT(answer.dashboard_url, "https://x.example/1");
    EXPECT_TEXT(answer.detail, "202, without a description.");
    osb_read(arena, OSB_PROVISION, 201,
             slice_of("{\"dashboard_url\": \"javascript:alert(1)\", \"operation\": null}"),
             &answer);
    EXPECT(answer.dashboard_url == NULL && answer.operation == NULL);
    osb_read(arena, OSB_UPDATE, 422,
             slice_of("{\"error\": \"Quota\", \"description\": \"Zu groß\"}"), &answer);
    EXPECT_TEXT(answer.error, "Quota");
    EXPECT_TEXT(answer.detail, "422: Zu groß");
    osb_read(arena, OSB_UPDATE, 401, slice_of("nobody"), &answer);
    EXPECT_TEXT(answer.error, "Unauthorized");
    arena_free(&arena);
}

TEST(osb_reads_catalogs)
{
    static const char catalog[] =
        "{\"services\": [{\"id\": \"s\", \"name\": \"n\", \"plan_updateable\": true, \"plans\": ["
        "{\"id\": \"p\", \"name\": \"q\", \"metadata\": {\"cost\": 1.5},"
        " \"maximum_polling_duration\": 60}]}]}";
    struct arena *arena = arena_new();
    const char *problem = NULL;

    EXPECT_TEXT(osb_read_catalog(arena, 200, slice_of(catalog), &problem),
                "[{\"description\":null,\"id\":\"s\",\"name\":\"n\",\"plan_updateable\":true,"
                "\"plans\":[{\"description\":null,\"id\":\"p\",\"maximum_polling_duration\":60,"
                "\"name\":\"q\",\"plan_updateable\":null}]}]");
    EXPECT(problem == NULL);
    EXPECT(osb_read_catalog(arena, 200, slice_of("{}"), &problem) == NULL);
    EXPECT_TEXT(problem, "The catalog has no services.");
    EXPECT(osb_read_catalog(arena, 500, slice_of(catalog), &problem) == NULL);
    EXPECT(osb_read_catalog(arena, 200,
                            slice_of("{\"services\": [{\"id\": \"s\", \"name\": \"n\"}]}"),
                            &problem) == NULL);
    EXPECT(strstr(problem, "services/0") != NULL);
    arena_free(&arena);
}
