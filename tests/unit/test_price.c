/* Prices are written here with single quotes for double ones, to be readable. */
#include "tests/unit/unit.h"

#include <jansson.h>

#include "common/memory.h"
#include "daemon/rating/price.h"

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

/* Prices a quantity (a string) or events (an array of strings). */
static void evaluate(const struct price *price, const json_t *usage, struct price_result *result)
{
    size_t count = json_is_array(usage) ? json_array_size(usage) : 1;
    struct number *values = memory_allocate(count + 1, sizeof *values);

    EXPECT_NUMBER(price_usage(price) == PRICE_OF_EVENTS, json_is_array(usage));
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_is_array(usage) ? json_array_get(usage, i) : usage;
        number_start(&values[i]);
        EXPECT(number_parse(&values[i], slice_of(json_string_value(value))));
    }
    if (price_usage(price) == PRICE_OF_EVENTS)
        price_events(price, values, count, result);
    else
        price_quantity(price, values, result);
    for (size_t i = 0; i < count; i++)
        number_end(&values[i]);
    memory_free(values);
}

static void expect_steps_add_up(const struct price_result *result)
{
    char amount[NUMBER_TEXT_SIZE], steps[NUMBER_TEXT_SIZE];
    struct number sum, part;
    const json_t *step;
    size_t i;

    number_start(&sum);
    number_start(&part);
    json_array_foreach(result->steps, i, step)
    {
        const json_t *value = json_object_get(step, "amount");
        if (value != NULL && number_parse_stored(&part, slice_of(json_string_value(value))))
            number_add(&sum, &sum, &part);
    }
    number_write(&result->amount, amount);
    number_write(&sum, steps);
    EXPECT_TEXT(steps, amount);
    number_end(&part);
    number_end(&sum);
}

static void expect_amount(const json_t *document, const json_t *usage, const char *expected)
{
    struct price_error error;
    struct price *price = price_read(document, &error);
    struct price_result result;
    char text[NUMBER_TEXT_SIZE];

    if (price == NULL) {
        unit_failed(__FILE__, __LINE__, "%s at \"%s\"", error.code, error.pointer);
        return;
    }
    evaluate(price, usage, &result);
    number_write(&result.amount, text);
    EXPECT_TEXT(text, expected);
    expect_steps_add_up(&result);
    price_result_end(&result);
    price_free(&price);
}

/* `usage` is "'12'" or "['1', '2']". */
static void expect(const char *document, const char *usage, const char *amount)
{
    json_t *price = load(document), *value = load(usage);

    expect_amount(price, value, amount);
    json_decref(value);
    json_decref(price);
}

static void expect_steps(const char *document, const char *usage, const char *steps)
{
    json_t *text = load(document), *value = load(usage), *expected = load(steps);
    struct price_error error;
    struct price *price = price_read(text, &error);
    struct price_result result;
    char *actual;

    evaluate(price, value, &result);
    actual = json_dumps(result.steps, 0);
    if (!json_equal(result.steps, expected))
        unit_failed(__FILE__, __LINE__, "steps are %s", actual);
    memory_free(actual);
    price_result_end(&result);
    price_free(&price);
    json_decref(expected);
    json_decref(value);
    json_decref(text);
}

TEST(price_vectors_are_exact)
{
    json_t *file = json_load_file(unit_data_path("rating-vectors.json"), 0, NULL);
    const json_t *cases = json_object_get(file, "cases"), *entry;
    size_t i;

    EXPECT(json_array_size(cases) > 20);
    json_array_foreach(cases, i, entry)
    {
        const json_t *events = json_object_get(entry, "events");
        expect_amount(json_object_get(entry, "price"),
                      events != NULL ? events : json_object_get(entry, "quantity"),
                      json_string_value(json_object_get(entry, "amount")));
    }
    json_decref(file);
}

#define GRADUATED                                                                                  \
    "{'model':'graduated','tiers':[{'up_to':'10','unit_amount':'10','flat_amount':'2'},"           \
    "{'up_to':'20','unit_amount':'5','flat_amount':'3'},"                                          \
    "{'up_to':null,'unit_amount':'4','flat_amount':'7'}]}"
