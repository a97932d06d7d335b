#include "proto/json_reader.h"

#include <endian.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "proto/json.h"

enum {
    INTEGER_DIGITS = 19, /* of what fits 64 bits */
    HEX_DIGITS = 4,
    HIGH_SURROGATE = 0xd800,
    LOW_SURROGATE = 0xdc00,
    SURROGATES_END = 0xe000,
    ASTRAL = 0x10000,
    FEW_MEMBERS = 16,
};

static bool fail(struct json_reader *reader, const char *code)
{
    if (reader->code == NULL)
        reader->code = code;
    return false;
}

static bool malformed(struct json_reader *reader)
{
    return fail(reader, "json_malformed");
}

/* '\0' at the end; a NUL that was sent is refused wherever it stands. */
static char current(const struct json_reader *reader)
{
    return reader->at < reader->text.length ? reader->text.data[reader->at] : '\0';
}

static bool count_value(struct json_reader *reader)
{
    return ++reader->values <= JSON_VALUES_LIMIT || fail(reader, "json_too_many_values");
}

static void skip_blanks(struct json_reader *reader)
{
    for (;; reader->at++) {
        char character = current(reader);
        if (character != ' ' && character != '\n' && character != '\r' && character != '\t')
            return;
    }
}

struct json_reader json_reader_make(struct slice text, struct arena *arena)
{
    return (struct json_reader){.text = text, .arena = arena};
}

char json_reader_peek(struct json_reader *reader)
{
    if (reader->code != NULL)
        return '\0';
    skip_blanks(reader);
    return current(reader);
}

/* Whatever stands where something else was expected. */
static bool unexpected(struct json_reader *reader)
{
    bool nul = reader->at < reader->text.length && current(reader) == '\0';
    return fail(reader, nul ? "json_nul" : "json_malformed");
}

static bool expect(struct json_reader *reader, char wanted)
{
    if (json_reader_peek(reader) != wanted || reader->code != NULL)
        return unexpected(reader);
    reader->at++;
    return true;
}

/* ---- Objects and arrays ---- */

bool json_reader_open(struct json_reader *reader, char bracket)
{
    return expect(reader, bracket) && count_value(reader) &&
           (++reader->depth <= JSON_DEPTH_LIMIT || fail(reader, "json_too_deep"));
}

bool json_reader_next(struct json_reader *reader, char closing, bool *begun)
{
    char character = json_reader_peek(reader);

    if (reader->code != NULL)
        return false;
    if (character == closing) {
        reader->at++;
        reader->depth--;
        return false;
    }
    if (*begun && !expect(reader, ','))
        return false;
    *begun = true;
    return true;
}

bool json_reader_duplicate(struct json_reader *reader)
{
    return fail(reader, "json_duplicate_name");
}

bool json_reader_end(struct json_reader *reader)
{
    json_reader_peek(reader);
    return reader->code == NULL && (reader->at == reader->text.length || unexpected(reader));
}

void json_reader_position(const struct json_reader *reader, size_t *line, size_t *column)
{
    *line = 1;
    *column = 1;
    for (size_t i = 0; i < reader->at && i < reader->text.length; i++) {
        *column = reader->text.data[i] == '\n' ? 1 : *column + 1;
        *line += reader->text.data[i] == '\n';
    }
}

/* ---- Texts ---- */

