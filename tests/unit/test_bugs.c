/* Defects that were found, by number: none comes back. */
#include "daemon/billing/line.h"
#include "daemon/http/actor.h"
#include "proto/contract.h"
#include "proto/csv.h"
#include "proto/focus.h"
#include "proto/format.h"

#include "tests/unit/unit.h"

enum { TEXT_LIMIT = 64, ROW_LIMIT = 8192 };

/* A text that looked guarded was written as it was, and lost its ' when it was read. */
TEST(bug_0001_csv_guard_is_taken_for_text)
{
    static const char *const texts[] = {"'=1+1", "''-x", "=1", "'a", "'", ""};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct arena *arena = arena_new();
        struct buffer buffer = buffer_make(TEXT_LIMIT);
        struct csv_writer writer = csv_writer_make(&buffer, false);
        struct slice fields[CSV_COLUMNS_LIMIT];

        csv_write_text(&writer, slice_of(texts[i]));
        csv_end_row(&writer);
        struct csv_reader reader = csv_reader_make(arena, buffer_slice(&buffer));
        EXPECT(csv_read(&reader, fields) == CSV_ROW);
        EXPECT(slice_is(csv_unguard(fields[0]), texts[i]));
        buffer_free(&buffer);
        arena_free(&arena);
    }
}

/* How many permissions of the contract a word of a role's permissions stands for. */
static size_t permissions_under(struct slice word)
{
    struct actor actor = {.role = "platform_admin"};
    size_t count = 0;

    memcpy(actor.scopes, word.data, word.length);
    for (size_t i = 0; i < contract_permission_count; i++)
        count += actor_may(&actor, contract_permissions[i].name);
    return count;
}

static size_t roles_with(const char *permission)
{
    size_t count = 0;

    for (size_t i = 0; i < actor_role_count; i++) {
        struct actor actor = {.side = ACTOR_OPERATOR};
        memcpy(actor.role, actor_roles[i].name, strlen(actor_roles[i].name));
        count += actor_may(&actor, permission);
    }
    return count;
}

/* Roles were given "prices:*", which no operation asks for. Some role beside the one that may all
 * has each permission. */
TEST(bug_0021_roles_and_contract_agree)
{
    for (size_t i = 0; i < actor_role_count; i++) {
        struct slice rest = slice_of(actor_roles[i].permissions), word;
        for (bool more = true; more;) {
            more = slice_split(&rest, ' ', &word);
            word = more ? word : rest;
            if (permissions_under(word) == 0)
                unit_failed(__FILE__, __LINE__, "%s: the contract has none of \"%.*s\"",
                            actor_roles[i].name, (int)word.length, word.data);
        }
    }
    for (size_t i = 0; i < contract_permission_count; i++)
        if (roles_with(contract_permissions[i].name) < 2)
            unit_failed(__FILE__, __LINE__, "no role has \"%s\"", contract_permissions[i].name);
}

/* PostgreSQL reads an offset by POSIX, whose sign is the other way round, and abbreviations. */
TEST(bug_0045_what_is_no_name_of_a_time_zone)
{
    static const char *const others[] = {"UTC+8",   "CST", "CST-8", "Asia/Beijing-8",
                                         "Asia/X8", "/",   ""};
    static const char *const names[] = {"Asia/Shanghai", "UTC", "Etc/GMT+8",
                                        "America/Port-au-Prince", "America/Argentina/Buenos_Aires"};

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        EXPECT(!format_time_zone(slice_of(others[i])));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        EXPECT(format_time_zone(slice_of(names[i])));
}

/* A tenant's name of a resource stood in FOCUS's rows as a formula. */
TEST(bug_0047_focus_names_are_no_formulas)
{
    struct buffer buffer = buffer_make(ROW_LIMIT);
    struct csv_writer writer = csv_writer_make(&buffer, false);
    struct focus_line line = {.net = "-1.00",
                              .tax = "-0.06",
                              .amount = "-1",
                              .description = "=1+1",
                              .description_zh = "@a",
                              .tax_description = "=2+2",
                              .tax_description_zh = "@b"};

    for (size_t i = 0; i < FOCUS_COLUMN_COUNT; i++)
        if (strcmp(focus_columns[i].name, "ResourceName") == 0)
            line.given[i] = "+name";
    focus_write_charge(&writer, &line);
    focus_write_tax(&writer, &line);
    EXPECT(strstr(buffer.data, ",=") == NULL && strstr(buffer.data, ",@") == NULL);
    EXPECT(strstr(buffer.data, ",+") == NULL && strstr(buffer.data, ",'+name,") != NULL);
    EXPECT(strstr(buffer.data, "-1.00,") == buffer.data);
    buffer_free(&buffer);
}

/* What could not be read of an event was priced as zero. */
TEST(bug_0025_a_value_that_is_no_number_is_a_failure)
{
    static const char *const events[] = {"[[\"1\",true,true],[\"1e3\",false,true]]",
                                         "[[null,false,true]]", "[[\"\",true,true]]", "[17]"};
    json_t *charge = json_loads("{\"code\":\"fee\",\"kind\":\"usage\",\"price\":{\"model\":"
                                "\"percentage\",\"rate\":\"1\"}}",
                                0, NULL);

    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        json_t *values = json_loads(events[i], 0, NULL);
        char problem[LINE_PROBLEM_SIZE] = "";
        struct line line;
        EXPECT(!line_make(&(struct line_request){.charge = charge,
                                                 .quantity = "1",
                                                 .already = "1",
                                                 .events = values,
                                                 .tax_rate = "0.06"},
                          &line, problem));
        EXPECT(strstr(problem, "charge fee") != NULL);
        line_end(&line);
        json_decref(values);
    }
    json_decref(charge);
}
