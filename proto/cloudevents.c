#include "proto/cloudevents.h"

#include <stdio.h>

#include "common/check.h"
#include "proto/format.h"
#include "proto/json.h"

struct reader {
    enum cloudevents_form form;
    enum language language;
    struct arena *arena;
    struct schema_errors *errors;
    struct cloudevent *event; /* being read */
};

struct expectation {
    const char *about; /* an attribute; or a code, of what is wrong with an event as a whole */
    const char *detail[2];
};

static const struct expectation expectations[] = {
    {"specversion", {"specversion must be \"1.0\".", "specversion 须为“1.0”。"}},
    {"id",
     {"id is required: 1 to 256 bytes without control characters.",
      "须有 id：1 至 256 字节，不含控制字符。"}},
    {"source",
     {"source is required: a URI reference of 1 to 512 bytes.",
      "须有 source：1 至 512 字节的 URI 引用。"}},
    {"type",
     {"type is required: 1 to 200 bytes without control characters.",
      "须有 type：1 至 200 字节，不含控制字符。"}},
    {"subject",
     {"subject is required: a resource's id or external id, at most 128 bytes.",
      "须有 subject：资源的编号或外部编号，最多 128 字节。"}},
    {"time",
     {"time is required: by RFC 3339 with an offset, such as \"2026-10-31T16:00:00Z\".",
      "须有 time：带时区偏移的 RFC 3339 时间，例如“2026-10-31T16:00:00Z”。"}},
    {"data",
     {"data is required: an object of at most 16 KiB.", "须有 data：不超过 16 KiB 的对象。"}},
    {"wrong_type", {"An event is a JSON object.", "事件须为 JSON 对象。"}},
    {"json_malformed",
     {"This line is not a JSON object by RFC 8259.", "该行不是符合 RFC 8259 的 JSON 对象。"}},
    {"json_duplicate_name",
     {"An object has the same name twice; send each once.", "对象中有重复的字段名。"}},
    {"json_too_deep", {"The event nests too deeply.", "事件的嵌套层数过多。"}},
    {"json_too_many_values", {"The event has too many names and values.", "事件的值过多。"}},
    {"json_nul", {"The character U+0000 is not accepted.", "不接受字符 U+0000。"}},
    {"json_not_utf8", {"The event must be encoded in UTF-8.", "事件须使用 UTF-8 编码。"}},
    {"number_must_be_string",
     {"Send numbers with a fraction, an exponent or beyond 64 bits as strings: \"12.5\".",
      "带小数、指数或超出 64 位的数字须以字符串发送，例如“12.5”。"}},
};

enum cloudevents_form cloudevents_form(struct slice media)
{
    if (slice_is_caseless(media, "application/cloudevents+json"))
        return CLOUDEVENTS_ONE;
    if (slice_is_caseless(media, "application/x-ndjson"))
        return CLOUDEVENTS_LINES;
    return CLOUDEVENTS_BATCH;
}

void cloudevents_pointer(enum cloudevents_form form, size_t index, const char *attribute,
                         char pointer[SCHEMA_POINTER_SIZE])
{
    const char *slash = attribute[0] == '\0' ? "" : "/";
    int length = form == CLOUDEVENTS_ONE
                     ? snprintf(pointer, SCHEMA_POINTER_SIZE, "%s%s", slash, attribute)
                     : snprintf(pointer, SCHEMA_POINTER_SIZE, "/%zu%s%s", index, slash, attribute);

    if (length >= SCHEMA_POINTER_SIZE)
        *strrchr(pointer, '/') = '\0';
}

static const struct expectation *expectation_find(const char *about)
{
    size_t i = 0;

    while (i < sizeof expectations / sizeof expectations[0] &&
           strcmp(expectations[i].about, about) != 0)
        i++;
    check(i < sizeof expectations / sizeof expectations[0]);
    return &expectations[i];
}

/* Notes what is wrong with an attribute of the event, or ("") with the whole of it. `code` is a
 * constant. */
static void fault(struct reader *reader, const char *attribute, const char *code)
{
    struct schema_errors *errors = reader->errors;
    struct schema_error error = {.code = code};

    error.detail =
        expectation_find(attribute[0] == '\0' ? code : attribute)->detail[reader->language];
    cloudevents_pointer(reader->form, reader->event->index, attribute, error.pointer);
    errors->total++;
    if (errors->count < SCHEMA_ERRORS_LIMIT)
        errors->list[errors->count++] = error;
    if (reader->event->error == NULL) {
        struct schema_error *kept = arena_allocate(reader->arena, 1, sizeof *kept);
        *kept = error;
        reader->event->error = kept;
    }
}

