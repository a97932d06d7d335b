#include <stdio.h>

#include "daemon/identity/password_policy.h"
#include "daemon/identity/roles.h"
#include "tests/unit/unit.h"

static struct actor actor_of(const char *role, const char *scopes)
{
    struct actor actor = {.side = ACTOR_TENANT};

    snprintf(actor.role, sizeof actor.role, "%s", role);
    snprintf(actor.scopes, sizeof actor.scopes, "%s", scopes);
    return actor;
}

static bool acceptable(const char *password)
{
    return password_acceptable(slice_of(password), "wang.fang@lanhai.example");
}

TEST(password_bounds)
{
    char longest[258];

    memset(longest, 'x', sizeof longest);
    EXPECT(!acceptable("river-cra"));
    EXPECT(acceptable("river-cran"));
    EXPECT(password_acceptable((struct slice){longest, 256}, "a@b.example"));
    EXPECT(!password_acceptable((struct slice){longest, 257}, "a@b.example"));
}

TEST(password_characters_are_counted_not_bytes)
{
    EXPECT(!acceptable("蓝鹤飞过长河"));
    EXPECT(acceptable("蓝鹤飞过长河落日圆了"));
}

TEST(password_common_or_address_is_refused)
{
    EXPECT(!acceptable("1234567890"));
    EXPECT(!acceptable("Password123"));
    EXPECT(!acceptable("Wang.Fang@lanhai.example"));
}

TEST(roles_nobody_hands_on_more_than_his_own)
{
    struct actor owner = actor_of("owner", ""), admin = actor_of("admin", ""),
                 developer = actor_of("developer", ""), clerk = actor_of("operator", "");

    EXPECT_TEXT(roles_for_keys(&owner), "owner,admin,developer,billing,member");
    EXPECT_TEXT(roles_for_keys(&admin), "admin,developer,billing,member");
    EXPECT_TEXT(roles_for_keys(&developer), "developer,member");
    EXPECT(strstr(roles_for_keys(&clerk), "operator") == NULL);
}

TEST(roles_readers_hand_on_nothing)
{
    struct actor auditor = actor_of("auditor", ""), finance = actor_of("finance", "x:read");

    EXPECT_TEXT(roles_for_keys(&auditor), "");
    EXPECT_TEXT(roles_for_people(&finance), "");
}

TEST(roles_a_scoped_key_makes_plain_members_alone)
{
    struct actor key = actor_of("owner", "users:write");

    EXPECT_TEXT(roles_for_people(&key), "member");
    EXPECT_TEXT(roles_for_keys(&key), "owner,admin,developer,billing,member");
}