/* Bytes of the UTF-8 character at `at`; 0 where it is none (RFC 3629). */
static size_t utf8_length(const unsigned char *at, size_t left)
{
    static const struct {
        unsigned char first, last, second_from, second_to;
        size_t length;
    } kinds[] = {
        {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
        {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (at[0] < kinds[i].first || at[0] > kinds[i].last)
            continue;
        if (left < kinds[i].length || at[1] < kinds[i].second_from || at[1] > kinds[i].second_to)
            return 0;
        for (size_t k = 2; k < kinds[i].length; k++)
            if (at[k] < 0x80 || at[k] > 0xbf)
                return 0;
        return kinds[i].length;
    }
    return 0;
}

/* How many bytes there are before the first that is a quote, a backslash, a control character or no
 * ASCII; eight at a time, and there may be more behind. The highest bit of a byte is set in
 * (x - 0x01...) & ~x where it is the first that is 0, and so with 0x20 where it is the first that
 * is less (Hacker's Delight, 6-1). */
static size_t plain_length(const unsigned char *bytes, size_t length)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    size_t at = 0;
    uint64_t word;

    for (; length - at >= sizeof word; at += sizeof word) {
        memcpy(&word, bytes + at, sizeof word);
        word = le64toh(word);
        uint64_t quotes = word ^ ones * '"', backslashes = word ^ ones * '\\';
        uint64_t found = (word | ((word - ones * 0x20) & ~word) | ((quotes - ones) & ~quotes) |
                          ((backslashes - ones) & ~backslashes)) &
                         ones * 0x80;
        if (found != 0)
            return at + (size_t)__builtin_ctzll(found) / 8;
    }
    return at;
}

/* From behind the opening quote to behind the closing one: what stands between, escapes as they are
 * spelled; their form is looked at when they are decoded. */
static bool raw_text(struct json_reader *reader, struct slice *raw, bool *escapes)
{
    const unsigned char *bytes = (const unsigned char *)reader->text.data;
    size_t begin = reader->at, at = begin, length = reader->text.length;

    *escapes = false;
    while (at < length) {
        size_t step = 1;
        at += plain_length(bytes + at, length - at);
        if (at == length || bytes[at] == '"' || bytes[at] < 0x20)
            break;
        if (bytes[at] == '\\') {
            *escapes = true;
            step = 2;
        } else if (bytes[at] >= 0x80) {
            step = utf8_length(bytes + at, length - at);
        }
        if (step == 0) {
            reader->at = at;
            return fail(reader, "json_not_utf8");
        }
        at += step;
    }
    reader->at = at < length ? at : length;
    if (at >= length || bytes[at] != '"')
        return unexpected(reader);
    *raw = (struct slice){reader->text.data + begin, at - begin};
    reader->at++;
    return true;
}

static bool read_hex(struct slice raw, size_t at, uint32_t *code)
{
    *code = 0;
    if (raw.length - at < HEX_DIGITS)
        return false;
    for (size_t i = at; i < at + HEX_DIGITS; i++) {
        char digit = raw.data[i];
        uint32_t value = digit >= '0' && digit <= '9'   ? (uint32_t)(digit - '0')
                         : digit >= 'a' && digit <= 'f' ? (uint32_t)(digit - 'a') + 10
                         : digit >= 'A' && digit <= 'F' ? (uint32_t)(digit - 'A') + 10
                                                        : 16;
        if (value == 16)
            return false;
        *code = *code << 4 | value;
    }
    return true;
}

static char *write_utf8(char *to, uint32_t code)
{
    if (code < 0x80) {
        *to++ = (char)code;
        return to;
    }
    if (code < 0x800) {
        *to++ = (char)(0xc0 | code >> 6);
    } else {
        if (code < ASTRAL) {
            *to++ = (char)(0xe0 | code >> 12);
        } else {
            *to++ = (char)(0xf0 | code >> 18);
            *to++ = (char)(0x80 | (code >> 12 & 0x3f));
        }
        *to++ = (char)(0x80 | (code >> 6 & 0x3f));
    }
    *to++ = (char)(0x80 | (code & 0x3f));
    return to;
}

/* \uXXXX, behind the u; two of them for what lies beyond the basic plane. */
static bool decode_unicode(struct json_reader *reader, struct slice raw, size_t *at, char **to)
{
    uint32_t code, low;

    if (!read_hex(raw, *at, &code))
        return malformed(reader);
    *at += HEX_DIGITS;
    if (code == 0)
        return fail(reader, "json_nul");
    if (code >= HIGH_SURROGATE && code < SURROGATES_END) {
        bool pair = code < LOW_SURROGATE && raw.length - *at >= 2 && raw.data[*at] == '\\' &&
                    raw.data[*at + 1] == 'u' && read_hex(raw, *at + 2, &low) &&
                    low >= LOW_SURROGATE && low < SURROGATES_END;
        if (!pair)
            return malformed(reader);
        *at += 2 + HEX_DIGITS;
        code = ASTRAL + ((code - HIGH_SURROGATE) << 10) + (low - LOW_SURROGATE);
    }
    *to = write_utf8(*to, code);
    return true;
}

static bool decode(struct json_reader *reader, struct slice raw, struct slice *text)
{
    static const char spelled[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    char *to = arena_allocate(reader->arena, raw.length + 1, 1);

    text->data = to;
    for (size_t at = 0; at < raw.length;) {
        const char *found;
        if (raw.data[at] != '\\') {
            *to++ = raw.data[at++];
            continue;
        }
        char escape = raw.data[at + 1];
        at += 2;
        if (escape == 'u') {
            if (!decode_unicode(reader, raw, &at, &to))
                return false;
        } else if (escape != '\0' && (found = strchr(spelled, escape)) != NULL) {
            *to++ = meant[found - spelled];
        } else {
            return malformed(reader);
        }
    }
    text->length = (size_t)(to - text->data);
    return true;
}

/* A text without counting it. */
static bool take_text(struct json_reader *reader, struct slice *text)
{
    struct slice raw;
    bool escapes;

    if (!expect(reader, '"') || !raw_text(reader, &raw, &escapes))
        return false;
    *text = raw;
    return !escapes || decode(reader, raw, text);
}

bool json_reader_text(struct json_reader *reader, struct slice *text)
{
    return take_text(reader, text) && count_value(reader);
}

bool json_reader_name(struct json_reader *reader, struct slice *name)
{
    return json_reader_text(reader, name) && expect(reader, ':');
}

/* ---- Canonical spelling ---- */

/* As jansson spells it: quotes, backslashes and control characters escaped, all else as it is. */
static void write_text(struct buffer *canonical, struct slice text)
{
    static const char meant[] = "\"\\\b\f\n\r\t", spelled[] = "\"\\bfnrt";
    size_t plain = 0;

    buffer_append_character(canonical, '"');
    for (size_t i = 0; i < text.length; i++) {
        unsigned char character = (unsigned char)text.data[i];
        if (character >= 0x20 && character != '"' && character != '\\')
            continue;
        buffer_append(canonical, text.data + plain, i - plain);
        plain = i + 1;
        const char *found = strchr(meant, character);
        if (found != NULL)
            buffer_append_format(canonical, "\\%c", spelled[found - meant]);
        else
            buffer_append_format(canonical, "\\u%04X", character);
    }
    buffer_append(canonical, text.data + plain, text.length - plain);
    buffer_append_character(canonical, '"');
}

static bool canonical_text(struct json_reader *reader, struct buffer *canonical)
{
    struct slice text;

    if (!json_reader_text(reader, &text))
        return false;
    write_text(canonical, text);
    return true;
}

static bool is_digit(char character)
{
    return character >= '0' && character <= '9';
}

static bool canonical_number(struct json_reader *reader, struct buffer *canonical)
{
    static const char greatest[] = "9223372036854775807", least[] = "9223372036854775808";
    size_t begin = reader->at;
    bool negative = current(reader) == '-';

    reader->at += negative;
    size_t digits = reader->at;
    while (is_digit(current(reader)))
        reader->at++;
    size_t count = reader->at - digits;
    const char *first = reader->text.data + digits;
    if (count == 0)
        return malformed(reader);
    if (count > 1 && *first == '0')
        return malformed(reader);
    if (current(reader) == '.' || current(reader) == 'e' || current(reader) == 'E')
        return fail(reader, "number_must_be_string");
    if (count > INTEGER_DIGITS ||
        (count == INTEGER_DIGITS && memcmp(first, negative ? least : greatest, count) > 0))
        return fail(reader, "number_must_be_string");
    if (*first == '0') /* -0, too */
        buffer_append_character(canonical, '0');
    else
        buffer_append(canonical, reader->text.data + begin, reader->at - begin);
    return count_value(reader);
}

static bool canonical_word(struct json_reader *reader, const char *word, struct buffer *canonical)
{
    size_t length = strlen(word);

    if (reader->text.length - reader->at < length ||
        memcmp(reader->text.data + reader->at, word, length) != 0)
        return malformed(reader);
    reader->at += length;
    buffer_append(canonical, word, length);
    return count_value(reader);
}

static bool canonical_array(struct json_reader *reader, struct buffer *canonical)
{
    bool begun = false;
    const char *comma = "";

    if (!json_reader_open(reader, '['))
        return false;
    buffer_append_character(canonical, '[');
    for (; json_reader_next(reader, ']', &begun); comma = ",") {
        buffer_append_text(canonical, comma);
        if (!json_reader_canonical(reader, canonical))
            return false;
    }
    buffer_append_character(canonical, ']');
    return reader->code == NULL;
}

/* A member of an object as it was written, without the comma. */
struct member {
    struct slice name;
    size_t begin, length; /* in the buffer */
};

struct members {
    size_t count, capacity;
    struct member *list, few[FEW_MEMBERS];
    bool sorted;
};

static int compare_names(struct slice a, struct slice b)
{
    size_t shorter = a.length < b.length ? a.length : b.length;
    int difference = shorter == 0 ? 0 : memcmp(a.data, b.data, shorter);

    return difference != 0 ? difference : (a.length > b.length) - (a.length < b.length);
}

static int by_name(const void *a, const void *b)
{
    return compare_names(((const struct member *)a)->name, ((const struct member *)b)->name);
}

static void add_member(struct json_reader *reader, struct members *members, struct member member)
{
    if (members->count == members->capacity) {
        struct member *larger =
            arena_allocate(reader->arena, 2 * members->capacity, sizeof *larger);
        memcpy(larger, members->list, members->count * sizeof *larger);
        members->list = larger;
        members->capacity *= 2;
    }
    if (members->count > 0 &&
        compare_names(members->list[members->count - 1].name, member.name) >= 0)
        members->sorted = false;
    members->list[members->count++] = member;
}

/* Puts the members in the order of their names; they begin at `begin`, behind the bracket. */
static bool sort_members(struct json_reader *reader, struct members *members,
                         struct buffer *canonical, size_t begin)
{
    struct buffer sorted = buffer_make(canonical->limit);

    if (members->sorted)
        return true;
    qsort(members->list, members->count, sizeof *members->list, by_name);
    for (size_t i = 0; i < members->count; i++) {
        if (i > 0 && by_name(&members->list[i - 1], &members->list[i]) == 0) {
            buffer_free(&sorted);
            return json_reader_duplicate(reader);
        }
        if (i > 0)
            buffer_append_character(&sorted, ',');
        if (!buffer_overflowed(canonical))
            buffer_append(&sorted, canonical->data + members->list[i].begin,
                          members->list[i].length);
    }
    if (!buffer_overflowed(canonical)) {
        check(sorted.length == canonical->length - begin);
        memcpy(canonical->data + begin, sorted.data, sorted.length);
    }
    buffer_free(&sorted);
    return true;
}

static bool canonical_object(struct json_reader *reader, struct buffer *canonical)
{
    struct members members = {.capacity = FEW_MEMBERS, .sorted = true};
    bool begun = false;
    struct member member;

    members.list = members.few;
    if (!json_reader_open(reader, '{'))
        return false;
    buffer_append_character(canonical, '{');
    size_t begin = canonical->length;
    while (json_reader_next(reader, '}', &begun)) {
        if (!json_reader_name(reader, &member.name))
            return false;
        if (members.count > 0)
            buffer_append_character(canonical, ',');
        member.begin = canonical->length;
        write_text(canonical, member.name);
        buffer_append_character(canonical, ':');
        if (!json_reader_canonical(reader, canonical))
            return false;
        member.length = canonical->length - member.begin;
        add_member(reader, &members, member);
    }
    if (reader->code != NULL || !sort_members(reader, &members, canonical, begin))
        return false;
    buffer_append_character(canonical, '}');
    return true;
}

bool json_reader_canonical(struct json_reader *reader, struct buffer *canonical)
{
    switch (json_reader_peek(reader)) {
    case '{':
        return canonical_object(reader, canonical);
    case '[':
        return canonical_array(reader, canonical);
    case '"':
        return canonical_text(reader, canonical);
    case 't':
        return canonical_word(reader, "true", canonical);
    case 'f':
        return canonical_word(reader, "false", canonical);
    case 'n':
        return canonical_word(reader, "null", canonical);
    default:
        if (reader->code != NULL)
            return false;
        if (current(reader) == '-' || is_digit(current(reader)))
            return canonical_number(reader, canonical);
        return unexpected(reader);
    }
}