#define VOLUME                                                                                     \
    "{'model':'volume','tiers':[{'up_to':'10','unit_amount':'10','flat_amount':'2'},"              \
    "{'up_to':null,'unit_amount':'5','flat_amount':'3'}]}"
#define RATES                                                                                      \
    "{'model':'graduated_percentage','tiers':[{'up_to':'10','rate':'1','flat_amount':'200'},"      \
    "{'up_to':null,'rate':'2','flat_amount':'300'}]}"

TEST(price_graduated_enters_a_tier_just_above_its_limit)
{
    expect(GRADUATED, "'-5'", "2");
    expect(GRADUATED, "'10'", "102");
    expect(GRADUATED, "'10.000000000001'", "105.000000000005");
    expect(GRADUATED, "'20'", "155");
    expect(GRADUATED, "'21'", "166");
}

TEST(price_volume_changes_tier_just_above_its_limit)
{
    expect(VOLUME, "'0'", "2");
    expect(VOLUME, "'-1'", "2");
    expect(VOLUME, "'10'", "102");
    expect(VOLUME, "'10.2'", "54");
}

TEST(price_graduated_percentage_of_nothing_is_nothing)
{
    expect(RATES, "'0'", "0");
    expect(RATES, "'1'", "200.01");
    expect(RATES, "'10'", "200.1");
    expect(RATES, "'12'", "500.14");
}

TEST(price_flat_is_a_share_of_the_period)
{
    expect("{'model':'flat','amount':'99.9'}", "'1'", "99.9");
    expect("{'model':'flat','amount':31}", "'0.5'", "15.5");
    expect("{'model':'flat','amount':'99.9'}", "'0'", "0");
}

TEST(price_package_is_whole_or_nothing)
{
    expect("{'model':'package','package_size':'10','package_amount':'3'}", "'0'", "0");
    expect("{'model':'package','package_size':'10','package_amount':'3'}", "'0.001'", "3");
    expect("{'model':'package','package_size':'10','package_amount':'3'}", "'20'", "6");
    expect("{'model':'package','package_size':'10','package_amount':'3','free_units':'5'}",
           "'25.5'", "9");
}

TEST(price_modifiers_keep_their_order)
{
    /* 2500 / 1000 = 2.5, up: 3, less 1 free: 2, at 10: 20, less 10 %: 18 */
    const char *all = "{'model':'unit','unit_amount':'10','divide_by':'1000','round':'up',"
                      "'free_units':'1','discount_percent':'10','minimum_amount':'5',"
                      "'maximum_amount':'50'}";

    expect(all, "'2500'", "18");
    expect(all, "'1000'", "5");
    expect(all, "'999000'", "50");
    expect("{'model':'unit','unit_amount':'1','divide_by':'1000','round':'down'}", "'2999'", "2");
    expect("{'model':'unit','unit_amount':'1','divide_by':'1000','round':'nearest'}", "'2500'",
           "3");
    expect("{'model':'unit','unit_amount':'1','divide_by':'1000','round':'nearest'}", "'2499'",
           "2");
    expect("{'model':'unit','unit_amount':'8','discount_percent':'100'}", "'3'", "0");
}

TEST(price_percentage_without_events_charges_nothing)
{
    expect("{'model':'percentage','rate':'5','fixed_amount':'3'}", "[]", "0");
    expect("{'model':'percentage','rate':'5','minimum_amount':'3'}", "[]", "3");
    expect("{'model':'percentage','rate':'5','fixed_amount':'3'}", "['0','-4']", "6");
}

TEST(price_percentage_free_amount)
{
    const char *price = "{'model':'percentage','rate':'10','fixed_amount':'2','free_amount':'100'}";

    expect(price, "['60','40']", "0");
    expect(price, "['60','40','0']", "2");
    expect(price, "['60','50']", "3");
    expect(price, "['60','50','10']", "6");
}

TEST(price_percentage_first_freedom_used_up_ends_both)
{
    const char *price = "{'model':'percentage','rate':'10','fixed_amount':'2','free_events':2,"
                        "'free_amount':'100'}";

    expect(price, "['10','10','10']", "3");  /* the events are used up */
    expect(price, "['100','10','10']", "6"); /* the amount is */
    expect(price, "['150','10']", "10");     /* 5 + 2, then 1 + 2 */
}

