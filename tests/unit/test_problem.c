#include "proto/problem.h"

#include "proto/json.h"
#include "tests/unit/unit.h"

TEST(problem_kinds_are_sorted_and_complete)
{
    for (size_t i = 0; i < problem_kind_count; i++) {
        const struct problem_kind *kind = &problem_kinds[i];

        EXPECT(i == 0 || strcmp(problem_kinds[i - 1].code, kind->code) < 0);
        EXPECT(problem_find(kind->code) == kind);
        EXPECT(kind->status >= 400 && kind->status <= 599);
        for (int language = LANGUAGE_ENGLISH; language <= LANGUAGE_CHINESE; language++)
            EXPECT(kind->title[language][0] != '\0' && kind->detail[language][0] != '\0');
    }
}

/* What the framework answers with is in the contract. */
TEST(problem_codes_of_the_framework_are_known)
{
    static const struct {
        const char *code;
        int status;
    } CODES[] = {
        {"bad_request", 400},
        {"body_missing", 400},
        {"json_malformed", 400},
        {"json_duplicate_name", 400},
        {"json_too_deep", 400},
        {"json_too_many_values", 400},
        {"json_nul", 400},
        {"number_must_be_string", 400},
        {"json_not_utf8", 400},
        {"unknown_parameter", 400},
        {"invalid_parameter", 400},
        {"cursor_invalid", 400},
        {"idempotency_key_missing", 400},
        {"idempotency_key_invalid", 400},
        {"unauthenticated", 401},
        {"forbidden", 403},
        {"cross_origin_refused", 403},
        {"not_found", 404},
        {"method_not_allowed", 405},
        {"request_timeout", 408},
        {"conflict_unique", 409},
        {"idempotency_in_progress", 409},
        {"precondition_failed", 412},
        {"body_too_large", 413},
        {"unsupported_media_type", 415},
        {"validation_failed", 422},
        {"reference_unknown", 422},
        {"idempotency_key_reused", 422},
        {"precondition_required", 428},
        {"rate_limited", 429},
        {"head_too_large", 431},
        {"internal_error", 500},
        {"not_implemented", 501},
        {"overloaded", 503},
        {"commit_unknown", 503},
    };

    for (size_t i = 0; i < sizeof CODES / sizeof *CODES; i++) {
        EXPECT_TEXT(problem_find(CODES[i].code)->code, CODES[i].code);
        EXPECT_NUMBER(problem_find(CODES[i].code)->status, CODES[i].status);
    }
}

TEST(problem_unknown_codes_have_a_kind)
{
    static const int STATUSES[] = {400, 408, 413, 414, 417, 431, 501, 503, 505};

    EXPECT_TEXT(problem_find("no_such_code")->code, "internal_error");
    EXPECT_TEXT(problem_find_status("content_length_twice", 400)->code, "bad_request");
    EXPECT_TEXT(problem_find_status("rate_limited", 400)->code, "rate_limited");
    EXPECT_TEXT(problem_find_status("no_such_code", 499)->code, "internal_error");
    for (size_t i = 0; i < sizeof STATUSES / sizeof *STATUSES; i++)
        EXPECT_NUMBER(problem_find_status("no_such_code", STATUSES[i])->status, STATUSES[i]);
}

static struct schema_errors errors;

TEST(problem_documents_are_json)
{
    struct buffer body = buffer_make(65536);
    struct json_error error;
    json_t *document, *list;

    errors.count = errors.total = 1;
    errors.list[0] = (struct schema_error){"/a~1\"b", "unknown_field", "Leave \"it\" out.\n"};
    problem_write(&body, problem_find("validation_failed"), LANGUAGE_CHINESE, NULL, "req-1",
                  &errors);
    document = json_read(buffer_slice(&body), &error);
    EXPECT(document != NULL);
    EXPECT_TEXT(json_member_text(document, "type"),
                "/openapi.json#/components/x-problems/validation_failed");
    EXPECT_TEXT(json_member_text(document, "code"), "validation_failed");
    EXPECT_TEXT(json_member_text(document, "title"), "校验未通过");
    EXPECT_TEXT(json_member_text(document, "request_id"), "req-1");
    EXPECT_NUMBER(json_integer_value(json_object_get(document, "status")), 422);
    list = json_object_get(document, "errors");
    EXPECT_NUMBER(json_array_size(list), 1);
    EXPECT_TEXT(json_member_text(json_array_get(list, 0), "pointer"), "/a~1\"b");
    EXPECT_TEXT(json_member_text(json_array_get(list, 0), "detail"), "Leave \"it\" out.\n");
    json_decref(document);
    buffer_free(&body);
}

TEST(problem_detail_can_be_replaced)
{
    struct buffer body = buffer_make(65536);
    struct json_error error;
    json_t *document;

    problem_write(&body, problem_find("not_found"), LANGUAGE_ENGLISH, "No \\ such \"thing\".", NULL,
                  NULL);
    document = json_read(buffer_slice(&body), &error);
    EXPECT_TEXT(json_member_text(document, "detail"), "No \\ such \"thing\".");
    EXPECT_TEXT(json_member_text(document, "title"), "Not found");
    EXPECT_NUMBER(json_object_size(document), 5);
    json_decref(document);
    buffer_free(&body);
}

TEST(problem_language_is_negotiated)
{
    static const char *const CHINESE[] = {
        "zh",           "zh-CN",
        "ZH-hans-cn",   "zh-CN,zh;q=0.9,en;q=0.8",
        "zh, en",       "en;q=0.5,zh",
        "fr, zh;q=0.1", "en;q=0,zh;q=0.001",
        "*;q=0.1,zh",   "en;q=0.3;x=y,zh-TW ; Q=0.4",
    };
    static const char *const ENGLISH[] = {
        "",           "en",  "en-GB, zh;q=0.9",  "fr",  "*",          "en,zh",       "zh;q=0",
        "zh;q=0.5,*", "zha", "zh;q=2, en;q=0.1", ",,;", "zh;q=0.5.5", "zh;q=1.5,en", "zh;q=",
    };

    for (size_t i = 0; i < sizeof CHINESE / sizeof *CHINESE; i++)
        if (language_choose(slice_of(CHINESE[i])) != LANGUAGE_CHINESE)
            unit_failed(__FILE__, __LINE__, "\"%s\" is not Chinese", CHINESE[i]);
    for (size_t i = 0; i < sizeof ENGLISH / sizeof *ENGLISH; i++)
        if (language_choose(slice_of(ENGLISH[i])) != LANGUAGE_ENGLISH)
            unit_failed(__FILE__, __LINE__, "\"%s\" is not English", ENGLISH[i]);
}
