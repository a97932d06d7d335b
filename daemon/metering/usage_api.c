/*
 * Usage by windows. The statement adds up; what is done here is to bound what is asked for, and to
 * spell the rows as JSON or CSV.
 */
#include <stdio.h>

#include "common/check.h"
#include "common/instant.h"
#include "daemon/http/environment.h"
#include "daemon/http/request.h"
#include "operations.h"
#include "proto/csv.h"
#include "proto/json.h"
#include "statements.h"

enum {
    USAGE_WINDOWS_LIMIT = 1000,
    USAGE_ROWS_LIMIT = 50000,
    USAGE_TEXT_LIMIT = 16 * 1024 * 1024, /* bytes of an answer */
    HOUR_SECONDS = 3600,
    DAY_SECONDS = 86400,
    QUARTER_SECONDS = HOUR_SECONDS / 4,
    SHORTEST_DAYS = 28, /* of a month */
};

/* ---- What is asked for ---- */

static const struct refusal {
    const char *parameter, *code;
    const char *detail[2];
} METER_UNKNOWN = {"/meter",
                   "meter_unknown",
                   {"Give the code or id of a meter; see GET /v1/meters.",
                    "请给出计量项的代码或编号，参见 GET /v1/meters。"}},
  NOT_ALIGNED_FROM = {"/from",
                      "not_aligned",
                      {"Give a whole quarter of an hour, such as 16:15:00.",
                       "须为整刻钟，例如 16:15:00。"}},
  NOT_ALIGNED_TO = {"/to",
                    "not_aligned",
                    {"Give a whole quarter of an hour, such as 16:15:00.",
                     "须为整刻钟，例如 16:15:00。"}},
  NOT_AFTER = {"/to", "not_after", {"to must be later than from.", "to 须晚于 from。"}},
  TOO_MANY_WINDOWS = {"/window",
                      "too_many_windows",
                      {"At most 1,000 windows: take longer ones, or a shorter time.",
                       "最多 1,000 个窗口，请加长窗口或缩短时间范围。"}},
  NO_SUCH_DIMENSION = {"/group_by",
                       "dimension_unknown",
                       {"Group by subject, and by dimensions of the meter; see GET /v1/meters.",
                        "只能按 subject 及计量项的维度分组，参见 GET /v1/meters。"}},
  FILTER_MALFORMED =
      {"/filter",
       "filter_malformed",
       {"Give a JSON object of dimensions of the meter, each with a list of values: "
        "{\"region\": [\"cn\", null]}.",
        "须为 JSON 对象：计量项的维度及其取值列表，例如 {\"region\": [\"cn\", null]}。"}},
  NO_HOURS = {
      "/window",
      "not_supported",
      {"This meter counts days; ask for day or month.", "该计量项按日统计，请选择 day 或 month。"}};

static enum step refuse(struct request *request, const struct refusal *refusal)
{
    struct schema_errors *errors = arena_allocate(request_arena(request), 1, sizeof *errors);

    errors->count = errors->total = 1;
    snprintf(errors->list[0].pointer, sizeof errors->list[0].pointer, "%s", refusal->parameter);
    errors->list[0].code = refusal->code;
    errors->list[0].detail = refusal->detail[request_language(request)];
    return request_refuse_at(request, "invalid_parameter", errors);
}

static bool parameter_is(const struct request *request, const char *bind, const char *value)
{
    const char *given = request_parameter(request, bind);

    return given != NULL && strcmp(given, value) == 0;
}

/* The shortest that a window can be, in seconds; but for clocks that change. */
static int64_t window_seconds(const struct request *request)
{
    return parameter_is(request, "window", "hour")  ? HOUR_SECONDS
           : parameter_is(request, "window", "day") ? DAY_SECONDS
                                                    : SHORTEST_DAYS * DAY_SECONDS;
}

/* Whether it is an object of lists of texts and nulls. */
static bool filter_is_good(const char *filter)
{
    struct json_error wrong;
    json_t *document = json_read(slice_of(filter), &wrong);
    bool good = json_is_object(document);
    const char *name;
    json_t *values, *value;
    size_t place;

    json_object_foreach(document, name, values)
    {
        good = good && json_array_size(values) > 0;
        json_array_foreach(values, place, value) good =
            good && (json_is_string(value) || json_is_null(value));
    }
    json_decref(document);
    return good;
}

