#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/radius.h"
#include "tests/unit/unit.h"

static struct radius_request request;

static const char *read_text(const char *body)
{
    return radius_read(slice_of(body), &request);
}

/* Reads the body recorded under that file name. */
static const char *read_recorded(const char *file)
{
    json_t *all = json_load_file(unit_data_path("radius-recorded.json"), JSON_ALLOW_NUL, NULL);
    const char *problem = "no such recording";
    const json_t *entry;
    size_t i;

    json_array_foreach(all, i, entry)
    {
        if (strstr(json_string_value(json_object_get(entry, "file")), file) == NULL)
            continue;
        char *text = json_dumps(json_object_get(entry, "body"), JSON_ENSURE_ASCII);
        problem = read_text(text);
        free(text);
        break;
    }
    json_decref(all);
    return problem;
}

TEST(radius_reads_every_recorded_body)
{
    json_t *all = json_load_file(unit_data_path("radius-recorded.json"), JSON_ALLOW_NUL, NULL);
    const json_t *entry;
    size_t i, count = 0;

    json_array_foreach(all, i, entry)
    {
        char *text = json_dumps(json_object_get(entry, "body"), JSON_COMPACT);
        bool accounting =
            strcmp(json_string_value(json_object_get(entry, "path")), "/radius/v1/accounting") == 0;
        EXPECT(read_text(text) == NULL);
        EXPECT((request.status != RADIUS_NO_STATUS) == accounting);
        EXPECT(strcmp(request.server_address, "192.0.2.1") == 0);
        free(text);
        count++;
    }
    EXPECT(count >= 20);
    json_decref(all);
}

TEST(radius_reads_names_counters_and_times)
{
    EXPECT(read_recorded("names/005-accounting-Stop") == NULL);
    EXPECT_NUMBER(request.status, RADIUS_STOP);
    EXPECT_TEXT(request.user_name, "acme-001");
    EXPECT_TEXT(request.session_id, "0000A1B2");
    EXPECT_TEXT(request.server_identifier, "bras-1");
    EXPECT_TEXT(request.framed_address, "203.0.113.7");
    EXPECT_TEXT(request.calling_station, "00-11-22-33-44-55");
    EXPECT_TEXT(request.terminate_cause, "User-Request");
    EXPECT_NUMBER(request.input_octets, 4294968296);
    EXPECT_NUMBER(request.output_octets, 8590934591);
    EXPECT(request.has_session_time);
    EXPECT_NUMBER(request.session_time, 600);
    EXPECT_NUMBER(request.delay, 3);
    EXPECT_NUMBER(request.event_at, 1795451358);
}

TEST(radius_reads_raw_numbers_and_replayed_packets)
{
    EXPECT(read_recorded("coa/001-accounting-3") == NULL);
    EXPECT_NUMBER(request.status, RADIUS_INTERIM);
    EXPECT_NUMBER(request.input_octets, 1);
    EXPECT_NUMBER(request.event_at, 1795450859);
    EXPECT_NUMBER(request.received_at, 1795450859);
    EXPECT(read_recorded("coa/004-accounting-1") == NULL);
    EXPECT_NUMBER(request.status, RADIUS_START);
    EXPECT_NUMBER(request.event_at, 0);
    EXPECT_NUMBER(request.received_at, 1795450880);
}

TEST(radius_spells_bytes_that_are_no_text)
{
    EXPECT(read_recorded("coa/002-accounting-1") == NULL);
    EXPECT_TEXT(request.user_name, "测试\"\\x5c\\x5cx;drop");
    EXPECT_TEXT(request.session_id, "a\\x00b");
    EXPECT(read_text("{\"User-Name\":{\"value\":[\"\\u00ff\\u00c2\\u0080\\n\"]}}") == NULL);
    EXPECT_TEXT(request.user_name, "\\xff\\xc2\\x80\\x0a");
    EXPECT(read_text("{\"User-Name\":{\"value\":[\"\xe6\xb5\x8b\"]}}") == NULL);
    EXPECT_TEXT(request.user_name, "测");
}

TEST(radius_joins_gigawords)
{
    EXPECT(read_text("{\"Acct-Input-Octets\":{\"value\":[4294967295]},"
                     "\"Acct-Input-Gigawords\":{\"value\":[\"4294967295\"]}}") == NULL);
    EXPECT(request.input_octets == UINT64_MAX);
    EXPECT(read_text("{\"Acct-Input-Octets64\":{\"value\":[\"18446744073709551615\"]}}") == NULL);
    EXPECT(request.input_octets == UINT64_MAX);
    EXPECT(read_text("{\"Acct-Input-Octets64\":{\"value\":[\"18446744073709551616\"]},"
                     "\"Acct-Input-Octets\":{\"value\":[7]}}") == NULL);
    EXPECT_NUMBER(request.input_octets, 7);
}

TEST(radius_reads_dates_of_utc_alone)
{
    EXPECT(read_text("{\"Event-Timestamp\":{\"value\":[\"Nov  3 2026 00:00:00 UTC\"]}}") == NULL);
    EXPECT_NUMBER(request.event_at, 1793664000);
    EXPECT(read_text("{\"Event-Timestamp\":{\"value\":[1793664000]}}") == NULL);
    EXPECT_NUMBER(request.event_at, 1793664000);
    EXPECT(read_text("{\"Event-Timestamp\":{\"value\":[\"Nov  3 2026 00:00:00 CST\"]},"
                     "\"Tmp-Integer-1\":{\"value\":[12]}}") == NULL);
    EXPECT_NUMBER(request.event_at, 12);
    EXPECT(read_text("{\"Event-Timestamp\":{\"value\":[\"ovD  3 2026 00:00:00 UTC\"]}}") == NULL);
    EXPECT_NUMBER(request.event_at, 0);
}

TEST(radius_refuses_what_it_cannot_place)
{
    char body[512];
    char name[RADIUS_ATTRIBUTE_LIMIT + 2];

    EXPECT_TEXT(read_text(""), "malformed_json");
    EXPECT_TEXT(read_text("[]"), "malformed_json");
    EXPECT_TEXT(read_text("{\"a\":"), "malformed_json");
    EXPECT_TEXT(read_text("{\"Acct-Status-Type\":{\"value\":[\"Nonsense\"]}}"), "bad_status");
    EXPECT_TEXT(read_text("{\"Acct-Status-Type\":{\"value\":[-1]}}"), "bad_status");
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    snprintf(body, sizeof body, "{\"User-Name\":{\"value\":[\"%s\"]}}", name);
    EXPECT_TEXT(read_text(body), "attribute_too_long");
    snprintf(body, sizeof body, "{\"User-Name\":{\"value\":[\"%s\"]}}", name + 1);
    EXPECT(read_text(body) == NULL);
}

TEST(radius_takes_malformed_attributes_for_absent)
{
    EXPECT(read_text("{\"User-Name\":7,\"NAS-IP-Address\":{\"value\":[\"999.1.1.1\"]},"
                     "\"Acct-Session-Id\":{\"value\":[]},\"Framed-IP-Address\":{\"value\":\"x\"},"
                     "\"Acct-Session-Time\":{\"value\":[\"-5\"]},\"More\":{}}") == NULL);
    EXPECT_TEXT(request.user_name, "");
    EXPECT_TEXT(request.server_address, "");
    EXPECT(!request.has_session_time);
}
