/* Prices by dimensions. Documents are written with single quotes for double ones. */
#include "tests/unit/unit.h"

#include <jansson.h>

#include "common/memory.h"
#include "daemon/rating/price.h"

enum { GROUPS = 8 };

static json_t *load(const char *text)
{
    char *document = memory_text(text);
    json_t *value;

    for (char *c = document; *c != '\0'; c++)
        if (*c == '\'')
            *c = '"';
    value = json_loads(document, JSON_REJECT_DUPLICATES, NULL);
    EXPECT(value != NULL);
    memory_free(document);
    return value;
}

/* Groups are [[values..., quantity]...], in this order or backwards. */
static void evaluate(const struct price *price, const json_t *usage, bool backwards,
                     struct price_result *result)
{
    struct price_group groups[GROUPS] = {0};
    size_t count = json_array_size(usage), dimensions = price_dimension_count(price);

    for (size_t i = 0; i < count; i++) {
        const json_t *group = json_array_get(usage, backwards ? count - 1 - i : i);
        for (size_t j = 0; j < dimensions; j++)
            groups[i].values[j] = json_string_value(json_array_get(group, j));
        number_start(&groups[i].quantity);
        EXPECT(number_parse(&groups[i].quantity,
                            slice_of(json_string_value(json_array_get(group, dimensions)))));
    }
    price_groups(price, groups, count, result);
    for (size_t i = 0; i < count; i++)
        number_end(&groups[i].quantity);
}

static void expect(const char *document, const char *usage, const char *amount, const char *billed,
                   const char *steps)
{
    json_t *text = load(document), *groups = load(usage), *expected = load(steps);
    struct price_error error = {.code = "none"};
    struct price *price = price_read(text, &error);
    char number[NUMBER_TEXT_SIZE];

    EXPECT_TEXT(error.code, "none");
    for (int backwards = 0; price != NULL && backwards < 2; backwards++) {
        struct price_result result;
        char *actual;

        EXPECT_NUMBER(price_usage(price), PRICE_OF_GROUPS);
        evaluate(price, groups, backwards == 1, &result);
        number_write(&result.amount, number);
        EXPECT_TEXT(number, amount);
        number_write(&result.billed_quantity, number);
        EXPECT_TEXT(number, billed);
        actual = json_dumps(result.steps, 0);
        if (!json_equal(result.steps, expected))
            unit_failed(__FILE__, __LINE__, "steps are %s", actual);
        memory_free(actual);
        price_result_end(&result);
    }
    price_free(&price);
    json_decref(expected);
    json_decref(groups);
    json_decref(text);
}

#define CELLS                                                                                      \
    "'model':'matrix','dimensions':['region','class'],'cells':["                                   \
    "{'values':{'region':'hk','class':'gold'},'unit_amount':'3'},"                                 \
    "{'values':{'class':null},'unit_amount':'0.5'},"                                               \
    "{'values':{'region':'hk'},'unit_amount':'2'},"                                                \
    "{'values':{},'unit_amount':'1'}]"

TEST(price_matrix_takes_the_first_cell_that_holds)
{
    expect("{" CELLS "}",
           "[['hk','gold','1'],['hk','silver','10'],['hk',null,'100'],['cn','gold','1000'],"
           "[null,'gold','5000'],['','','2']]",
           "6075", "6113",
           "[{'step':'cell','number':1,'values':{'region':'hk','class':'gold'},'quantity':'1',"
           "'unit_amount':'3','amount':'3'},"
           "{'step':'cell','number':2,'values':{'class':null},'quantity':'100',"
           "'unit_amount':'0.5','amount':'50'},"
           "{'step':'cell','number':3,'values':{'region':'hk'},'quantity':'10',"
           "'unit_amount':'2','amount':'20'},"
           "{'step':'cell','number':4,'values':{},'quantity':'6002','unit_amount':'1',"
           "'amount':'6002'}]");
}

TEST(price_matrix_converts_and_rounds_what_falls_into_a_cell_together)
{
    expect("{" CELLS ",'divide_by':'10','round':'up'}",
           "[['hk','gold','4'],['cn','x','4'],['us','x','4'],['hk','y','-7']]", "4", "2",
           "[{'step':'convert','quantity':'4','result':'0.4','divide_by':'10'},"
           "{'step':'round','quantity':'0.4','result':'1','round':'up'},"
           "{'step':'cell','number':1,'values':{'region':'hk','class':'gold'},'quantity':'1',"
           "'unit_amount':'3','amount':'3'},"
           "{'step':'negative','quantity':'-7','result':'0'},"
           "{'step':'convert','quantity':'0','result':'0','divide_by':'10'},"
           "{'step':'round','quantity':'0','result':'0','round':'up'},"
           "{'step':'cell','number':3,'values':{'region':'hk'},'quantity':'0',"
           "'unit_amount':'2','amount':'0'},"
           "{'step':'convert','quantity':'8','result':'0.8','divide_by':'10'},"
           "{'step':'round','quantity':'0.8','result':'1','round':'up'},"
           "{'step':'cell','number':4,'values':{},'quantity':'1','unit_amount':'1','amount':'1'}]");
}

TEST(price_matrix_gives_free_units_to_the_cells_in_turn)
{
    expect("{" CELLS ",'free_units':'7','minimum_amount':'20'}",
           "[['cn','gold','9'],['hk','gold','5']]", "20", "7",
           "[{'step':'free_units','quantity':'5','result':'0','free_units':'5'},"
           "{'step':'cell','number':1,'values':{'region':'hk','class':'gold'},'quantity':'0',"
           "'unit_amount':'3','amount':'0'},"
           "{'step':'free_units','quantity':'9','result':'7','free_units':'2'},"
           "{'step':'cell','number':4,'values':{},'quantity':'7','unit_amount':'1','amount':'7'},"
           "{'step':'minimum','of':'7','minimum_amount':'20','amount':'13'}]");
}

TEST(price_matrix_of_nothing_costs_its_minimum)
{
    expect("{" CELLS "}", "[]", "0", "0", "[]");
    expect("{" CELLS ",'minimum_amount':'2'}", "[]", "2", "0",
           "[{'step':'minimum','of':'0','minimum_amount':'2','amount':'2'}]");
}