/* NULL when the time asked for can be answered. */
static const struct refusal *examine_time(const struct request *request)
{
    const instant quarter = QUARTER_SECONDS * INSTANT_SECOND;
    instant from = 0, to = 0;

    check(instant_parse(slice_of(request_parameter(request, "from")), &from));
    check(instant_parse(slice_of(request_parameter(request, "to")), &to));
    if (from % quarter != 0)
        return &NOT_ALIGNED_FROM;
    if (to % quarter != 0)
        return &NOT_ALIGNED_TO;
    if (to <= from)
        return &NOT_AFTER;
    if ((to - from) / INSTANT_SECOND > window_seconds(request) * USAGE_WINDOWS_LIMIT)
        return &TOO_MANY_WINDOWS;
    return NULL;
}

/* The first media type of Accept that can be given decides. */
static bool wants_csv(const struct request *request)
{
    struct slice rest, range, type;

    if (!request_header(request, "accept", &rest))
        return false;
    for (bool more = true; more;) {
        more = slice_split(&rest, ',', &range);
        if (!more)
            range = rest;
        if (!slice_split(&range, ';', &type))
            type = range;
        type = slice_trim(type);
        if (slice_is_caseless(type, "text/csv"))
            return true;
        if (slice_is_caseless(type, "application/json") || slice_is(type, "*/*"))
            return false;
    }
    return false;
}

/* ---- Rows into text ---- */

/* A column's value; NULL where it has none. */
static const char *value_at(const PGresult *rows, int row, const char *name)
{
    int column = PQfnumber(rows, name);

    check(column >= 0);
    return PQgetisnull(rows, row, column) ? NULL : PQgetvalue(rows, row, column);
}

static void write_member(struct buffer *body, const char *before, const char *name,
                         const char *value)
{
    buffer_append_format(body, "%s\"%s\":", before, name);
    if (value == NULL)
        buffer_append_text(body, "null");
    else
        json_write_text(body, slice_of(value));
}

/* The dimensions of group_by, in its order: the next one; false at the end. */
static bool next_dimension(struct slice *names, struct slice *name)
{
    while (names->length > 0) {
        if (!slice_split(names, ',', name)) {
            *name = *names;
            *names = (struct slice){NULL, 0};
        }
        if (!slice_is(*name, "subject"))
            return true;
    }
    return false;
}

static void write_dimensions(const struct request *request, const char *groups, struct buffer *body)
{
    struct slice names = slice_of(request_parameter(request, "group_by")), name;
    struct json_error wrong;
    json_t *values = json_read(slice_of(groups), &wrong);
    const char *before = ",\"dimensions\":{";

    for (size_t i = 0; next_dimension(&names, &name); i++) {
        const char *value = json_string_value(json_array_get(values, i));
        buffer_append_text(body, before);
        json_write_text(body, name);
        buffer_append_character(body, ':');
        if (value == NULL)
            buffer_append_text(body, "null");
        else
            json_write_text(body, slice_of(value));
        before = ",";
    }
    buffer_append_character(body, '}');
    json_decref(values);
}

static bool has_dimensions(const char *groups)
{
    return groups != NULL && groups[1] != ']';
}

static void write_json(const struct request *request, const PGresult *rows, int count,
                       struct buffer *body)
{
    write_member(body, "{", "meter", value_at(rows, 0, "meter"));
    write_member(body, ",", "meter_id", value_at(rows, 0, "meter_id"));
    write_member(body, ",", "aggregation", value_at(rows, 0, "aggregation"));
    write_member(body, ",", "unit", value_at(rows, 0, "unit"));
    write_member(body, ",", "window", request_parameter(request, "window"));
    write_member(body, ",", "time_zone", request_parameter(request, "time_zone"));
    buffer_append_text(body, ",\"data\":[");
    for (int row = 0; row < count; row++) {
        const char *subject = value_at(rows, row, "subject");
        write_member(body, row > 0 ? ",{" : "{", "from", value_at(rows, row, "from"));
        write_member(body, ",", "to", value_at(rows, row, "to"));
        if (subject != NULL)
            write_member(body, ",", "subject", subject);
        if (has_dimensions(value_at(rows, row, "groups")))
            write_dimensions(request, value_at(rows, row, "groups"), body);
        write_member(body, ",", "value", value_at(rows, row, "value"));
        buffer_append_character(body, '}');
    }
    buffer_append_text(body, "]}");
}