/* An attribute of text, 1 to `limit` bytes without control characters; NULL with the fault noted.
 */
static const char *take_text(struct reader *reader, const json_t *object, const char *name,
                             size_t limit)
{
    const json_t *member = json_object_get(object, name);
    const char *text = json_string_value(member);
    const char *code = NULL;

    if (member == NULL || json_is_null(member))
        code = "missing_field";
    else if (text == NULL)
        code = "wrong_type";
    else if (json_string_length(member) > limit)
        code = "too_long";
    else if (text[0] == '\0' || !format_text_line(slice_of(text)))
        code = "wrong_format";
    if (code != NULL) {
        fault(reader, name, code);
        return NULL;
    }
    return arena_text(reader->arena, text);
}

static void take_source(struct reader *reader, const json_t *object)
{
    const char *source = take_text(reader, object, "source", CLOUDEVENT_SOURCE_LENGTH);

    if (source != NULL && !format_uri_reference(slice_of(source))) {
        fault(reader, "source", "wrong_format");
        source = NULL;
    }
    reader->event->source = source;
}

static void take_time(struct reader *reader, const json_t *object)
{
    const char *text = take_text(reader, object, "time", INSTANT_TEXT_SIZE);

    if (text != NULL && !instant_parse(slice_of(text), &reader->event->time))
        fault(reader, "time", "wrong_format");
}

static void take_data(struct reader *reader, const json_t *object)
{
    const json_t *data = json_object_get(object, "data");

    if (data == NULL || json_is_null(data)) {
        fault(reader, "data", "missing_field");
        return;
    }
    if (!json_is_object(data)) {
        fault(reader, "data", "wrong_type");
        return;
    }
    reader->event->data = json_canonical(reader->arena, data);
    if (reader->event->data.length > CLOUDEVENT_DATA_LENGTH)
        fault(reader, "data", "too_long");
}

static void add_part(struct sha256 *digest, struct slice part)
{
    unsigned char length[sizeof(uint64_t)];
    uint64_t rest = part.length;

    for (size_t i = sizeof length; i-- > 0; rest >>= 8)
        length[i] = (unsigned char)(rest & 0xff);
    sha256_add(digest, length, sizeof length);
    sha256_add(digest, part.data, part.length);
}

static void digest_event(struct cloudevent *event)
{
    struct sha256 *digest = sha256_new();
    char time[INSTANT_TEXT_SIZE];

    instant_write(event->time, time);
    add_part(digest, slice_of(event->type));
    add_part(digest, slice_of(event->subject));
    add_part(digest, slice_of(time));
    add_part(digest, event->data);
    sha256_finish(&digest, event->digest);
}

static void take_event(struct reader *reader, const json_t *object)
{
    struct cloudevent *event = reader->event;
    const char *version;

    if (!json_is_object(object)) {
        fault(reader, "", "wrong_type");
        return;
    }
    version = take_text(reader, object, "specversion", CLOUDEVENT_TYPE_LENGTH);
    if (version != NULL && strcmp(version, "1.0") != 0)
        fault(reader, "specversion", "not_one_of");
    event->id = take_text(reader, object, "id", CLOUDEVENT_ID_LENGTH);
    take_source(reader, object);
    event->type = take_text(reader, object, "type", CLOUDEVENT_TYPE_LENGTH);
    event->subject = take_text(reader, object, "subject", CLOUDEVENT_SUBJECT_LENGTH);
    take_time(reader, object);
    take_data(reader, object);
    if (event->error == NULL)
        digest_event(event);
}

static void refuse(struct reader *reader, struct cloudevents *events,
                   const struct json_error *wrong)
{
    events->problem = wrong->code;
    events->message = arena_format(reader->arena, "line %zu, column %zu: %s", wrong->line,
                                   wrong->column, wrong->message);
}

/* Makes room for `count` events, numbered by their place. */
static void make_room(struct reader *reader, struct cloudevents *events, size_t count)
{
    events->events = arena_allocate(reader->arena, count + 1, sizeof *events->events);
}

static struct cloudevent *next_event(struct reader *reader, struct cloudevents *events,
                                     size_t index)
{
    reader->event = &events->events[events->count++];
    reader->event->index = index;
    return reader->event;
}

