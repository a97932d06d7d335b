#include "proto/accept.h"
#include "tests/unit/unit.h"

TEST(accept_takes_names_with_their_weights)
{
    struct slice list = slice_of("br;q=0.5, gzip , identity;level=1;Q=0.001,x;q=2,");
    struct slice name;
    unsigned weight;

    EXPECT(accept_next(&list, &name, &weight) && slice_is(name, "br"));
    EXPECT_NUMBER(weight, 500);
    EXPECT(accept_next(&list, &name, &weight) && slice_is(name, "gzip"));
    EXPECT_NUMBER(weight, ACCEPT_WEIGHT_MOST);
    EXPECT(accept_next(&list, &name, &weight) && slice_is(name, "identity"));
    EXPECT_NUMBER(weight, 1);
    EXPECT(accept_next(&list, &name, &weight) && slice_is(name, "x"));
    EXPECT_NUMBER(weight, 0);
    EXPECT(!accept_next(&list, &name, &weight));
}

TEST(accept_weighs_a_name)
{
    static const struct {
        const char *list;
        unsigned weight;
    } CASES[] = {
        {"", 7},
        {"br", 1000},
        {"BR;q=0.25", 250},
        {"gzip", 7},
        {"*", 1000},
        {"*;q=0", 0},
        {"*;q=0, br", 1000},
        {"br;q=0, *", 0},
        {"br;q=1.1", 0},
        {"br;q=1.0", 1000},
        {"br;q=", 0},
        {"brotli, xbr", 7},
        {",;, br;q=0.9", 900},
        {"br;q=0.12x", 0},
    };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        if (accept_weight(slice_of(CASES[i].list), "br", 7) != CASES[i].weight)
            unit_failed(__FILE__, __LINE__, "\"%s\" weighs %u", CASES[i].list,
                        accept_weight(slice_of(CASES[i].list), "br", 7));
}
