/*
 * The demonstration's parks, enterprises, terminals and what each rents.
 */
#include <stdio.h>
#include <string.h>

#include "common/buffer.h"
#include "daemon/demonstration/world.h"

enum { INVENTORY_LIMIT = 64 * 1024, EXTERNAL_ID_SIZE = 32 };

static const struct {
    const char *code, *name, *name_en;
} parks[WORLD_PARKS] = {
    {"high-tech-zone", "高新区服务外包园", "High-tech Zone Outsourcing Park"},
    {"chang-an", "长安软件园", "Chang'an Software Park"},
    {"zheng-ding", "正定数据产业园", "Zhengding Data Industry Park"},
};

static const struct {
    const char *code, *name, *name_en;
} enterprises[WORLD_TENANTS] = {
    {"lanhai", "石家庄蓝海软件有限公司", "Lanhai Software Co., Ltd."},
    {"hengyi", "河北恒医药研技术有限公司", "Hengyi Medical R&D Co., Ltd."},
    {"yunsheng", "云声客户服务有限公司", "Yunsheng Customer Service Co., Ltd."},
    {"guangying", "光影动画制作有限公司", "Guangying Animation Co., Ltd."},
    {"shuzhi", "数智数据处理有限公司", "Shuzhi Data Processing Co., Ltd."},
    {"taihang", "太行信息外包有限公司", "Taihang Outsourcing Co., Ltd."},
    {"qingfeng", "清风测试技术有限公司", "Qingfeng Testing Co., Ltd."},
    {"mingde", "明德财务外包有限公司", "Mingde Finance Outsourcing Co., Ltd."},
    {"hutuo", "滹沱支付科技有限公司", "Hutuo Payments Co., Ltd."},
    {"zhaozhou", "赵州桥网络有限公司", "Zhaozhou Bridge Network Co., Ltd."},
    {"baiyu", "白玉设计有限公司", "Baiyu Design Co., Ltd."},
    {"jinbian", "金边电子商务有限公司", "Jinbian E-commerce Co., Ltd."},
    {"xinhua", "新华呼叫中心有限公司", "Xinhua Call Centre Co., Ltd."},
};

static void keep_id(const json_t *object, char id[IDENTIFIER_SIZE])
{
    snprintf(id, IDENTIFIER_SIZE, "%s", text_of(object, "id"));
}

static void make_park(struct world *world, struct api *api, size_t i)
{
    json_t *found = api_find(api, "/v1/parks?code=%s", parks[i].code);

    if (found == NULL)
        found = api_post(api,
                         json_pack("{s:s, s:s, s:s}", "code", parks[i].code, "name", parks[i].name,
                                   "name_en", parks[i].name_en),
                         "/v1/parks");
    keep_id(found, world->parks[i]);
    json_decref(found);
}

static json_t *enterprise_body(const struct world *world, size_t i)
{
    char tax_number[32], email[64];

    snprintf(tax_number, sizeof tax_number, "91130100MA0DEMO%03zu", i + 1);
    snprintf(email, sizeof email, "finance@%s.example", enterprises[i].code);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "park_id",
                     world->parks[i % WORLD_PARKS], "code", enterprises[i].code, "name",
                     enterprises[i].name, "name_en", enterprises[i].name_en, "tax_number",
                     tax_number, "billing_address", "石家庄市长江大道 315 号", "billing_email",
                     email, "external_id", enterprises[i].code);
}

/* A key is shown once, so that of an earlier run is in its summary alone. */
static bool know_key(const struct world *world, struct world_tenant *tenant)
{
    const json_t *known;
    size_t i;

    json_array_foreach(world->known, i, known)
    {
        if (strcmp(text_of(known, "id"), tenant->id) == 0)
            snprintf(tenant->key, sizeof tenant->key, "%s", text_of(known, "api_key"));
    }
    return tenant->key[0] != '\0';
}

static void make_key(struct api *api, struct world_tenant *tenant)
{
    json_t *key = api_post(api,
                           json_pack("{s:s, s:s, s:s}", "name", "demonstration", "tenant",
                                     tenant->id, "role", "owner"),
                           "/v1/api-keys");

    snprintf(tenant->key, sizeof tenant->key, "%s", text_of(key, "secret"));
    json_decref(key);
}

static void make_tenant(struct world *world, struct api *api, size_t i)
{
    struct world_tenant *tenant = &world->tenants[i];
    json_t *found = api_find(api, "/v1/tenants?external_id=%s", enterprises[i].code);

    tenant->code = enterprises[i].code;
    tenant->name = enterprises[i].name;
    tenant->name_en = enterprises[i].name_en;
    if (found == NULL)
        found = api_post(api, enterprise_body(world, i), "/v1/tenants");
    keep_id(found, tenant->id);
    tenant->suspended = strcmp(text_of(found, "state"), "suspended") == 0;
    json_decref(found);
    if (!know_key(world, tenant) && !tenant->suspended)
        make_key(api, tenant);
}

void world_make_tenants(struct world *world, struct api *api)
{
    for (size_t i = 0; i < WORLD_PARKS; i++)
        make_park(world, api, i);
    for (size_t i = 0; i < WORLD_TENANTS; i++)
        make_tenant(world, api, i);
}

