#include "proto/osb.h"

#include <stdio.h>

#include "proto/json.h"

enum { OK = 200, CREATED = 201, ACCEPTED = 202, UNAUTHORIZED = 401, NOT_FOUND = 404 };
enum { REQUEST_TIMEOUT = 408, CONFLICT = 409, GONE = 410, UNPROCESSABLE = 422, TOO_MANY = 429 };

/* ---- Requests ---- */

const char *osb_method(enum osb_call call)
{
    static const char *const methods[] = {
        [OSB_CATALOG] = "GET",        [OSB_PROVISION] = "PUT",      [OSB_UPDATE] = "PATCH",
        [OSB_DEPROVISION] = "DELETE", [OSB_LAST_OPERATION] = "GET",
    };

    return methods[call];
}

/* As RFC 3986 has it: all but unreserved characters are percent-encoded. */
static const char *encoded(struct arena *arena, const char *text)
{
    static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                     "0123456789-._~";
    static const char digits[] = "0123456789ABCDEF";
    char *copy = arena_allocate(arena, 3 * strlen(text) + 1, 1);
    char *end = copy;

    for (; *text != '\0'; text++) {
        if (strchr(unreserved, *text) != NULL) {
            *end++ = *text;
            continue;
        }
        *end++ = '%';
        *end++ = digits[(unsigned char)*text >> 4];
        *end++ = digits[(unsigned char)*text & 15];
    }
    return copy;
}

const char *osb_url(struct arena *arena, const struct osb_request *request)
{
    if (request->call == OSB_CATALOG)
        return arena_format(arena, "%s/v2/catalog", request->base_url);
    const char *instance = arena_format(arena, "%s/v2/service_instances/%s", request->base_url,
                                        encoded(arena, request->instance_id));
    if (request->call == OSB_PROVISION || request->call == OSB_UPDATE)
        return arena_format(arena, "%s?accepts_incomplete=true", instance);
    const char *names =
        arena_format(arena, "service_id=%s&plan_id=%s", encoded(arena, request->service_id),
                     encoded(arena, request->plan_id));
    if (request->call == OSB_DEPROVISION)
        return arena_format(arena, "%s?%s&accepts_incomplete=true", instance, names);
    return request->operation == NULL
               ? arena_format(arena, "%s/last_operation?%s", instance, names)
               : arena_format(arena, "%s/last_operation?%s&operation=%s", instance, names,
                              encoded(arena, request->operation));
}

/* ---- Answers ---- */

/* The first `limit` characters. */
static const char *cut(struct arena *arena, const char *text, size_t limit)
{
    size_t length = 0;

    for (size_t count = 0; text[length] != '\0'; length++) {
        count += ((unsigned char)text[length] & 0xc0U) != 0x80;
        if (count > limit)
            break;
    }
    return arena_copy(arena, (struct slice){text, length});
}

/* A member that is a text and not empty; NULL otherwise. */
static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_member_text(object, name);

    return text == NULL || *text == '\0' ? NULL : text;
}

/* Whether a member that may be left out is what it may be, by the specification. */
static bool may_stand(const json_t *object, const char *name)
{
    const json_t *member = json_object_get(object, name);

    return member == NULL || json_is_null(member) || json_is_string(member);
}

static bool is_well_formed(const json_t *body)
{
    const char *operation = json_member_text(body, "operation");

    return json_is_object(body) && may_stand(body, "operation") &&
           may_stand(body, "dashboard_url") &&
           (operation == NULL || json_characters(slice_of(operation)) <= OSB_OPERATION_LIMIT);
}

static const char *success_of(enum osb_call call, int status, const json_t *body)
{
    bool made = status == OK || (status == CREATED && call == OSB_PROVISION);

    if (status == ACCEPTED)
        return call == OSB_DEPROVISION || is_well_formed(body) ? "accepted" : "unknown";
    return made && is_well_formed(body) ? "done" : "unknown";
}

static const char *state_of(int status, const json_t *body)
{
    const char *state = json_member_text(body, "state");

    if (status != OK || state == NULL)
        return "unknown";
    return strcmp(state, "succeeded") == 0     ? "done"
           : strcmp(state, "failed") == 0      ? "failed"
           : strcmp(state, "in progress") == 0 ? "in_progress"
                                               : "unknown";
}

static const char *refusal_of(enum osb_call call, int status, const json_t *body)
{
    const char *error = json_member_text(body, "error");

    if (status == REQUEST_TIMEOUT || status == TOO_MANY || status == UNAUTHORIZED ||
        (status == UNPROCESSABLE && error != NULL && strcmp(error, "ConcurrencyError") == 0))
        return "busy";
    if (status == GONE && call != OSB_PROVISION)
        return "gone";
    if (status == NOT_FOUND && (call == OSB_UPDATE || call == OSB_LAST_OPERATION))
        return "gone";
    /* An instance of that name that is another one: whose it is cannot be told. */
    if (status == CONFLICT && call == OSB_PROVISION)
        return "unknown";
    return "rejected";
}

static const char *outcome_of(enum osb_call call, int status, const json_t *body)
{
    if (status >= 400 && status < 500)
        return refusal_of(call, status, body);
    if (status < 200 || status >= 300)
        return "unknown";
    return call == OSB_LAST_OPERATION ? state_of(status, body) : success_of(call, status, body);
}

