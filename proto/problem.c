#include "proto/problem.h"

#include <stdlib.h>

#include "common/check.h"
#include "proto/json.h"

enum { QUALITY_MOST = 1000, ACCEPT_RANGES_LIMIT = 32 };

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

/* "0.8" as 800, by RFC 9110, 12.4.2; 0 for what is no quality. */
static unsigned read_quality(struct slice text)
{
    unsigned quality, weight = QUALITY_MOST / 10;

    if (text.length < 1 || (text.data[0] != '0' && text.data[0] != '1') ||
        (text.length > 1 && text.data[1] != '.'))
        return 0;
    quality = text.data[0] == '1' ? QUALITY_MOST : 0;
    for (size_t i = 2; i < text.length; i++, weight /= 10) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return 0;
        quality += (unsigned)(text.data[i] - '0') * weight;
    }
    return quality > QUALITY_MOST ? 0 : quality;
}

static unsigned range_quality(struct slice parameters)
{
    struct slice parameter;
    bool more = true;

    while (more) {
        more = slice_split(&parameters, ';', &parameter);
        parameter = slice_trim(more ? parameter : parameters);
        if (slice_starts_with(parameter, "q=") || slice_starts_with(parameter, "Q="))
            return read_quality((struct slice){parameter.data + 2, parameter.length - 2});
    }
    return QUALITY_MOST;
}

/* True for "zh", "zh-CN", "ZH-Hans" and the primary tag "zh". */
static bool range_is(struct slice range, const char *language)
{
    struct slice primary;

    return slice_is_caseless(slice_split(&range, '-', &primary) ? primary : range, language);
}

enum language language_choose(struct slice accept_language)
{
    unsigned english = 0, chinese = 0;
    bool more = true;

    /* Of equals the first is preferred, so a later one must be better by more than nothing. */
    for (size_t ranges = 0; more && ranges < ACCEPT_RANGES_LIMIT; ranges++) {
        struct slice range, tag, item;
        unsigned quality = QUALITY_MOST;

        more = slice_split(&accept_language, ',', &item);
        range = slice_trim(more ? item : accept_language);
        if (slice_split(&range, ';', &tag))
            quality = range_quality(range);
        else
            tag = range;
        tag = slice_trim(tag);
        if (range_is(tag, "zh") && quality > english && quality > chinese)
            chinese = quality;
        if ((range_is(tag, "en") || slice_is(tag, "*")) && quality > english)
            english = quality;
    }
    return chinese > 0 && chinese >= english ? LANGUAGE_CHINESE : LANGUAGE_ENGLISH;
}
