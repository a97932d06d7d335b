#include "proto/cloudevents_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buffer.h"
#include "common/check.h"
#include "proto/format.h"
#include "proto/json_reader.h"

/* What an event has under a name that CloudEvents gives a meaning. */
enum attribute { SPECVERSION, ID, SOURCE, TYPE, SUBJECT, TIME, DATA, ATTRIBUTES };

/* FAULTY: what is wrong with it was noted already. */
enum kind { MISSING, EMPTY, TEXT, OBJECT, OTHER, FAULTY };

struct reader {
    enum cloudevents_form form;
    enum language language;
    struct arena *arena;
    struct schema_errors *errors;
    struct json_reader json;
    struct buffer scratch; /* a value in its canonical spelling */
    struct sha256 *digest;
    struct cloudevent *event; /* being read */
    enum kind kinds[ATTRIBUTES];
    struct slice values[ATTRIBUTES]; /* of texts; of data, as it is spelled canonically */
};

static const char *const attribute_names[ATTRIBUTES] = {"specversion", "id",   "source", "type",
                                                        "subject",     "time", "data"};

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
    {"given_twice",
     {"This attribute is given twice; send it once.", "该属性重复出现，请只发送一次。"}},
    {"malformed",
     {"The header field's value must be UTF-8, percent-encoded, without U+0000; where it begins "
      "with "
      "a double quote, one quoted string.",
      "标头字段的值须为百分号编码的 UTF-8，不含 "
      "U+0000；以双引号开头时须为一个完整的带引号字符串。"}},
    {"number_must_be_string",
     {"Send numbers with a fraction, an exponent or beyond 64 bits as strings: \"12.5\".",
      "带小数、指数或超出 64 位的数字须以字符串发送，例如“12.5”。"}},
};

enum cloudevents_form cloudevents_form(struct slice media, bool specversion)
{
    if (slice_is_caseless(media, "application/cloudevents+json"))
        return CLOUDEVENTS_ONE;
    if (slice_is_caseless(media, "application/x-ndjson"))
        return CLOUDEVENTS_LINES;
    return specversion && slice_is_caseless(media, "application/json") ? CLOUDEVENTS_BINARY
                                                                       : CLOUDEVENTS_BATCH;
}