static void write_groups(const char *groups, struct csv_writer *writer)
{
    struct json_error wrong;
    json_t *values = json_read(slice_of(groups), &wrong);

    for (size_t i = 0; i < json_array_size(values); i++)
        csv_write_value(writer, slice_of(json_string_value(json_array_get(values, i))));
    json_decref(values);
}

static void write_csv(const struct request *request, const PGresult *rows, int count,
                      struct buffer *body)
{
    static const char *const BEFORE[] = {"from", "to", "subject"};
    enum { BEFORE_COUNT = sizeof BEFORE / sizeof BEFORE[0] };
    struct csv_writer writer = csv_writer_make(body, false);
    struct slice names = slice_of(request_parameter(request, "group_by")), name;

    for (size_t i = 0; i < BEFORE_COUNT; i++)
        csv_write_value(&writer, slice_of(BEFORE[i]));
    while (next_dimension(&names, &name))
        csv_write_value(&writer, name);
    csv_write_value(&writer, slice_of("value"));
    csv_end_row(&writer);
    for (int row = 0; row < count; row++) {
        for (size_t i = 0; i < BEFORE_COUNT; i++)
            csv_write_value(&writer, slice_of(value_at(rows, row, BEFORE[i])));
        if (has_dimensions(value_at(rows, row, "groups")))
            write_groups(value_at(rows, row, "groups"), &writer);
        csv_write_value(&writer, slice_of(value_at(rows, row, "value")));
        csv_end_row(&writer);
    }
}

static enum step answer(struct request *request, const PGresult *rows, int count)
{
    struct buffer body = buffer_make(USAGE_TEXT_LIMIT);
    bool csv = wants_csv(request);

    if (csv)
        write_csv(request, rows, count, &body);
    else
        write_json(request, rows, count, &body);
    request_add_field(request, "Vary", "Accept");
    enum step next = buffer_overflowed(&body)
                         ? request_refuse(request, "usage_too_large", NULL)
                         : request_answer_bytes(
                               request, 200, csv ? "text/csv; charset=utf-8" : "application/json",
                               buffer_slice(&body));
    buffer_free(&body);
    return next;
}

static enum step take_rows(struct request *request, const PGresult *rows)
{
    if (PQntuples(rows) == 0)
        return refuse(request, &METER_UNKNOWN);
    if (slice_is(slice_of(value_at(rows, 0, "source")), "derived") &&
        parameter_is(request, "window", "hour"))
        return refuse(request, &NO_HOURS);
    if (slice_is(slice_of(value_at(rows, 0, "group_unknown")), "t"))
        return refuse(request, &NO_SUCH_DIMENSION);
    if (slice_is(slice_of(value_at(rows, 0, "filter_unknown")), "t"))
        return refuse(request, &FILTER_MALFORMED);
    if (PQntuples(rows) > USAGE_ROWS_LIMIT)
        return request_refuse(request, "usage_too_large", NULL);
    /* A meter without usage to show has one row, without a window. */
    return answer(request, rows, value_at(rows, 0, "from") == NULL ? 0 : PQntuples(rows));
}

enum step operation_get_usage(struct request *request)
{
    const struct refusal *refusal = examine_time(request);

    if (refusal != NULL)
        return refuse(request, refusal);
    if (request_parameter(request, "filter") != NULL &&
        !filter_is_good(request_parameter(request, "filter")))
        return refuse(request, &FILTER_MALFORMED);
    if (request_parameter(request, "time_zone") == NULL)
        request_bind(request, "time_zone", http_environment()->time_zone);
    request_bind(request, "rows", arena_format(request_arena(request), "%d", USAGE_ROWS_LIMIT + 1));
    return request_query(request, &statement_read_usage, take_rows);
}
