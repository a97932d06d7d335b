#include "proto/format.h"

#include "common/memory.h"
#include "proto/contract.h"
#include "proto/schema.h"
#include "tests/unit/unit.h"

/* 64 characters. */
#define MUCH "0123456789012345678901234567890123456789012345678901234567890123"

struct example {
    const char *format;
    const char *good[10], *bad[24];
};

static const struct example EXAMPLES[] = {
    {"decimal",
     {"0", "-0", "12.50", "-12.50", "999999999999999999.999999999999", "007"},
     {"", "-", "+1", ".5", "1.", "1e3", " 1", "1 ", "1,5", "--1", "1.2.3", "1234567890123456789",
      "0.1234567890123", "NaN", "Infinity", "１"}},
    {"amount", {"0", "0.00", "12.50"}, {"-1", "-0", "", "."}},
    {"currency", {"CNY", "USD"}, {"cny", "CN", "CNYY", "CN1", ""}},
    {"instant",
     {"2026-10-31T16:00:00Z", "2026-10-31T16:00:00.123456+08:00"},
     {"2026-10-31", "2026-10-31T16:00:00", "2026-02-30T00:00:00Z", "2026-10-31T16:00:60Z", ""}},
    {"date",
     {"2026-10-31", "2028-02-29"},
     {"2026-02-29", "2026-13-01", "26-01-01", "2026-1-1", ""}},
    {"period", {"2026-10"}, {"2026-13", "2026-00", "2026-1", "2026-10-01", "1999-01", ""}},
    {"time-zone",
     {"Asia/Shanghai", "UTC", "Etc/GMT+8", "America/Port-au-Prince"},
     {"", "/Asia", "Asia Shanghai", "A;B", "Asia/Shanghai'", "+08", "x" MUCH}},
    {"email",
     {"li.na@example.com", "a+b@x-y.example.cn"},
     {"", "a", "@example.com", "a@", "a@b", "a@@example.com", "a b@example.com", ".a@example.com",
      "a.@example.com", "a..b@example.com", "a@-x.com", "a@x-.com", "a@x..com", "a@example.com.",
      "\"a\"@example.com", "a@[127.0.0.1]", "a@example.com\r\nBcc: x@example.com", "李@example.com",
      "x" MUCH "@example.com"}},
    {"code",
     {"a", "0", "broadband-100m", MUCH},
     {"", "-a", "_a", "A", "a b", "a.b", "é", MUCH "0"}},
    {"external-id",
     {"A-1", "合同 2026/001", MUCH MUCH, "\xc2\xa0"},
     {"", "a\n", "a\tb", "\x7f", "\xc2\x85", "\u2028", MUCH MUCH "0"}},
    {"login",
     {"line1@acme", "Line.1_a-b@acme-2"},
     {"", "line1", "@acme", "line1@", "line1@Acme", "line@acme@x", "线路@acme", "-a@acme",
      "a b@acme"}},
    {"asset-tag", {"PC-2026-0001", "a/b.c_d"}, {"", "-a", "a b", "资产", "a;b", MUCH "0"}},
    {"serial", {"SN:12+3", "5CD1234XYZ"}, {"", " a", "a b", "'", MUCH "0"}},
    {"ipv4",
     {"0.0.0.0", "203.0.113.7"},
     {"", "1.2.3", "1.2.3.4.5", "256.0.0.1", "01.2.3.4", "1.2.3.4 ", "1.2.3.4/32", "::1"}},
    {"ip-address",
     {"203.0.113.7", "::", "2001:db8::7", "::ffff:192.0.2.1"},
     {"", "1.2.3", "2001:db8", "2001:db8::/48", ":::", "::%lo", "fe80::1%eth0", "1.2.3.4/32"}},
    {"ip-prefix",
     {"203.0.113.0/24", "0.0.0.0/0", "203.0.113.7/32", "2001:db8::/48", "::/0", "::1/128"},
     {"", "/", "203.0.113.0", "203.0.113.0/", "203.0.113.0/33", "203.0.113.0/024", "::/129",
      "::/+1", "2001:db8::", "/24", "1.2.3.4/8/8"}},
    {"ip-address-or-prefix",
     {"203.0.113.7", "2001:db8::/56", "2001:db8::1"},
     {"", "203.0.113.7/33", "a", "::/ 1"}},
    {"uri-reference",
     {"https://example.com/a?b=c#d", "/v1/tenants", "a%20b", "urn:x:y"},
     {"", "a b", "a%2", "a%", "a%zz", "<a>", "a\"b", "路径", "a\\b"}},
    {"language", {"en", "zh-CN"}, {"", "zh", "EN", "zh-cn"}},
    {"text-line", {"", "一行 text", "\U0001f600"}, {"a\nb", "\t", "\xc2\x9f", "\u2029", "\x1b[0m"}},
    {"scope", {NULL}, {"", "no:such", "read"}},
    {"id-ten",
     {"ten_01h455vb4pex5vsknk084sn02q"},
     {"", "ten_", "usr_01h455vb4pex5vsknk084sn02q", "ten_81h455vb4pex5vsknk084sn02q",
      "ten_01H455VB4PEX5VSKNK084SN02Q", "ten_01h455vb4pex5vsknk084sn02",
      "ten-01h455vb4pex5vsknk084sn02q"}},
    {"id-op", {"op_01h455vb4pex5vsknk084sn02q"}, {"opx_01h455vb4pex5vsknk084sn02q"}},
};