TEST(price_percentage_freedom_of_zero_is_none)
{
    expect("{'model':'percentage','rate':'10','free_events':1,'free_amount':'0'}", "['50','10']",
           "1");
    expect("{'model':'percentage','rate':'10','free_events':0,'free_amount':'50'}", "['60']", "1");
}

TEST(price_percentage_clamps_each_charged_event)
{
    const char *price = "{'model':'percentage','rate':'10','fixed_amount':'1','free_events':1,"
                        "'per_event_min':'3','per_event_max':'5'}";

    expect(price, "['1']", "0"); /* free: no minimum */
    expect(price, "['1','1','30','500']", "12");
    expect("{'model':'percentage','rate':'10','per_event_max':'0'}", "['10']", "0");
}

TEST(price_percentage_modifiers_work_on_each_value)
{
    expect("{'model':'percentage','rate':'10','divide_by':'100','round':'up'}", "['101','101']",
           "0.4");
    expect("{'model':'percentage','rate':'10','fixed_amount':'1','free_units':'15'}", "['10','10']",
           "2.5");
}

TEST(price_steps_show_the_working)
{
    expect_steps(GRADUATED, "'12'",
                 "[{'step':'tier','number':1,'from':'0','to':'10','quantity':'10',"
                 "'unit_amount':'10','flat_amount':'2','amount':'102'},"
                 "{'step':'tier','number':2,'from':'10','to':'20','quantity':'2',"
                 "'unit_amount':'5','flat_amount':'3','amount':'13'}]");
    expect_steps(RATES, "'5'",
                 "[{'step':'tier','number':1,'from':'0','to':'10','quantity':'5','rate':'1',"
                 "'flat_amount':'200','amount':'200.05'}]");
    expect_steps(VOLUME, "'12'",
                 "[{'step':'tier','number':2,'from':'10','to':null,'quantity':'12',"
                 "'unit_amount':'5','flat_amount':'3','amount':'63'}]");
    expect_steps("{'model':'package','package_size':'10','package_amount':'100'}", "'121'",
                 "[{'step':'package','quantity':'121','package_size':'10','packages':'13',"
                 "'package_amount':'100','amount':'1300'}]");
    expect_steps("{'model':'flat','amount':'30'}", "'-1'",
                 "[{'step':'negative','quantity':'-1','result':'0'},"
                 "{'step':'flat','quantity':'0','period_amount':'30','amount':'0'}]");
}

TEST(price_steps_show_the_modifiers)
{
    expect_steps("{'model':'unit','unit_amount':'10','divide_by':'1000','round':'up',"
                 "'free_units':'9','discount_percent':'50','minimum_amount':'5'}",
                 "'1400'",
                 "[{'step':'convert','quantity':'1400','divide_by':'1000','result':'1.4'},"
                 "{'step':'round','quantity':'1.4','round':'up','result':'2'},"
                 "{'step':'free_units','quantity':'2','free_units':'2','result':'0'},"
                 "{'step':'unit','quantity':'0','unit_amount':'10','amount':'0'},"
                 "{'step':'discount','of':'0','discount_percent':'50','amount':'0'},"
                 "{'step':'minimum','of':'0','minimum_amount':'5','amount':'5'}]");
    expect_steps("{'model':'unit','unit_amount':'10','maximum_amount':'12'}", "'2'",
                 "[{'step':'unit','quantity':'2','unit_amount':'10','amount':'20'},"
                 "{'step':'maximum','of':'20','maximum_amount':'12','amount':'-8'}]");
}

TEST(price_steps_show_the_events)
{
    expect_steps("{'model':'percentage','rate':'1.3','fixed_amount':'2','free_amount':'60',"
                 "'per_event_max':'3'}",
                 "['10','100','500']",
                 "[{'step':'event','number':1,'value':'10','free_value':'10','rate':'1.3',"
                 "'fixed_amount':'0','amount':'0'},"
                 "{'step':'event','number':2,'value':'100','free_value':'50','rate':'1.3',"
                 "'fixed_amount':'2','amount':'2.65'},"
                 "{'step':'event','number':3,'value':'500','free_value':'0','rate':'1.3',"
                 "'fixed_amount':'2','per_event_max':'3','amount':'3'}]");
    expect_steps("{'model':'percentage','rate':'1','divide_by':'10'}", "['500']",
                 "[{'step':'event','number':1,'value':'500','quantity':'50','free_value':'0',"
                 "'rate':'1','fixed_amount':'0','amount':'0.5'}]");
}

