/*
 * The demonstration's catalog: four offerings of the three kinds, meters, and plans with every
 * price model.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/demonstration/world.h"

static const struct {
    const char *code, *kind, *name, *name_en, *tax_category;
} offerings[WORLD_OFFERINGS] = {
    {"fibre", "broadband", "光纤宽带", "Fibre broadband", "broadband_access"},
    {"thin-client", "terminal", "云终端", "Thin client", "movable_leasing"},
    {"crm", "software", "客户管理", "Customer relations", "information_service"},
    {"payments", "software", "支付服务", "Payment service", "information_service"},
};

static const struct {
    const char *code, *name, *name_en, *event_type, *aggregation, *value_property, *unit;
    const char *dimension;
} meters[] = {
    {"api-calls", "接口调用", "API calls", "center.software.api_call", "sum", "calls", "Calls",
     NULL},
    {"storage-peak", "存储峰值", "Peak storage", "center.software.storage", "max", "gigabytes",
     "GB", NULL},
    {"licences", "许可数", "Licences in use", "center.software.licence", "latest", "licences",
     "Licences", NULL},
    {"builds", "构建次数", "Builds", "center.software.build", "count", NULL, "Builds", NULL},
    {"payment-value", "支付金额", "Value of payments", "center.software.payment", "sum", "amount",
     "CNY", "method"},
};

/* Charges as the contract's schema Charge has them. Traffic is priced in GB of 10^9 bytes, begun
 * ones whole. */
static const struct {
    int offering;
    const char *code, *name, *name_en, *charges;
} plans[WORLD_PLANS] = {
    {0, "fibre-100", "光纤 100 兆", "Fibre 100",
     "[{\"code\":\"line\",\"name\":\"线路月租\",\"name_en\":\"Line, "
     "monthly\",\"kind\":\"recurring\","
     "\"price\":{\"model\":\"flat\",\"amount\":\"399.00\"}},"
     "{\"code\":\"traffic\",\"name\":\"流量\",\"name_en\":\"Traffic\",\"kind\":\"usage\","
     "\"meter\":\"broadband-bytes\",\"price\":{\"model\":\"graduated\",\"divide_by\":"
     "\"1000000000\","
     "\"round\":\"up\",\"tiers\":[{\"up_to\":\"500\",\"unit_amount\":\"0\",\"flat_amount\":\"0\"},"
     "{\"up_to\":\"1000\",\"unit_amount\":\"0.08\",\"flat_amount\":\"0\"},"
     "{\"up_to\":null,\"unit_amount\":\"0.05\",\"flat_amount\":\"0\"}]}}]"},
    {0, "fibre-300", "光纤 300 兆", "Fibre 300",
     "[{\"code\":\"line\",\"name\":\"线路月租\",\"name_en\":\"Line, "
     "monthly\",\"kind\":\"recurring\","
     "\"price\":{\"model\":\"flat\",\"amount\":\"899.00\"}},"
     "{\"code\":\"traffic\",\"name\":\"流量\",\"name_en\":\"Traffic\",\"kind\":\"usage\","
     "\"meter\":\"broadband-bytes\",\"price\":{\"model\":\"volume\",\"divide_by\":\"1000000000\","
     "\"round\":\"up\",\"tiers\":[{\"up_to\":\"1500\",\"unit_amount\":\"0\",\"flat_amount\":\"0\"},"
     "{\"up_to\":null,\"unit_amount\":\"0.02\",\"flat_amount\":\"0\"}]}}]"},
    {0, "fibre-days", "光纤按日", "Fibre by the day",
     "[{\"code\":\"days\",\"name\":\"线路日租\",\"name_en\":\"Line, daily\",\"kind\":\"usage\","
     "\"meter\":\"line-days\",\"price\":{\"model\":\"unit\",\"unit_amount\":\"18.50\","
     "\"maximum_amount\":\"480.00\"}}]"},
    {1, "thin-client-days", "云终端按日", "Thin client by the day",
     "[{\"code\":\"days\",\"name\":\"终端日租\",\"name_en\":\"Terminal, daily\",\"kind\":\"usage\","
     "\"meter\":\"terminal-days\",\"price\":{\"model\":\"unit\",\"unit_amount\":\"2.60\"}}]"},
    {1, "thin-client-month", "云终端包月", "Thin client by the month",
     "[{\"code\":\"rent\",\"name\":\"终端月租\",\"name_en\":\"Terminal, monthly\","
     "\"kind\":\"recurring\",\"price\":{\"model\":\"flat\",\"amount\":\"68.00\"}}]"},
    {2, "crm-standard", "客户管理标准版", "Customer relations, standard",
     "[{\"code\":\"seats\",\"name\":\"席位\",\"name_en\":\"Seats\",\"kind\":\"usage\","
     "\"meter\":\"seat-days\",\"price\":{\"model\":\"unit\",\"unit_amount\":\"1.15\","
     "\"discount_percent\":\"5\"}},"
     "{\"code\":\"api\",\"name\":\"接口调用\",\"name_en\":\"API calls\",\"kind\":\"usage\","
     "\"meter\":\"api-calls\",\"price\":{\"model\":\"package\",\"package_size\":\"1000\","
     "\"package_amount\":\"3.50\",\"free_units\":\"5000\"}}]"},
    {2, "crm-professional", "客户管理专业版", "Customer relations, professional",
     "[{\"code\":\"base\",\"name\":\"基础费\",\"name_en\":\"Base fee\",\"kind\":\"recurring\","
     "\"proration\":\"fixed_30\",\"price\":{\"model\":\"flat\",\"amount\":\"600.00\"}},"
     "{\"code\":\"storage\",\"name\":\"存储\",\"name_en\":\"Storage\",\"kind\":\"usage\","
     "\"meter\":\"storage-peak\",\"price\":{\"model\":\"unit\",\"unit_amount\":\"0.333333333333\","
     "\"free_units\":\"20\",\"minimum_amount\":\"10.00\"}},"
     "{\"code\":\"licences\",\"name\":\"许可\",\"name_en\":\"Licences\",\"kind\":\"usage\","
     "\"meter\":\"licences\",\"price\":{\"model\":\"graduated\",\"tiers\":[{\"up_to\":\"10\","
     "\"unit_amount\":\"12\",\"flat_amount\":\"0\"},{\"up_to\":null,\"unit_amount\":\"9\","
     "\"flat_amount\":\"20\"}]}},"
     "{\"code\":\"builds\",\"name\":\"构建\",\"name_en\":\"Builds\",\"kind\":\"usage\","
     "\"meter\":\"builds\",\"price\":{\"model\":\"unit\",\"unit_amount\":\"0.006\"}}]"},
    {3, "payments", "支付服务", "Payment service",
     "[{\"code\":\"payments\",\"name\":\"支付手续费\",\"name_en\":\"Payment "
     "fees\",\"kind\":\"usage\","
     "\"meter\":\"payment-value\",\"price\":{\"model\":\"percentage\",\"rate\":\"0.38\","
     "\"fixed_amount\":\"0.10\",\"free_events\":3,\"per_event_max\":\"25\"}},"
     "{\"code\":\"volume\",\"name\":\"交易量费\",\"name_en\":\"Volume fee\",\"kind\":\"usage\","
     "\"meter\":\"payment-value\",\"price\":{\"model\":\"graduated_percentage\","
     "\"tiers\":[{\"up_to\":\"50000\",\"rate\":\"0.10\",\"flat_amount\":\"20\"},"
     "{\"up_to\":null,\"rate\":\"0.05\",\"flat_amount\":\"0\"}]}},"
     "{\"code\":\"api\",\"name\":\"接口调用\",\"name_en\":\"API calls\",\"kind\":\"usage\","
     "\"meter\":\"api-calls\",\"price\":{\"model\":\"package\",\"package_size\":\"10000\","
     "\"package_amount\":\"12.00\",\"free_units\":\"100000\"}}]"},
};