static const struct schema_format *find(const char *name)
{
    for (size_t i = 0; i < schema_format_count; i++)
        if (strcmp(schema_formats[i].name, name) == 0)
            return &schema_formats[i];
    return NULL;
}

static void expect_valid(const struct schema_format *format, const char *text, bool valid)
{
    if (format->valid(slice_of(text)) != valid)
        unit_failed(__FILE__, __LINE__, "\"%s\" is%s a good %s", text, valid ? " not" : "",
                    format->name);
}

TEST(formats_know_good_from_bad)
{
    for (size_t i = 0; i < sizeof EXAMPLES / sizeof *EXAMPLES; i++) {
        const struct schema_format *format = find(EXAMPLES[i].format);

        EXPECT(format != NULL);
        for (const char *const *text = EXAMPLES[i].good; format != NULL && *text != NULL; text++)
            expect_valid(format, *text, true);
        for (const char *const *text = EXAMPLES[i].bad; format != NULL && *text != NULL; text++)
            expect_valid(format, *text, false);
    }
}

TEST(formats_have_sentences_in_both_languages)
{
    for (size_t i = 0; i < schema_format_count; i++) {
        EXPECT(schema_formats[i].expected[0] != '\0');
        EXPECT(schema_formats[i].expected_zh[0] != '\0');
    }
}

TEST(formats_refuse_nul_and_nothing)
{
    for (size_t i = 0; i < schema_format_count; i++) {
        bool empty = schema_formats[i].valid((struct slice){NULL, 0});

        EXPECT(empty == (strcmp(schema_formats[i].name, "text-line") == 0));
        EXPECT(!schema_formats[i].valid((struct slice){"\0", 1}));
        EXPECT(!schema_formats[i].valid((struct slice){"1.2.3.4\0", 8}));
    }
}

TEST(format_scope_knows_the_contract)
{
    for (size_t i = 0; i < contract_permission_count; i++)
        EXPECT(format_scope(slice_of(contract_permissions[i].name)));
}

static void try_all(struct slice text)
{
    for (size_t i = 0; i < schema_format_count; i++)
        schema_formats[i].valid(text);
}

/* No format reads beyond its slice, as the address sanitizer sees: each prefix of a good text
 * stands in memory of just its size. */
TEST(formats_keep_within_their_slice)
{
    for (size_t i = 0; i < sizeof EXAMPLES / sizeof *EXAMPLES; i++)
        for (const char *const *text = EXAMPLES[i].good; *text != NULL; text++)
            for (size_t length = 1; length <= strlen(*text); length++) {
                char *copy = memory_allocate(length, 1);

                memcpy(copy, *text, length);
                try_all((struct slice){copy, length});
                memory_free(copy);
            }
}