static const char *detail_of(struct arena *arena, int status, const json_t *body,
                             const struct json_error *problem)
{
    const char *description = text_of(body, "description");

    if (description != NULL)
        return cut(arena, arena_format(arena, "%d: %s", status, description), OSB_DETAIL_LIMIT);
    if (body == NULL)
        return arena_format(arena, "%d, with a body that is no JSON (line %zu: %s).", status,
                            problem->line, problem->message);
    return arena_format(arena, "%d, without a description.", status);
}

/* Of a page that a browser may be sent to. */
static bool is_address(const char *text)
{
    struct slice address = slice_of(text);

    if (address.length > OSB_URL_LIMIT ||
        !(slice_starts_with(address, "https://") || slice_starts_with(address, "http://")))
        return false;
    for (size_t i = 0; i < address.length; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    return true;
}

void osb_read(struct arena *arena, enum osb_call call, int status, struct slice body,
              struct osb_answer *answer)
{
    struct json_error problem = {.line = 1};
    json_t *document = json_read_foreign(body, &problem);
    const char *operation = text_of(document, "operation");
    const char *dashboard = text_of(document, "dashboard_url");
    const char *error = text_of(document, "error");

    answer->outcome = outcome_of(call, status, document);
    answer->operation = operation == NULL ? NULL : arena_text(arena, operation);
    answer->dashboard_url =
        dashboard == NULL || !is_address(dashboard) ? NULL : arena_text(arena, dashboard);
    answer->error = status == UNAUTHORIZED ? "Unauthorized"
                    : error == NULL        ? NULL
                                           : cut(arena, error, OSB_DETAIL_LIMIT);
    answer->detail = detail_of(arena, status, document, &problem);
    json_decref(document);
}

/* ---- Catalogs ---- */

/* A copy of a text, shortened; JSON null where there is none. */
static json_t *kept_text(struct arena *arena, const json_t *object, const char *name)
{
    const char *text = text_of(object, name);

    return text == NULL ? json_null() : json_string(cut(arena, text, OSB_DETAIL_LIMIT));
}

static json_t *kept_flag(const json_t *object, const char *name)
{
    const json_t *flag = json_object_get(object, name);

    return json_is_boolean(flag) ? json_boolean(json_is_true(flag)) : json_null();
}

static json_t *kept_seconds(const json_t *object, const char *name)
{
    json_int_t seconds = json_integer_value(json_object_get(object, name));

    return seconds > 0 && seconds <= INT32_MAX ? json_integer(seconds) : json_null();
}

static bool has_identity(const json_t *object)
{
    return text_of(object, "id") != NULL && text_of(object, "name") != NULL &&
           json_characters(slice_of(text_of(object, "id"))) <= 200;
}

static json_t *read_plan(struct arena *arena, const json_t *plan)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "id", kept_text(arena, plan, "id"), "name",
                     kept_text(arena, plan, "name"), "description",
                     kept_text(arena, plan, "description"), "plan_updateable",
                     kept_flag(plan, "plan_updateable"), "maximum_polling_duration",
                     kept_seconds(plan, "maximum_polling_duration"));
}

/* NULL when it is none. */
static json_t *read_service(struct arena *arena, const json_t *service, size_t *plans_left)
{
    const json_t *plans = json_object_get(service, "plans"), *plan;
    json_t *kept = json_array();
    size_t index;

    if (!has_identity(service) || !json_is_array(plans) || json_array_size(plans) > *plans_left) {
        json_decref(kept);
        return NULL;
    }
    *plans_left -= json_array_size(plans);
    json_array_foreach(plans, index, plan)
    {
        if (!has_identity(plan)) {
            json_decref(kept);
            return NULL;
        }
        json_array_append_new(kept, read_plan(arena, plan));
    }
    return json_pack("{s:o, s:o, s:o, s:b, s:o}", "id", kept_text(arena, service, "id"), "name",
                     kept_text(arena, service, "name"), "description",
                     kept_text(arena, service, "description"), "plan_updateable",
                     json_is_true(json_object_get(service, "plan_updateable")), "plans", kept);
}

static const char *read_services(struct arena *arena, const json_t *services, const char **problem)
{
    json_t *kept = json_array();
    const json_t *service;
    size_t index, plans_left = OSB_PLANS_LIMIT;
    const char *text = NULL;

    *problem = NULL;
    json_array_foreach(services, index, service)
    {
        json_t *one = read_service(arena, service, &plans_left);

        if (one == NULL) {
            *problem = arena_format(arena,
                                    "services/%zu lacks an id, a name or its plans, or has too "
                                    "many of them (%d in all).",
                                    index, OSB_PLANS_LIMIT);
            break;
        }
        json_array_append_new(kept, one);
    }
    if (*problem == NULL)
        text = json_canonical(arena, kept).data;
    json_decref(kept);
    return text;
}

const char *osb_read_catalog(struct arena *arena, int status, struct slice body,
                             const char **problem)
{
    struct json_error error = {.line = 1};
    json_t *document = json_read_foreign(body, &error);
    const json_t *services = json_object_get(document, "services");
    const char *text = NULL;

    if (status != OK || document == NULL)
        *problem = detail_of(arena, status, document, &error);
    else if (!json_is_array(services))
        *problem = "The catalog has no services.";
    else
        text = read_services(arena, services, problem);
    json_decref(document);
    return text;
}