static void take_array(struct reader *reader, const json_t *array, struct cloudevents *events)
{
    size_t count = json_array_size(array);

    if (!json_is_array(array)) {
        events->problem = "not_a_batch";
        return;
    }
    if (count > CLOUDEVENTS_BATCH_LIMIT) {
        events->problem = "too_many_events";
        return;
    }
    make_room(reader, events, count);
    for (size_t i = 0; i < count; i++) {
        next_event(reader, events, i);
        take_event(reader, json_array_get(array, i));
    }
}

static void read_document(struct reader *reader, struct slice text, struct cloudevents *events)
{
    struct json_error wrong;
    json_t *document;

    if (text.length > CLOUDEVENTS_BATCH_SIZE) {
        events->problem = "body_too_large";
        return;
    }
    document = json_read(text, &wrong);
    if (document == NULL) {
        refuse(reader, events, &wrong);
        return;
    }
    if (reader->form == CLOUDEVENTS_BATCH) {
        take_array(reader, document, events);
    } else if (!json_is_object(document)) {
        events->problem = "not_an_event";
    } else {
        make_room(reader, events, 1);
        next_event(reader, events, 0);
        take_event(reader, document);
    }
    json_decref(document);
}

static bool blank(struct slice line)
{
    line = slice_trim(line);
    return line.length == 0 || slice_is(line, "\r");
}

static void take_line(struct reader *reader, struct slice line)
{
    struct json_error wrong;
    json_t *document = json_read(line, &wrong);

    if (document == NULL)
        fault(reader, "", wrong.code);
    else
        take_event(reader, document);
    json_decref(document);
}

/* The last line may end with a line feed or without one. */
static size_t count_lines(struct slice text)
{
    size_t count = text.length > 0 && text.data[text.length - 1] != '\n' ? 1 : 0;
    struct slice line;

    while (slice_split(&text, '\n', &line))
        count++;
    return count;
}

static void read_lines(struct reader *reader, struct slice text, struct cloudevents *events)
{
    size_t count = count_lines(text);
    struct slice line;

    if (text.length > CLOUDEVENTS_LINES_SIZE || count > CLOUDEVENTS_LINES_LIMIT) {
        events->problem = count > CLOUDEVENTS_LINES_LIMIT ? "too_many_events" : "body_too_large";
        return;
    }
    make_room(reader, events, count);
    for (size_t i = 0; i < count; i++) {
        if (!slice_split(&text, '\n', &line))
            line = text;
        if (blank(line))
            continue;
        next_event(reader, events, i);
        take_line(reader, line);
    }
}

void cloudevents_read(enum cloudevents_form form, struct slice text, enum language language,
                      struct arena *arena, struct cloudevents *events, struct schema_errors *errors)
{
    struct reader reader = {.form = form, .language = language, .arena = arena, .errors = errors};

    *events = (struct cloudevents){0};
    if (form == CLOUDEVENTS_LINES)
        read_lines(&reader, text, events);
    else
        read_document(&reader, text, events);
}

/* ---- Values ---- */

/* Behind the text that begins at `at`, in canonical JSON. */
static const char *behind_text(const char *at)
{
    for (at++; *at != '"'; at++)
        at += *at == '\\';
    return at + 1;
}

/* Behind the value that begins at `at`: where a comma or bracket of its own level follows. */
static const char *behind_value(const char *at)
{
    size_t depth = 0;

    if (*at == '"')
        return behind_text(at);
    for (;; at = *at == '"' ? behind_text(at) : at + 1) {
        if (depth == 0 && (*at == ',' || *at == '}'))
            return at;
        depth += *at == '{' || *at == '[';
        depth -= *at == '}' || *at == ']';
        if (depth == 0 && (*at == '}' || *at == ']'))
            return at + 1;
    }
}

bool cloudevent_value(const struct cloudevent *event, struct slice name, struct slice *value)
{
    const char *at = event->data.data + 1;

    while (*at == '"') {
        const char *end = behind_text(at);
        bool found = slice_equal((struct slice){at, (size_t)(end - at)}, name);
        const char *begin = end + 1;

        end = behind_value(begin);
        if (found) {
            bool text = *begin == '"';
            *value = (struct slice){begin + text, (size_t)(end - begin) - (text ? 2 : 0)};
            return text || !slice_is(*value, "null");
        }
        at = *end == ',' ? end + 1 : end;
    }
    return false;
}
