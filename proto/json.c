#include "proto/json.h"

#include <stdio.h>

#include "common/buffer.h"
#include "common/check.h"
#include "common/memory.h"

static void *allocate(size_t size)
{
    return memory_allocate(1, size);
}

/* So that jansson too never returns NULL for want of memory. */
__attribute__((constructor)) static void take_over_memory(void)
{
    json_set_alloc_funcs(allocate, memory_free);
}

/* ---- The scan before jansson: depth, number of values, NUL, reals ---- */

struct scan {
    struct slice text;
    size_t at;
    size_t line, line_start;
    size_t depth, values;
    bool reals_allowed;
};

static void fail(struct json_error *error, const char *code, size_t line, size_t column,
                 const char *message)
{
    error->code = code;
    error->line = line;
    error->column = column;
    snprintf(error->message, sizeof error->message, "%s", message);
}

static bool fail_scan(const struct scan *scan, struct json_error *error, const char *code,
                      const char *message)
{
    fail(error, code, scan->line, scan->at - scan->line_start + 1, message);
    return false;
}

static bool scan_ended(const struct scan *scan)
{
    return scan->at >= scan->text.length;
}

static bool ends_text(char character)
{
    return character == '"' || character == '\n' || character == '\0';
}

/* Past the closing quote; where there is none, to what stands in its way. */
static void skip_text(struct scan *scan)
{
    const char *data = scan->text.data;

    for (scan->at++; !scan_ended(scan) && !ends_text(data[scan->at]); scan->at++)
        if (data[scan->at] == '\\' && scan->at + 1 < scan->text.length &&
            data[scan->at + 1] != '\0')
            scan->at++;
    if (!scan_ended(scan) && data[scan->at] == '"')
        scan->at++;
}

static bool is_of_word(char character)
{
    return (character >= '0' && character <= '9') || (character >= 'a' && character <= 'z') ||
           (character >= 'A' && character <= 'Z') || character == '-' || character == '+' ||
           character == '.';
}

/* A number, true, false or null; false for a real. */
static bool skip_word(struct scan *scan)
{
    const char *data = scan->text.data;
    bool number = data[scan->at] == '-' || (data[scan->at] >= '0' && data[scan->at] <= '9');
    bool real = false;

    for (; !scan_ended(scan) && is_of_word(data[scan->at]); scan->at++)
        real |= data[scan->at] == '.' || data[scan->at] == 'e' || data[scan->at] == 'E';
    return !(number && real);
}

/* Past one token or blank. */
static bool scan_step(struct scan *scan, struct json_error *error)
{
    struct scan before = *scan;
    char character = scan->text.data[scan->at];

    switch (character) {
    case '\0':
        return fail_scan(scan, error, "json_nul", "a NUL is not allowed");
    case '\n':
        scan->line++;
        scan->line_start = ++scan->at;
        return true;
    case '{':
    case '[':
        scan->values++;
        scan->at++;
        return ++scan->depth <= JSON_DEPTH_LIMIT ||
               fail_scan(&before, error, "json_too_deep", "nested too deeply");
    case '}':
    case ']':
        scan->at++;
        scan->depth -= scan->depth > 0;
        return true;
    case '"':
        scan->values++;
        skip_text(scan);
        return true;
    default:
        if (!is_of_word(character)) {
            scan->at++;
            return true;
        }
        scan->values++;
        return skip_word(scan) || scan->reals_allowed ||
               fail_scan(&before, error, "number_must_be_string",
                         "numbers with a fraction or an exponent are strings");
    }
}

static bool scan_text(struct slice text, bool reals_allowed, struct json_error *error)
{
    struct scan scan = {.text = text, .line = 1, .reals_allowed = reals_allowed};

    while (!scan_ended(&scan)) {
        if (!scan_step(&scan, error))
            return false;
        if (scan.values > JSON_VALUES_LIMIT)
            return fail_scan(&scan, error, "json_too_many_values", "too many names and values");
    }
    return true;
}

static const char *code_of(const json_error_t *error)
{
    switch (json_error_code(error)) {
    case json_error_duplicate_key:
        return "json_duplicate_name";
    case json_error_stack_overflow:
        return "json_too_deep";
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return "json_nul";
    case json_error_numeric_overflow:
        return "number_must_be_string";
    case json_error_invalid_utf8:
        return "json_not_utf8";
    default:
        return "json_malformed";
    }
}

static json_t *read_document(struct slice text, bool reals_allowed, struct json_error *error)
{
    json_error_t failure;
    json_t *document;

    if (!scan_text(text, reals_allowed, error))
        return NULL;
    document = json_loadb(text.length == 0 ? "" : text.data, text.length, JSON_REJECT_DUPLICATES,
                          &failure);
    if (document == NULL)
        fail(error, code_of(&failure), failure.line < 1 ? 1 : (size_t)failure.line,
             failure.column < 1 ? 1 : (size_t)failure.column, failure.text);
    return document;
}

json_t *json_read(struct slice text, struct json_error *error)
{
    return read_document(text, false, error);
}

json_t *json_read_foreign(struct slice text, struct json_error *error)
{
    return read_document(text, true, error);
}

struct slice json_canonical(struct arena *arena, const json_t *document)
{
    char *text = json_dumps(document, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    struct slice result;

    check(text != NULL);
    result.length = strlen(text);
    result.data = arena_copy(arena, (struct slice){text, result.length});
    memory_free(text);
    return result;
}

const char *json_member_text(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

bool json_is_text(struct slice bytes)
{
    json_t *text = json_stringn(bytes.data, bytes.length); /* NULL for what is not UTF-8 */
    bool good = text != NULL && bytes.length > 0 && memchr(bytes.data, '\0', bytes.length) == NULL;

    json_decref(text);
    return good;
}

size_t json_characters(struct slice text)
{
    size_t count = 0;

    for (size_t i = 0; i < text.length; i++)
        count += ((unsigned char)text.data[i] & 0xc0U) != 0x80;
    return count;
}

static void write_escaped(struct buffer *buffer, unsigned char character)
{
    static const char SHORT[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
                                 ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\'};

    if (character < sizeof SHORT && SHORT[character] != '\0')
        buffer_append_format(buffer, "\\%c", SHORT[character]);
    else
        buffer_append_format(buffer, "\\u%04x", character);
}

void json_write_text(struct buffer *buffer, struct slice text)
{
    size_t start = 0;

    buffer_append_character(buffer, '"');
    for (size_t i = 0; i < text.length; i++) {
        unsigned char character = (unsigned char)text.data[i];

        if (character >= 0x20 && character != '"' && character != '\\' && character != 0x7f)
            continue;
        buffer_append(buffer, text.data + start, i - start);
        write_escaped(buffer, character);
        start = i + 1;
    }
    if (text.length > start)
        buffer_append(buffer, text.data + start, text.length - start);
    buffer_append_character(buffer, '"');
}
