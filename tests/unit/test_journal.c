#include "proto/journal.h"

#include "tests/unit/unit.h"

enum { TEXT_LIMIT = 8192 };

static const struct journal_posting usual[] = {
    {"assets:receivable:lanhai", "106.00", "CNY"},
    {"revenue:software", "-100.00", "CNY"},
    {"liabilities:vat-output", "-6.00", "CNY"},
};

static struct journal_entry entry_of(const struct journal_posting *postings, size_t count)
{
    return (struct journal_entry){.date = "2026-10-31",
                                  .code = "BCC-2026-000001",
                                  .payee = "石家庄蓝海软件有限公司",
                                  .description = "October",
                                  .count = count,
                                  .postings = postings};
}

TEST(journal_entry_in_both_spellings)
{
    struct journal_entry entry = entry_of(usual, 3);
    struct buffer buffer = buffer_make(TEXT_LIMIT);

    EXPECT(journal_write_entry(&buffer, &entry));
    EXPECT_TEXT(buffer.data, "\n2026-10-31 * (BCC-2026-000001) 石家庄蓝海软件有限公司 | October\n"
                             "    assets:receivable:lanhai  106.00 CNY\n"
                             "    revenue:software  -100.00 CNY\n"
                             "    liabilities:vat-output  -6.00 CNY\n");
    buffer_free(&buffer);
    EXPECT(journal_write_beancount_entry(&buffer, &entry));
    EXPECT_TEXT(buffer.data,
                "\n2026-10-31 * \"石家庄蓝海软件有限公司\" \"October\" ^BCC-2026-000001\n"
                "  Assets:Receivable:Lanhai  106.00 CNY\n"
                "  Income:Software  -100.00 CNY\n"
                "  Liabilities:Vat-output  -6.00 CNY\n");
    buffer_free(&buffer);
}

/* hledger and beancount would let the last one pass. */
TEST(journal_refuses_what_is_not_balanced)
{
    static const struct journal_posting wrong[][2] = {
        {{"assets:a", "1.00", "CNY"}, {"revenue:b", "-0.99", "CNY"}},
        {{"assets:a", "1.00", "CNY"}, {"revenue:b", "-1.00", "USD"}},
        {{"assets:a", "1.00", "CNY"}, {"revenue:b", "x", "CNY"}},
        {{"assets:a", "1.004", "CNY"}, {"revenue:b", "-1.004", "CNY"}},
        {{"assets:a", "1.00", "CNY"}, {"revenue:b", "-1.004", "CNY"}},
    };
    struct buffer buffer = buffer_make(TEXT_LIMIT);

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct journal_entry entry = entry_of(wrong[i], 2);
        EXPECT(!journal_balanced(&entry));
        EXPECT(!journal_write_entry(&buffer, &entry));
        EXPECT(!journal_write_beancount_entry(&buffer, &entry));
    }
    struct journal_entry none = entry_of(usual, 0);
    EXPECT(!journal_balanced(&none));
    EXPECT_NUMBER(buffer.length, 0);
    buffer_free(&buffer);
}

TEST(journal_balances_each_currency)
{
    static const struct journal_posting two[] = {
        {"assets:a", "1.00", "CNY"},
        {"assets:a", "2.00", "USD"},
        {"revenue:b", "-1.00", "CNY"},
        {"revenue:b", "-2.00", "USD"},
    };
    struct journal_entry entry = entry_of(two, 4);

    EXPECT(journal_balanced(&entry));
}

TEST(journal_beancount_accounts)
{
    static const char *const good[][2] = {
        {"assets:receivable:a_b-c", "Assets:Receivable:AUb-c"},
        {"revenue:software", "Income:Software"},
        {"liabilities:9-9", "Liabilities:9-9"},
    };
    static const char *const bad[] = {"",          "assets",    "cash:a",    "assets:",
                                      "assets::a", "assets:-a", "assets:_a", "assets:\xe6\xb5\xb7",
                                      "assets:A"};
    char text[JOURNAL_ACCOUNT_SIZE];

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        EXPECT(journal_beancount_account(good[i][0], text));
        EXPECT_TEXT(text, good[i][1]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        EXPECT(!journal_beancount_account(bad[i], text));
}

TEST(journal_bounds_an_account)
{
    char account[2 * JOURNAL_ACCOUNT_SIZE], text[JOURNAL_ACCOUNT_SIZE];

    for (size_t length = 1; length < sizeof account - 8; length++) {
        memcpy(account, "assets:", 7);
        memset(account + 7, 'a', length);
        account[7 + length] = '\0';
        EXPECT(journal_beancount_account(account, text) == (length + 7 < JOURNAL_ACCOUNT_SIZE));
    }
}

TEST(journal_names_stay_on_their_line)
{
    static const char *const names[][2] = {
        {" a;b|c\n\"d\"\t\te ", "payee a,b/c 'd' e\n"},
        {"\n", "payee -\n"},
        {"\\", "payee /\n"},
    };
    struct buffer buffer = buffer_make(TEXT_LIMIT);

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        journal_write_payee(&buffer, names[i][0]);
        EXPECT_TEXT(buffer.data, names[i][1]);
        buffer_free(&buffer);
    }
}

TEST(journal_declarations)
{
    struct buffer buffer = buffer_make(TEXT_LIMIT);

    journal_write_commodity(&buffer, "CNY");
    journal_write_account(&buffer, "revenue:software");
    journal_write_beancount_options(&buffer, "2026-10");
    journal_write_beancount_commodity(&buffer, "2026-10-01", "CNY");
    EXPECT(journal_write_beancount_open(&buffer, "2026-10-01", "revenue:software"));
    EXPECT(!journal_write_beancount_open(&buffer, "2026-10-01", "revenue"));
    EXPECT_TEXT(buffer.data, "commodity 1000.00 CNY\naccount revenue:software\n"
                             "option \"title\" \"2026-10\"\n2026-10-01 commodity CNY\n"
                             "2026-10-01 open Income:Software\n");
    buffer_free(&buffer);
}