static void keep_id(const json_t *object, char id[IDENTIFIER_SIZE])
{
    snprintf(id, IDENTIFIER_SIZE, "%s", text_of(object, "id"));
}

static void make_offering(struct world *world, struct api *api, size_t i)
{
    json_t *found = api_find(api, "/v1/offerings?code=%s", offerings[i].code);

    if (found == NULL)
        found = api_post(api,
                         json_pack("{s:s, s:s, s:s, s:s, s:s}", "code", offerings[i].code, "kind",
                                   offerings[i].kind, "name", offerings[i].name, "name_en",
                                   offerings[i].name_en, "tax_category", offerings[i].tax_category),
                         "/v1/offerings");
    keep_id(found, world->offerings[i]);
    json_decref(found);
}

static void make_meter(struct api *api, size_t i)
{
    json_t *found = api_find(api, "/v1/meters?code=%s", meters[i].code);
    json_t *body;

    if (found == NULL) {
        body = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "code", meters[i].code, "name",
                         meters[i].name, "name_en", meters[i].name_en, "event_type",
                         meters[i].event_type, "aggregation", meters[i].aggregation, "unit",
                         meters[i].unit);
        if (meters[i].value_property != NULL)
            json_object_set_new(body, "value_property", json_string(meters[i].value_property));
        if (meters[i].dimension != NULL)
            json_object_set_new(body, "dimensions", json_pack("[s]", meters[i].dimension));
        found = api_post(api, body, "/v1/meters");
    }
    json_decref(found);
}

static void make_plan(struct world *world, struct api *api, size_t i)
{
    json_t *found = api_find(api, "/v1/plans?code=%s", plans[i].code);

    if (found == NULL)
        found = api_post(api,
                         json_pack("{s:s, s:s, s:s, s:s, s:o}", "offering_id",
                                   world->offerings[plans[i].offering], "code", plans[i].code,
                                   "name", plans[i].name, "name_en", plans[i].name_en, "charges",
                                   json_loads(plans[i].charges, 0, NULL)),
                         "/v1/plans");
    keep_id(found, world->plans[i]);
    if (json_is_null(json_object_get(found, "published_version")))
        json_decref(api_post(api, NULL, "/v1/plans/%s/publish", world->plans[i]));
    json_decref(found);
}

void world_make_catalog(struct world *world, struct api *api)
{
    for (size_t i = 0; i < sizeof meters / sizeof meters[0]; i++)
        make_meter(api, i);
    for (size_t i = 0; i < WORLD_OFFERINGS; i++)
        make_offering(world, api, i);
    for (size_t i = 0; i < WORLD_PLANS; i++)
        make_plan(world, api, i);
}