void cloudevents_pointer(enum cloudevents_form form, size_t index, const char *attribute,
                         char pointer[SCHEMA_POINTER_SIZE])
{
    const char *slash = attribute[0] == '\0' ? "" : "/";
    bool alone = form == CLOUDEVENTS_ONE || form == CLOUDEVENTS_BINARY;
    int length = alone
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

/* Notes what is wrong with an attribute of the event, or ("") with the whole of it; what was
 * expected is told of `about`. `code` is a constant. */
static void fault_about(struct reader *reader, const char *attribute, const char *code,
                        const char *about)
{
    struct schema_errors *errors = reader->errors;
    struct schema_error error = {.code = code};

    error.detail = expectation_find(about)->detail[reader->language];
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

static void fault(struct reader *reader, const char *attribute, const char *code)
{
    fault_about(reader, attribute, code, attribute[0] == '\0' ? code : attribute);
}

/* ---- One event ---- */

/* An attribute of text, 1 to `limit` bytes without control characters; NULL with the fault noted.
 */
static const char *take_text(struct reader *reader, enum attribute attribute, size_t limit)
{
    struct slice text = reader->values[attribute];
    const char *code = NULL;

    if (reader->kinds[attribute] == FAULTY)
        return NULL;
    if (reader->kinds[attribute] == MISSING || reader->kinds[attribute] == EMPTY)
        code = "missing_field";
    else if (reader->kinds[attribute] != TEXT)
        code = "wrong_type";
    else if (text.length > limit)
        code = "too_long";
    else if (text.length == 0 || !format_text_line(text))
        code = "wrong_format";
    if (code != NULL) {
        fault(reader, attribute_names[attribute], code);
        return NULL;
    }
    return arena_copy(reader->arena, text);
}

static void take_source(struct reader *reader)
{
    const char *source = take_text(reader, SOURCE, CLOUDEVENT_SOURCE_LENGTH);

    if (source != NULL && !format_uri_reference(slice_of(source))) {
        fault(reader, "source", "wrong_format");
        source = NULL;
    }
    reader->event->source = source;
}

static void take_time(struct reader *reader)
{
    const char *text = take_text(reader, TIME, INSTANT_TEXT_SIZE);

    if (text != NULL && !instant_parse(slice_of(text), &reader->event->time))
        fault(reader, "time", "wrong_format");
}

static void take_data(struct reader *reader)
{
    enum kind kind = reader->kinds[DATA];

    if (kind == FAULTY)
        return;
    if (kind == MISSING || kind == EMPTY) {
        fault(reader, "data", "missing_field");
        return;
    }
    if (kind != OBJECT) {
        fault(reader, "data", "wrong_type");
        return;
    }
    reader->event->data = reader->values[DATA];
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

static void digest_event(struct sha256 *digest, struct cloudevent *event)
{
    char time[INSTANT_TEXT_SIZE];

    instant_write(event->time, time);
    add_part(digest, slice_of(event->type));
    add_part(digest, slice_of(event->subject));
    add_part(digest, slice_of(time));
    add_part(digest, event->data);
    sha256_take(digest, event->digest);
}

static void take_attributes(struct reader *reader)
{
    struct cloudevent *event = reader->event;
    const char *version = take_text(reader, SPECVERSION, CLOUDEVENT_TYPE_LENGTH);

    if (version != NULL && strcmp(version, "1.0") != 0)
        fault(reader, "specversion", "not_one_of");
    event->id = take_text(reader, ID, CLOUDEVENT_ID_LENGTH);
    take_source(reader);
    event->type = take_text(reader, TYPE, CLOUDEVENT_TYPE_LENGTH);
    event->subject = take_text(reader, SUBJECT, CLOUDEVENT_SUBJECT_LENGTH);
    take_time(reader);
    take_data(reader);
    if (event->error == NULL)
        digest_event(reader->digest, event);
}

/* ---- JSON ---- */

/* A value that means nothing here, or of data, which is kept as it is spelled canonically. */
static bool read_other(struct reader *reader, struct slice *canonical)
{
    buffer_consume(&reader->scratch, reader->scratch.length);
    if (!json_reader_canonical(&reader->json, &reader->scratch))
        return false;
    check(!buffer_overflowed(&reader->scratch)); /* it is no longer than what was sent */
    if (canonical != NULL)
        *canonical = (struct slice){arena_copy(reader->arena, buffer_slice(&reader->scratch)),
                                    reader->scratch.length};
    return true;
}

static bool read_attribute(struct reader *reader, enum attribute attribute)
{
    static const struct {
        char first;
        enum kind kind;
    } kinds[] = {{'"', TEXT}, {'{', OBJECT}, {'n', EMPTY}};
    char first = json_reader_peek(&reader->json);

    if (reader->kinds[attribute] != MISSING)
        return json_reader_duplicate(&reader->json);
    reader->kinds[attribute] = OTHER;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].first == first)
            reader->kinds[attribute] = kinds[i].kind;
    if (first == '"')
        return json_reader_text(&reader->json, &reader->values[attribute]);
    return read_other(reader, attribute == DATA ? &reader->values[DATA] : NULL);
}

static enum attribute attribute_of(struct slice name)
{
    size_t attribute = 0;

    while (attribute < ATTRIBUTES && !slice_is(name, attribute_names[attribute]))
        attribute++;
    return (enum attribute)attribute;
}

/* The names of extensions, so that none stands twice. */
struct extensions {
    size_t count, capacity;
    struct slice *names;
};

static void add_extension(struct reader *reader, struct extensions *extensions, struct slice name)
{
    if (extensions->count == extensions->capacity) {
        size_t capacity = extensions->capacity == 0 ? 8 : 2 * extensions->capacity;
        struct slice *larger = arena_allocate(reader->arena, capacity, sizeof *larger);
        if (extensions->count > 0)
            memcpy(larger, extensions->names, extensions->count * sizeof *larger);
        extensions->names = larger;
        extensions->capacity = capacity;
    }
    extensions->names[extensions->count++] = name;
}

static int by_bytes(const void *a, const void *b)
{
    const struct slice *left = a, *right = b;
    size_t shorter = left->length < right->length ? left->length : right->length;
    int difference = shorter == 0 ? 0 : memcmp(left->data, right->data, shorter);

    return difference != 0 ? difference
                           : (left->length > right->length) - (left->length < right->length);
}

static bool each_once(struct reader *reader, struct extensions *extensions)
{
    if (extensions->count > 1)
        qsort(extensions->names, extensions->count, sizeof *extensions->names, by_bytes);
    for (size_t i = 1; i < extensions->count; i++)
        if (slice_equal(extensions->names[i - 1], extensions->names[i]))
            return json_reader_duplicate(&reader->json);
    return true;
}

/* False when it is not JSON. */
static bool read_event(struct reader *reader)
{
    struct extensions extensions = {0};
    bool begun = false;
    struct slice name;

    memset(reader->kinds, 0, sizeof reader->kinds);
    if (json_reader_peek(&reader->json) != '{') {
        if (!read_other(reader, NULL))
            return false;
        fault(reader, "", "wrong_type");
        return true;
    }
    json_reader_open(&reader->json, '{');
    while (json_reader_next(&reader->json, '}', &begun) && json_reader_name(&reader->json, &name)) {
        enum attribute attribute = attribute_of(name);
        if (attribute == ATTRIBUTES)
            add_extension(reader, &extensions, name);
        if (attribute == ATTRIBUTES ? !read_other(reader, NULL)
                                    : !read_attribute(reader, attribute))
            return false;
    }
    if (reader->json.code != NULL || !each_once(reader, &extensions))
        return false;
    take_attributes(reader);
    return true;
}

/* ---- Batches ---- */

/* Nothing was read, then; what was noted of single events counts no more. */
static void refuse(struct reader *reader, struct cloudevents *events)
{
    size_t line, column;

    json_reader_position(&reader->json, &line, &column);
    events->problem = reader->json.code;
    events->message = arena_format(reader->arena, "line %zu, column %zu", line, column);
    events->count = 0;
    reader->errors->count = reader->errors->total = 0;
}

/* Makes room for `count` events, numbered by their place. */
static void make_room(struct reader *reader, struct cloudevents *events, size_t count)
{
    events->events = arena_allocate(reader->arena, count + 1, sizeof *events->events);
}

static void next_event(struct reader *reader, struct cloudevents *events, size_t index)
{
    reader->event = &events->events[events->count++];
    reader->event->index = index;
}

/* False when it is not JSON, or too many. */
static bool read_array(struct reader *reader, struct cloudevents *events)
{
    bool begun = false;

    make_room(reader, events, CLOUDEVENTS_BATCH_LIMIT);
    json_reader_open(&reader->json, '[');
    while (json_reader_next(&reader->json, ']', &begun)) {
        if (events->count == CLOUDEVENTS_BATCH_LIMIT) {
            events->problem = "too_many_events";
            return false;
        }
        next_event(reader, events, events->count);
        if (!read_event(reader))
            return false;
    }
    return reader->json.code == NULL;
}

static bool read_one(struct reader *reader, struct cloudevents *events)
{
    make_room(reader, events, 1);
    next_event(reader, events, 0);
    return read_event(reader);
}

static void read_document(struct reader *reader, struct slice text, struct cloudevents *events)
{
    bool batch = reader->form == CLOUDEVENTS_BATCH;
    bool good;

    if (text.length > CLOUDEVENTS_BATCH_SIZE) {
        events->problem = "body_too_large";
        return;
    }
    reader->json = json_reader_make(text, reader->arena);
    if (json_reader_peek(&reader->json) != (batch ? '[' : '{')) {
        if (read_other(reader, NULL) && json_reader_end(&reader->json))
            events->problem = batch ? "not_a_batch" : "not_an_event";
        else
            refuse(reader, events);
        return;
    }
    good = batch ? read_array(reader, events) : read_one(reader, events);
    if (good)
        json_reader_end(&reader->json);
    if (reader->json.code != NULL) {
        refuse(reader, events);
    } else if (!good) {
        events->count = 0;
        reader->errors->count = reader->errors->total = 0;
    }
}

static bool blank(struct slice line)
{
    line = slice_trim(line);
    return line.length == 0 || slice_is(line, "\r");
}

static void read_line(struct reader *reader, struct slice line)
{
    size_t count = reader->errors->count, total = reader->errors->total;

    reader->json = json_reader_make(line, reader->arena);
    if (read_event(reader) && json_reader_end(&reader->json))
        return;
    reader->errors->count = count;
    reader->errors->total = total;
    *reader->event = (struct cloudevent){.index = reader->event->index};
    fault(reader, "", reader->json.code);
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
        read_line(reader, line);
    }
}

