/* What price_read refuses, and where it points. Documents are written with single quotes for double
 * ones, to be readable. */
#include "tests/unit/unit.h"

#include <stdio.h>

#include <jansson.h>

#include "common/memory.h"
#include "daemon/rating/price.h"

enum { DOCUMENT_SIZE = 65536 };

static json_t *load(const char *text)
{
    char *document = memory_text(text);
    json_t *value;

    for (char *c = document; *c != '\0'; c++)
        if (*c == '\'')
            *c = '"';
    value = json_loads(document, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
    EXPECT(value != NULL);
    memory_free(document);
    return value;
}

static void expect_refused(const char *document, const char *code, const char *pointer)
{
    json_t *text = load(document);
    struct price_error error = {.code = "none"};
    struct price *price = price_read(text, &error);

    if (price != NULL || strcmp(error.code, code) != 0 || strcmp(error.pointer, pointer) != 0)
        unit_failed(__FILE__, __LINE__, "%s: %s at \"%s\", expected %s at \"%s\"", document,
                    price != NULL ? "accepted" : error.code, error.pointer, code, pointer);
    EXPECT(price != NULL || strlen(error.detail) > 0);
    price_free(&price);
    json_decref(text);
}

#define MATRIX(cells) "{'model':'matrix','dimensions':['a','b'],'cells':[" cells "]"

static const struct {
    const char *document, *code, *pointer;
} wrong[] = {
    {"[]", "price_not_object", ""},
    {"null", "price_not_object", ""},
    {"{}", "field_missing", "/model"},
    {"{'model':'cube'}", "model_unknown", "/model"},
    {"{'model':7}", "model_unknown", "/model"},
    {"{'model':'unit'}", "field_missing", "/unit_amount"},
    {"{'model':'flat'}", "field_missing", "/amount"},
    {"{'model':'package','package_amount':'1'}", "field_missing", "/package_size"},
    {"{'model':'package','package_size':'1'}", "field_missing", "/package_amount"},
    {"{'model':'percentage'}", "field_missing", "/rate"},
    {"{'model':'graduated'}", "field_missing", "/tiers"},
    {"{'model':'unit','unit_amount':'1','rate':'1'}", "field_unknown", "/rate"},
    {"{'model':'unit','unit_amount':'1','tiers':[]}", "field_unknown", "/tiers"},
    {"{'model':'unit','unit_amount':'1','colour':'1'}", "field_unknown", "/colour"},
    {"{'model':'unit','unit_amount':'1','':'1'}", "field_unknown", "/"},
    {"{'model':'unit','unit_amount':'1','a/b':'1'}", "field_unknown", ""},
    {"{'model':'unit','unit_amount':1.5}", "number_must_be_string", "/unit_amount"},
    {"{'model':'unit','unit_amount':true}", "number_invalid", "/unit_amount"},
    {"{'model':'unit','unit_amount':null}", "number_invalid", "/unit_amount"},
    {"{'model':'unit','unit_amount':'1e3'}", "number_invalid", "/unit_amount"},
    {"{'model':'unit','unit_amount':1000000000000000000}", "number_invalid", "/unit_amount"},
    {"{'model':'unit','unit_amount':'-0.1'}", "amount_negative", "/unit_amount"},
    {"{'model':'unit','unit_amount':-1}", "amount_negative", "/unit_amount"},
    {"{'model':'unit','unit_amount':'1','divide_by':'0'}", "number_not_positive", "/divide_by"},
    {"{'model':'package','package_size':'-1','package_amount':'1'}", "number_not_positive",
     "/package_size"},
    {"{'model':'flat','amount':'1','free_units':'-1'}", "amount_negative", "/free_units"},
    {"{'model':'flat','amount':'1','discount_percent':'100.1'}", "percent_above_hundred",
     "/discount_percent"},
    {"{'model':'percentage','rate':'1','free_events':1.0}", "number_must_be_string",
     "/free_events"},
    {"{'model':'percentage','rate':'1','free_events':'1.5'}", "count_invalid", "/free_events"},
    {"{'model':'percentage','rate':'1','free_events':1000000001}", "count_invalid", "/free_events"},
    {"{'model':'flat','amount':'1','round':'half'}", "round_unknown", "/round"},
    {"{'model':'flat','amount':'1','minimum_amount':'2','maximum_amount':'1'}",
     "maximum_below_minimum", "/maximum_amount"},
    {"{'model':'percentage','rate':'1','per_event_min':'2','per_event_max':'1'}",
     "maximum_below_minimum", "/per_event_max"},
    {"{'model':'volume','tiers':{}}", "tiers_invalid", "/tiers"},
    {"{'model':'volume','tiers':[]}", "tiers_invalid", "/tiers"},
    {"{'model':'volume','tiers':[7]}", "tiers_invalid", "/tiers/0"},
    {"{'model':'volume','tiers':[{'unit_amount':'1'}]}", "field_missing", "/tiers/0/up_to"},
    {"{'model':'volume','tiers':[{'up_to':null}]}", "field_missing", "/tiers/0/unit_amount"},
    {"{'model':'volume','tiers':[{'up_to':null,'rate':'1'}]}", "field_unknown", "/tiers/0/rate"},
    {"{'model':'graduated_percentage','tiers':[{'up_to':null,'unit_amount':'1'}]}", "field_unknown",
     "/tiers/0/unit_amount"},
    {"{'model':'volume','tiers':[{'up_to':'1','unit_amount':'1'}]}", "tiers_last_not_open",
     "/tiers/0/up_to"},
    {"{'model':'volume','tiers':[{'up_to':null,'unit_amount':'1'},"
     "{'up_to':null,'unit_amount':'1'}]}",
     "tier_open_too_early", "/tiers/0/up_to"},
    {"{'model':'volume','tiers':[{'up_to':'0','unit_amount':'1'},"
     "{'up_to':null,'unit_amount':'1'}]}",
     "tiers_not_ascending", "/tiers/0/up_to"},
    {"{'model':'volume','tiers':[{'up_to':'5','unit_amount':'1'},"
     "{'up_to':'5.0','unit_amount':'1'},{'up_to':null,'unit_amount':'1'}]}",
     "tiers_not_ascending", "/tiers/1/up_to"},
    {"{'model':'volume','tiers':[{'up_to':'5','unit_amount':'1'},"
     "{'up_to':null,'unit_amount':'1','flat_amount':'-1'}]}",
     "amount_negative", "/tiers/1/flat_amount"},
    {"{'model':'volume','tiers':[{'up_to':0.5,'unit_amount':'1'}]}", "number_must_be_string",
     "/tiers/0/up_to"},
    {"{'model':'unit','unit_amount':'1','cells':[]}", "field_unknown", "/cells"},
    {"{'model':'matrix'}", "field_missing", "/dimensions"},
    {"{'model':'matrix','dimensions':'a'}", "dimensions_invalid", "/dimensions"},
    {"{'model':'matrix','dimensions':[]}", "dimensions_invalid", "/dimensions"},
    {"{'model':'matrix','dimensions':['']}", "dimensions_invalid", "/dimensions"},
    {"{'model':'matrix','dimensions':['a',7]}", "dimensions_invalid", "/dimensions"},
    {"{'model':'matrix','dimensions':['a','b','a']}", "dimensions_invalid", "/dimensions"},
    {"{'model':'matrix','dimensions':['a','b','c','d','e','f']}", "dimensions_invalid",
     "/dimensions"},
    {MATRIX("") "}", "cells_invalid", "/cells"},
    {"{'model':'matrix','dimensions':['a']}", "field_missing", "/cells"},
    {MATRIX("7") "}", "cells_invalid", "/cells/0"},
    {MATRIX("{'values':{}}") "}", "field_missing", "/cells/0/unit_amount"},
    {MATRIX("{'unit_amount':'1'}") "}", "field_missing", "/cells/0/values"},
    {MATRIX("{'values':{},'unit_amount':'-1'}") "}", "amount_negative", "/cells/0/unit_amount"},
    {MATRIX("{'values':{},'unit_amount':'1','rate':'1'}") "}", "field_unknown", "/cells/0/rate"},
    {MATRIX("{'values':[],'unit_amount':'1'}") "}", "cell_value_invalid", "/cells/0/values"},
    {MATRIX("{'values':{'c':'x'},'unit_amount':'1'}") "}", "cell_value_invalid",
     "/cells/0/values/c"},
    {MATRIX("{'values':{'a':7},'unit_amount':'1'}") "}", "cell_value_invalid", "/cells/0/values/a"},
    {MATRIX("{'values':{'a':'x'},'unit_amount':'1'}") "}", "cells_last_not_open",
     "/cells/0/values"},
    {MATRIX("{'values':{},'unit_amount':'1'},{'values':{},'unit_amount':'1'}") "}",
     "cell_open_too_early", "/cells/0/values"},
    {MATRIX("{'values':{'a':'x','b':null},'unit_amount':'1'},{'values':{'b':null,'a':'x'},"
            "'unit_amount':'1'},{'values':{},'unit_amount':'1'}") "}",
     "cell_given_twice", "/cells/1/values"},
};

TEST(price_read_points_to_what_is_wrong)
{
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        expect_refused(wrong[i].document, wrong[i].code, wrong[i].pointer);
}

TEST(price_read_points_to_the_object_when_a_name_is_too_long)
{
    expect_refused("{'model':'unit','unit_amount':'1',"
                   "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa':1}",
                   "field_unknown", "");
}

/* A price of `count` tiers, each one unit wide. */
static void write_tiers(char text[DOCUMENT_SIZE], int count)
{
    int length = snprintf(text, DOCUMENT_SIZE, "{'model':'graduated','tiers':[");

    for (int i = 1; i < count; i++)
        length += snprintf(text + length, (size_t)(DOCUMENT_SIZE - length),
                           "{'up_to':%d,'unit_amount':'1'},", i);
    snprintf(text + length, (size_t)(DOCUMENT_SIZE - length), "{'up_to':null,'unit_amount':'1'}]}");
}

TEST(price_read_bounds_the_tiers)
{
    char text[DOCUMENT_SIZE];
    json_t *document;
    struct price_error error;
    struct price *price;

    write_tiers(text, PRICE_TIERS_LIMIT);
    document = load(text);
    price = price_read(document, &error);
    EXPECT(price != NULL);
    price_free(&price);
    json_decref(document);
    write_tiers(text, PRICE_TIERS_LIMIT + 1);
    expect_refused(text, "tiers_invalid", "/tiers");
}

/* A matrix of `count` cells. */
static void write_cells(char text[DOCUMENT_SIZE], int count)
{
    int length = snprintf(text, DOCUMENT_SIZE, "{'model':'matrix','dimensions':['a'],'cells':[");

    for (int i = 1; i < count; i++)
        length += snprintf(text + length, (size_t)(DOCUMENT_SIZE - length),
                           "{'values':{'a':'%d'},'unit_amount':'1'},", i);
    snprintf(text + length, (size_t)(DOCUMENT_SIZE - length), "{'values':{},'unit_amount':'1'}]}");
}

TEST(price_read_bounds_the_cells)
{
    char text[DOCUMENT_SIZE];
    json_t *document;
    struct price_error error;
    struct price *price;

    write_cells(text, PRICE_CELLS_LIMIT);
    document = load(text);
    price = price_read(document, &error);
    EXPECT(price != NULL);
    price_free(&price);
    json_decref(document);
    write_cells(text, PRICE_CELLS_LIMIT + 1);
    expect_refused(text, "cells_invalid", "/cells");
}