TEST(price_steps_that_do_not_end_add_up_as_written)
{
    expect("{'model':'graduated','divide_by':'3','tiers':[{'up_to':'0.1','unit_amount':'1.7'},"
           "{'up_to':'0.2','unit_amount':'0.3'},{'up_to':null,'unit_amount':'1'}],"
           "'discount_percent':'33.3'}",
           "'1'", "0.222333333333");
    expect("{'model':'percentage','rate':'1','divide_by':'7'}", "['1','1','1','1','1','1','1']",
           "0.01");
}

/* Each event is worth 3, at 1 per cent. */
static void price_many(size_t count, struct price_result *result)
{
    json_t *document = load("{'model':'percentage','rate':'1'}");
    struct price_error error;
    struct price *price = price_read(document, &error);
    struct number *values = memory_allocate(count, sizeof *values);

    for (size_t i = 0; i < count; i++) {
        number_start(&values[i]);
        number_set_integer(&values[i], 3);
    }
    price_events(price, values, count, result);
    for (size_t i = 0; i < count; i++)
        number_end(&values[i]);
    memory_free(values);
    price_free(&price);
    json_decref(document);
}

TEST(price_events_beyond_the_limit_are_summed_not_cut)
{
    struct price_result result;
    json_t *expected = load("{'step':'events','number':10001,'events':5,'value':'15',"
                            "'quantity':'15','free_value':'0','amount':'0.15'}");

    price_many(PRICE_STEPS_LIMIT, &result);
    EXPECT_NUMBER(json_array_size(result.steps), PRICE_STEPS_LIMIT);
    expect_steps_add_up(&result);
    price_result_end(&result);

    price_many(PRICE_STEPS_LIMIT + 5, &result);
    EXPECT_NUMBER(json_array_size(result.steps), PRICE_STEPS_LIMIT + 1);
    EXPECT(json_equal(json_array_get(result.steps, PRICE_STEPS_LIMIT), expected));
    expect_steps_add_up(&result);
    price_result_end(&result);
    json_decref(expected);
}

TEST(price_largest_numbers_can_be_written)
{
    expect("{'model':'package','package_size':'0.000000000001','divide_by':'0.000000000001',"
           "'package_amount':'999999999999999999.999999999999'}",
           "'999999999999999999.999999999999'",
           "999999999999999999999999999998000000000000000000000000000001");
}

TEST(price_unit_amount_only_where_there_is_one)
{
    json_t *unit = load("{'model':'unit','unit_amount':'0.25','divide_by':'60'}");
    json_t *tiers = load(GRADUATED);
    struct price_error error;
    struct price *price = price_read(unit, &error), *other = price_read(tiers, &error);
    struct number amount;
    char text[NUMBER_TEXT_SIZE];

    number_start(&amount);
    EXPECT(price_unit_amount(price, &amount));
    EXPECT(!price_unit_amount(other, &amount));
    number_write(&amount, text);
    EXPECT_TEXT(text, "0.25");
    number_end(&amount);
    price_free(&other);
    price_free(&price);
    EXPECT(price == NULL);
    price_free(&price);
    json_decref(tiers);
    json_decref(unit);
}

TEST(price_billed_quantity_is_what_was_priced)
{
    json_t *document = load("{'model':'unit','unit_amount':'1','divide_by':'10','free_units':'2'}");
    struct price_error error;
    struct price *price = price_read(document, &error);
    struct price_result result;
    struct number quantity;
    char text[NUMBER_TEXT_SIZE];

    number_start(&quantity);
    number_set_integer(&quantity, 45);
    price_quantity(price, &quantity, &result);
    number_write(&result.billed_quantity, text);
    EXPECT_TEXT(text, "2.5");
    price_result_end(&result);
    number_end(&quantity);
    price_free(&price);
    json_decref(document);
}