/* ---- Binary mode ---- */

/* How many of the names before a place are the one that stands there. */
static size_t times_before(const char *const *names, size_t place)
{
    size_t count = 0;

    for (size_t i = 0; i < place; i++)
        count += names[i] != NULL && strcmp(names[i], names[place]) == 0;
    return count;
}

static void fault_field(struct reader *reader, const char *name, const char *code)
{
    enum attribute attribute = attribute_of(slice_of(name));

    fault_about(reader, name, code, code);
    if (attribute != ATTRIBUTES)
        reader->kinds[attribute] = FAULTY;
}

/* The body is the data, so that a field of this name is the second. */
static void read_field(struct reader *reader, const char *name, size_t before, struct slice value)
{
    enum attribute attribute = attribute_of(slice_of(name));
    struct slice text;

    before += attribute == DATA;
    if (before == 1)
        fault_field(reader, name, "given_twice");
    else if (before == 0 && !cloudevents_field_value(reader->arena, value, &text))
        fault_field(reader, name, "malformed");
    else if (before == 0 && attribute != ATTRIBUTES) {
        reader->kinds[attribute] = TEXT;
        reader->values[attribute] = text;
    }
}

static void read_fields(struct reader *reader, const struct http1_field *fields, size_t count)
{
    const char **names = arena_allocate(reader->arena, count + 1, sizeof *names);

    for (size_t i = 0; i < count; i++) {
        names[i] = cloudevents_field_name(reader->arena, fields[i].name);
        if (names[i] != NULL)
            read_field(reader, names[i], times_before(names, i), fields[i].value);
    }
}