void world_make_inventory(struct world *world, struct api *api)
{
    struct buffer csv = buffer_make(INVENTORY_LIMIT);
    json_t *found = api_find(api, "/v1/terminals?asset_tag=TC-0001");

    (void)world;
    if (found == NULL) {
        buffer_append_text(&csv, "asset_tag,serial,model,condition,location,purchase_price,"
                                 "purchase_currency,purchased_on\r\n");
        for (int i = 1; i <= WORLD_TERMINALS; i++)
            buffer_append_format(&csv, "TC-%04d,SN26A%05d,%s,new,%s,1480.00,CNY,2026-01-15\r\n", i,
                                 i * 37, i % 3 == 0 ? "ThinkCentre M70q" : "Wyse 5070",
                                 i % 2 == 0 ? "高新区库房" : "长安库房");
        found = api_post_text(api, "text/csv", csv.data, "/v1/terminals/import");
    }
    json_decref(found);
    buffer_free(&csv);
}

/* From request to active, counting from a day of the first month. */
static void activate(struct world *world, struct api *api, const char *id, int day)
{
    static const char *const actions[] = {"approve", "provision", "activate"};
    char at[INSTANT_TEXT_SIZE];

    world_time(world->months[0], day, 0, at);
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
        json_decref(api_post(api, json_pack("{s:s}", "effective_at", at), "/v1/resources/%s/%s", id,
                             actions[i]));
}

/* Finds the tenant's resource of that external id, or requests it with `part` as its kind's own
 * part (taken over) and makes it active. */
static void make_resource(struct world *world, struct api *api, const struct world_tenant *tenant,
                          json_t *body, int day, char id[IDENTIFIER_SIZE])
{
    char at[INSTANT_TEXT_SIZE];
    json_t *found = api_find(api, "/v1/resources?tenant=%s&external_id=%s", tenant->id,
                             text_of(body, "external_id"));

    if (found != NULL) {
        keep_id(found, id);
    } else {
        world_time(world->months[0], day, 0, at);
        json_object_set_new(body, "tenant", json_string(tenant->id));
        json_object_set_new(body, "effective_at", json_string(at));
        found = api_post(api, json_incref(body), "/v1/resources");
        keep_id(found, id);
        activate(world, api, id, day);
    }
    json_decref(found);
    json_decref(body);
}

int world_line_day(size_t i)
{
    return 1 + (int)(i % 4) * 4;
}

int world_software_day(size_t i)
{
    return 1 + (int)(i % 3) * 5;
}

static void make_line(struct world *world, struct api *api, size_t i)
{
    struct world_tenant *tenant = &world->tenants[i];
    char password[32];
    json_t *line;

    snprintf(password, sizeof password, "demo-line-%02zu", i + 1);
    snprintf(tenant->login, sizeof tenant->login, "office@%s", tenant->code);
    line = json_pack("{s:s, s:s, s:i, s:i, s:s}", "line", "office", "access_technology", "gpon",
                     "maximum_downstream_kbit", i % 3 == 1 ? 300000 : 100000,
                     "maximum_upstream_kbit", 50000, "password", password);
    make_resource(world, api, tenant,
                  json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "kind", "broadband",
                            "offering_id", world->offerings[0], "plan_id", world->plans[i % 3],
                            "name", "办公室专线", "site", "长江大道 315 号", "external_id",
                            "line-1", "broadband", line),
                  world_line_day(i), tenant->line);
}

static void make_software(struct world *world, struct api *api, size_t i)
{
    struct world_tenant *tenant = &world->tenants[i];
    bool payments = i >= WORLD_FIRST_PAYMENTS;

    make_resource(world, api, tenant,
                  json_pack("{s:s, s:s, s:s, s:s, s:s, s:{s:i}}", "kind", "software", "offering_id",
                            world->offerings[payments ? 3 : 2], "plan_id",
                            world->plans[payments ? 7 : 5 + i % 2], "name",
                            payments ? "支付服务" : "客户管理", "external_id", "software-1",
                            "software", "seats", 5 + (int)i * 3),
                  world_software_day(i), tenant->software);
}

/* A device of the inventory for the resource, unless it has one. */
static void hand_out(struct api *api, const char *resource_id, int number)
{
    json_t *terminal = api_find(api, "/v1/terminals?asset_tag=TC-%04d", number);

    if (strcmp(text_of(terminal, "state"), "in_stock") == 0)
        json_decref(api_post(api, json_pack("{s:s}", "resource_id", resource_id),
                             "/v1/terminals/%s/check-out", text_of(terminal, "id")));
    json_decref(terminal);
}

static void make_terminals(struct world *world, struct api *api, size_t i, int *number)
{
    char external_id[EXTERNAL_ID_SIZE], id[IDENTIFIER_SIZE];

    for (size_t n = 0; n < 1 + i % 3; n++) {
        snprintf(external_id, sizeof external_id, "terminal-%zu", n + 1);
        make_resource(world, api, &world->tenants[i],
                      json_pack("{s:s, s:s, s:s, s:s, s:s}", "kind", "terminal", "offering_id",
                                world->offerings[1], "plan_id", world->plans[3 + n % 2], "name",
                                "云终端", "external_id", external_id),
                      1 + (int)n * 6, id);
        hand_out(api, id, ++*number);
    }
}

void world_make_resources(struct world *world, struct api *api)
{
    int number = 0;

    for (size_t i = 0; i < WORLD_TENANTS && !api_failed(api); i++) {
        make_line(world, api, i);
        make_software(world, api, i);
        make_terminals(world, api, i, &number);
    }
}
