#include <stdio.h>

#include "daemon/http/request.h"
#include "daemon/rating/price.h"
#include "operations.h"
#include "statements.h"

enum step operation_list_offerings(struct request *request)
{
    return request_run(request, &statement_list_offerings);
}

enum step operation_get_offering(struct request *request)
{
    return request_run(request, &statement_get_offering);
}

enum step operation_create_offering(struct request *request)
{
    return request_run(request, &statement_create_offering);
}

enum step operation_update_offering(struct request *request)
{
    return request_run(request, &statement_update_offering);
}

enum step operation_get_offering_availability(struct request *request)
{
    return request_run(request, &statement_get_offering_availability);
}

enum step operation_list_resource_add_ons(struct request *request)
{
    return request_run(request, &statement_list_resource_add_ons);
}

enum step operation_list_offering_families(struct request *request)
{
    return request_run(request, &statement_list_offering_families);
}

enum step operation_get_offering_family(struct request *request)
{
    return request_run(request, &statement_get_offering_family);
}

enum step operation_create_offering_family(struct request *request)
{
    return request_run(request, &statement_create_offering_family);
}

enum step operation_update_offering_family(struct request *request)
{
    return request_run(request, &statement_update_offering_family);
}

enum step operation_retire_offering_family(struct request *request)
{
    return request_run(request, &statement_retire_offering_family);
}

enum step operation_list_plans(struct request *request)
{
    return request_run(request, &statement_list_plans);
}

enum step operation_get_plan(struct request *request)
{
    return request_run(request, &statement_get_plan);
}

/* Notes what is wrong with the charge at `index`, below the pointer "/charges/INDEX". */
static void note(struct schema_errors *errors, struct arena *arena, size_t index,
                 const char *pointer, const char *code, const char *detail)
{
    struct schema_error *error;

    errors->total++;
    if (errors->count == SCHEMA_ERRORS_LIMIT)
        return;
    error = &errors->list[errors->count++];
    snprintf(error->pointer, sizeof error->pointer, "/charges/%zu%s", index, pointer);
    error->code = code;
    error->detail = arena_text(arena, detail);
}

static void check_price(struct schema_errors *errors, struct arena *arena, size_t index,
                        const json_t *document)
{
    struct price_error wrong;
    struct price *price = price_read(document, &wrong);

    if (price == NULL)
        note(errors, arena, index, arena_format(arena, "/price%s", wrong.pointer), wrong.code,
             wrong.detail);
    price_free(&price);
}

static bool code_taken(const json_t *charges, size_t index, const char *code)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(json_string_value(json_object_get(json_array_get(charges, i), "code")), code) ==
            0)
            return true;
    return false;
}

/* What the schema cannot say of charges: codes apart, a meter where usage is priced and nowhere
 * else, and prices that hold together. */
static bool charges_good(struct request *request, struct schema_errors *errors)
{
    const json_t *charges = json_object_get(request_body(request), "charges");
    struct arena *arena = request_arena(request);

    for (size_t i = 0; i < json_array_size(charges); i++) {
        const json_t *charge = json_array_get(charges, i);
        const json_t *price = json_object_get(charge, "price");
        const char *model = json_string_value(json_object_get(price, "model"));
        bool usage = strcmp(json_string_value(json_object_get(charge, "kind")), "usage") == 0;
        if (code_taken(charges, i, json_string_value(json_object_get(charge, "code"))))
            note(errors, arena, i, "/code", "given_twice", "Each charge has a code of its own.");
        if (usage != (json_object_get(charge, "meter") != NULL))
            note(errors, arena, i, "/meter", usage ? "missing_field" : "unknown_field",
                 usage ? "A usage charge names its meter." : "Only a usage charge has a meter.");
        if (!usage && strcmp(model, "flat") != 0)
            note(errors, arena, i, "/price/model", "not_one_of",
                 "Only a usage charge is not flat; price days by a meter such as seat-days.");
        check_price(errors, arena, i, price);
    }
    return errors->total == 0;
}

static enum step run_with_charges(struct request *request, const struct statement *statement)
{
    struct schema_errors *errors = arena_allocate(request_arena(request), 1, sizeof *errors);

    return charges_good(request, errors) ? request_run(request, statement)
                                         : request_refuse_at(request, "validation_failed", errors);
}

enum step operation_create_plan(struct request *request)
{
    return run_with_charges(request, &statement_create_plan);
}

enum step operation_put_plan_draft(struct request *request)
{
    return run_with_charges(request, &statement_put_draft);
}

enum step operation_list_plan_versions(struct request *request)
{
    return request_run(request, &statement_list_plan_versions);
}

enum step operation_get_plan_version(struct request *request)
{
    return request_run(request, &statement_get_plan_version);
}

enum step operation_publish_plan(struct request *request)
{
    return request_run(request, &statement_publish_plan);
}

enum step operation_retire_plan(struct request *request)
{
    return request_run(request, &statement_retire_plan);
}