static void read_binary(struct reader *reader, const struct http1_field *fields, size_t count,
                        struct slice text, struct cloudevents *events)
{
    if (text.length > CLOUDEVENTS_BATCH_SIZE) {
        events->problem = "body_too_large";
        return;
    }
    make_room(reader, events, 1);
    next_event(reader, events, 0);
    reader->json = json_reader_make(text, reader->arena);
    if (!read_attribute(reader, DATA) || !json_reader_end(&reader->json)) {
        refuse(reader, events);
        return;
    }
    read_fields(reader, fields, count);
    take_attributes(reader);
}

/* ---- All forms ---- */

static void reader_free(struct reader *reader)
{
    buffer_free(&reader->scratch);
    sha256_free(&reader->digest);
}

static struct reader reader_make(enum cloudevents_form form, struct slice text,
                                 enum language language, struct arena *arena,
                                 struct schema_errors *errors)
{
    return (struct reader){.form = form,
                           .language = language,
                           .arena = arena,
                           .errors = errors,
                           .scratch = buffer_make(text.length + 1),
                           .digest = sha256_new()};
}

void cloudevents_read_binary(const struct http1_field *fields, size_t count, struct slice text,
                             enum language language, struct arena *arena,
                             struct cloudevents *events, struct schema_errors *errors)
{
    struct reader reader = reader_make(CLOUDEVENTS_BINARY, text, language, arena, errors);

    *events = (struct cloudevents){0};
    read_binary(&reader, fields, count, text, events);
    reader_free(&reader);
}

void cloudevents_read(enum cloudevents_form form, struct slice text, enum language language,
                      struct arena *arena, struct cloudevents *events, struct schema_errors *errors)
{
    struct reader reader = reader_make(form, text, language, arena, errors);

    *events = (struct cloudevents){0};
    if (form == CLOUDEVENTS_LINES)
        read_lines(&reader, text, events);
    else
        read_document(&reader, text, events);
    reader_free(&reader);
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
            *value = (struct slice){begin, (size_t)(end - begin)};
            return !slice_is(*value, "null");
        }
        at = *end == ',' ? end + 1 : end;
    }
    return false;
}
