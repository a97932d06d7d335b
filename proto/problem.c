#include "proto/problem.h"

#include <stdlib.h>

#include "common/check.h"
#include "proto/accept.h"
#include "proto/json.h"

static int compare(const void *key, const void *row)
{
    return strcmp(key, ((const struct problem_kind *)row)->code);
}

static const struct problem_kind *look_up(const char *code)
{
    return bsearch(code, problem_kinds, problem_kind_count, sizeof *problem_kinds, compare);
}

const struct problem_kind *problem_find(const char *code)
{
    const struct problem_kind *kind = look_up(code);

    if (kind == NULL)
        kind = look_up("internal_error");
    check(kind != NULL);
    return kind;
}

const struct problem_kind *problem_find_status(const char *code, int status)
{
    static const struct {
        int status;
        const char *code;
    } GENERAL[] = {
        {400, "bad_request"},     {408, "request_timeout"},    {413, "body_too_large"},
        {414, "target_too_long"}, {417, "expectation_failed"}, {431, "head_too_large"},
        {501, "not_implemented"}, {503, "overloaded"},         {505, "version_not_supported"},
    };
    const struct problem_kind *kind = look_up(code);

    for (size_t i = 0; kind == NULL && i < sizeof GENERAL / sizeof *GENERAL; i++)
        if (GENERAL[i].status == status)
            kind = look_up(GENERAL[i].code);
    return kind != NULL ? kind : problem_find("internal_error");
}

static void write_member(struct buffer *body, const char *name, const char *value)
{
    buffer_append_format(body, "\"%s\":", name);
    json_write_text(body, slice_of(value));
}

static void write_errors(struct buffer *body, const struct schema_errors *errors)
{
    buffer_append_text(body, ",\"errors\":[");
    for (size_t i = 0; i < errors->count; i++) {
        const struct schema_error *error = &errors->list[i];

        buffer_append_text(body, i == 0 ? "{" : ",{");
        write_member(body, "pointer", error->pointer);
        buffer_append_character(body, ',');
        write_member(body, "code", error->code);
        buffer_append_character(body, ',');
        write_member(body, "detail", error->detail);
        buffer_append_character(body, '}');
    }
    buffer_append_character(body, ']');
}

void problem_write(struct buffer *body, const struct problem_kind *kind, enum language language,
                   const char *detail, const char *request_id, const struct schema_errors *errors)
{
    buffer_append_format(body, "{\"type\":\"/openapi.json#/components/x-problems/%s\",",
                         kind->code);
    write_member(body, "title", kind->title[language]);
    buffer_append_format(body, ",\"status\":%d,", kind->status);
    write_member(body, "detail", detail != NULL ? detail : kind->detail[language]);
    buffer_append_format(body, ",\"code\":\"%s\"", kind->code);
    if (request_id != NULL) {
        buffer_append_character(body, ',');
        write_member(body, "request_id", request_id);
    }
    if (errors != NULL && errors->count > 0)
        write_errors(body, errors);
    buffer_append_character(body, '}');
}

/* ---- Accept-Language ---- */

/* True for "zh", "zh-CN", "ZH-Hans" and the primary tag "zh". */
static bool range_is(struct slice range, const char *language)
{
    struct slice primary;

    return slice_is_caseless(slice_split(&range, '-', &primary) ? primary : range, language);
}

enum language language_choose(struct slice accept_language)
{
    unsigned english = 0, chinese = 0, weight;
    struct slice tag;

    /* Of equals the first is preferred, so a later one must be better by more than nothing. */
    while (accept_next(&accept_language, &tag, &weight)) {
        if (range_is(tag, "zh") && weight > english && weight > chinese)
            chinese = weight;
        if ((range_is(tag, "en") || slice_is(tag, "*")) && weight > english)
            english = weight;
    }
    return chinese > 0 && chinese >= english ? LANGUAGE_CHINESE : LANGUAGE_ENGLISH;
}
