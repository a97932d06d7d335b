#include "proto/radius.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <time.h>

#include "proto/json.h"

enum { GIGAWORD_BITS = 32, DATE_SIZE = 32, YEAR_LAST = 9999, YEAR_FIRST = 1970, YEAR_BASE = 1900 };

/* The first value of an attribute; NULL when there is none. */
static const json_t *attribute(const json_t *body, const char *name)
{
    const json_t *value = json_object_get(json_object_get(body, name), "value");

    return json_is_array(value) ? json_array_get(value, 0) : NULL;
}

static bool read_number(const json_t *body, const char *name, uint64_t maximum, uint64_t *number)
{
    const json_t *value = attribute(body, name);
    json_int_t integer = json_integer_value(value);

    if (json_is_string(value))
        return slice_to_number((struct slice){json_string_value(value), json_string_length(value)},
                               maximum, number);
    if (!json_is_integer(value) || integer < 0 || (uint64_t)integer > maximum)
        return false;
    *number = (uint64_t)integer;
    return true;
}

static uint32_t number_or_zero(const json_t *body, const char *name)
{
    uint64_t number = 0;

    return read_number(body, name, UINT32_MAX, &number) ? (uint32_t)number : 0;
}

/* ---- Texts ---- */

/* The next character of UTF-8 that jansson has checked; *place moves behind it. */
static uint32_t next_character(struct slice text, size_t *place)
{
    const unsigned char *bytes = (const unsigned char *)text.data + *place;
    size_t length = bytes[0] < 0x80 ? 1 : bytes[0] < 0xe0 ? 2 : bytes[0] < 0xf0 ? 3 : 4;
    uint32_t character = length == 1 ? bytes[0] : bytes[0] & (0xffU >> (length + 1));

    for (size_t i = 1; i < length; i++)
        character = character << 6 | (bytes[i] & 0x3f);
    *place += length;
    return character;
}

/* What the attribute's bytes were: its characters where each is a byte, else the text itself. */
static struct slice raw_bytes(struct slice text, char bytes[RADIUS_ATTRIBUTE_LIMIT])
{
    size_t length = 0;

    for (size_t place = 0; place < text.length;) {
        uint32_t character = next_character(text, &place);
        if (character > 0xff || length == RADIUS_ATTRIBUTE_LIMIT)
            return text;
        bytes[length++] = (char)character;
    }
    return (struct slice){bytes, length};
}

/* The bytes of a well-formed UTF-8 character beyond ASCII at the front of `text`; 0 when there is
 * none, or when it is a control character (C1). */
static size_t wide_character(struct slice text)
{
    unsigned char first = (unsigned char)text.data[0];
    size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;

    if (length > text.length || (first == 0xc2 && (unsigned char)text.data[1] < 0xa0))
        return 0;
    return json_is_text((struct slice){text.data, length}) ? length : 0;
}

static void spell(struct slice bytes, char text[RADIUS_TEXT_SIZE])
{
    size_t written = 0;

    while (bytes.length > 0) {
        unsigned char byte = (unsigned char)bytes.data[0];
        bool plain = byte >= 0x20 && byte < 0x7f && byte != '\\';
        size_t length = plain ? 1 : byte < 0x80 ? 0 : wide_character(bytes);
        if (length == 0) {
            snprintf(text + written, sizeof "\\xHH", "\\x%02x", byte);
            written += strlen("\\xHH");
            length = 1;
        } else {
            memcpy(text + written, bytes.data, length);
            written += length;
        }
        bytes = (struct slice){bytes.data + length, bytes.length - length};
    }
    text[written] = '\0';
}

/* False when it is too long; one that is absent or no text is "". */
static bool read_text(const json_t *body, const char *name, char text[RADIUS_TEXT_SIZE])
{
    char bytes[RADIUS_ATTRIBUTE_LIMIT];
    const json_t *value = attribute(body, name);

    text[0] = '\0';
    if (!json_is_string(value))
        return true;
    struct slice raw =
        raw_bytes((struct slice){json_string_value(value), json_string_length(value)}, bytes);
    if (raw.length > RADIUS_ATTRIBUTE_LIMIT)
        return false;
    spell(raw, text);
    return true;
}

static bool read_address(const json_t *body, const char *name, int family,
                         char text[RADIUS_ADDRESS_SIZE])
{
    unsigned char bytes[sizeof(struct in6_addr)];
    const char *value = json_string_value(attribute(body, name));

    return value != NULL && inet_pton(family, value, bytes) == 1 &&
           inet_ntop(family, bytes, text, RADIUS_ADDRESS_SIZE) != NULL;
}

static void read_cause(const json_t *body, char text[RADIUS_CAUSE_SIZE])
{
    const json_t *value = attribute(body, "Acct-Terminate-Cause");
    char spelled[RADIUS_TEXT_SIZE];

    if (json_is_integer(value))
        snprintf(text, RADIUS_CAUSE_SIZE, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (read_text(body, "Acct-Terminate-Cause", spelled) &&
             strlen(spelled) < RADIUS_CAUSE_SIZE)
        memcpy(text, spelled, strlen(spelled) + 1);
}

/* ---- Numbers and times ---- */

static const struct {
    const char *name;
    uint32_t status;
} statuses[] = {
    {"Start", RADIUS_START},
    {"Stop", RADIUS_STOP},
    {"Interim-Update", RADIUS_INTERIM},
    {"Alive", RADIUS_INTERIM}, /* an older name of the dictionaries */
    {"Accounting-On", RADIUS_ACCOUNTING_ON},
    {"Accounting-Off", RADIUS_ACCOUNTING_OFF},
};

static bool read_status(const json_t *body, uint32_t *status)
{
    const json_t *value = attribute(body, "Acct-Status-Type");
    uint64_t number;

    *status = RADIUS_NO_STATUS;
    if (value == NULL)
        return true;
    for (size_t i = 0; json_is_string(value) && i < sizeof statuses / sizeof statuses[0]; i++)
        if (strcmp(json_string_value(value), statuses[i].name) == 0) {
            *status = statuses[i].status;
            return true;
        }
    if (!read_number(body, "Acct-Status-Type", UINT32_MAX, &number) || number == 0)
        return false;
    *status = (uint32_t)number;
    return true;
}

/* Octets64, which FreeRADIUS's acct_counters64 makes; else the two halves. */
static uint64_t read_octets(const json_t *body, const char *whole, const char *low,
                            const char *high)
{
    uint64_t octets;

    if (read_number(body, whole, UINT64_MAX, &octets))
        return octets;
    return (uint64_t)number_or_zero(body, high) << GIGAWORD_BITS | number_or_zero(body, low);
}

/* The next word, up to `separator` or the end, as a number. */
static bool take_number(struct slice *text, char separator, uint64_t maximum, int *number)
{
    struct slice word = *text;
    uint64_t value = 0;

    if (!slice_split(text, separator, &word))
        *text = (struct slice){0};
    bool good = slice_to_number(word, maximum, &value);
    *number = (int)value;
    return good;
}

/* "Jan" is 0; -1 for none. */
static int month_number(struct slice name)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    for (size_t month = 0; month < 12; month++)
        if (slice_equal(name, (struct slice){months + month * 3, 3}))
            return (int)month;
    return -1;
}

/* "Nov 23 2026 16:19:18 UTC"; 0 for any other zone, since its offset cannot be known. */
static int64_t date_seconds(const char *text)
{
    struct slice rest = slice_of(text), month = {0};
    struct tm date = {0};

    if (rest.length >= DATE_SIZE || !slice_split(&rest, ' ', &month))
        return 0;
    date.tm_mon = month_number(month);
    rest = slice_trim(rest); /* a day of one digit has a blank before it */
    if (date.tm_mon < 0 || !take_number(&rest, ' ', 31, &date.tm_mday) ||
        !take_number(&rest, ' ', YEAR_LAST, &date.tm_year) ||
        !take_number(&rest, ':', 23, &date.tm_hour) || !take_number(&rest, ':', 59, &date.tm_min) ||
        !take_number(&rest, ' ', 60, &date.tm_sec) || date.tm_year < YEAR_FIRST ||
        (!slice_is(rest, "UTC") && !slice_is(rest, "GMT")))
        return 0;
    date.tm_year -= YEAR_BASE;
    return timegm(&date);
}

/* Tmp-Integer-1 is Event-Timestamp in seconds, where FreeRADIUS is configured to add it. */
static int64_t read_event_time(const json_t *body)
{
    const json_t *value = attribute(body, "Event-Timestamp");
    uint64_t number;

    if (read_number(body, "Event-Timestamp", UINT32_MAX, &number))
        return (int64_t)number;
    int64_t seconds = json_is_string(value) ? date_seconds(json_string_value(value)) : 0;
    return seconds != 0 ? seconds : (int64_t)number_or_zero(body, "Tmp-Integer-1");
}

static const char *read_attributes(const json_t *body, struct radius_request *request)
{
    uint64_t number;

    if (!read_status(body, &request->status))
        return "bad_status";
    if (!read_text(body, "User-Name", request->user_name) ||
        !read_text(body, "Acct-Session-Id", request->session_id) ||
        !read_text(body, "NAS-Identifier", request->server_identifier))
        return "attribute_too_long";
    if (!read_address(body, "NAS-IP-Address", AF_INET, request->server_address))
        read_address(body, "NAS-IPv6-Address", AF_INET6, request->server_address);
    if (!read_address(body, "Framed-IP-Address", AF_INET, request->framed_address))
        read_address(body, "Framed-IPv6-Address", AF_INET6, request->framed_address);
    if (!read_text(body, "Calling-Station-Id", request->calling_station))
        request->calling_station[0] = '\0';
    read_cause(body, request->terminate_cause);
    request->input_octets =
        read_octets(body, "Acct-Input-Octets64", "Acct-Input-Octets", "Acct-Input-Gigawords");
    request->output_octets =
        read_octets(body, "Acct-Output-Octets64", "Acct-Output-Octets", "Acct-Output-Gigawords");
    request->has_session_time = read_number(body, "Acct-Session-Time", UINT32_MAX, &number);
    request->session_time = request->has_session_time ? (uint32_t)number : 0;
    request->delay = number_or_zero(body, "Acct-Delay-Time");
    request->event_at = read_event_time(body);
    request->received_at = number_or_zero(body, "Tmp-Integer-0");
    return NULL;
}

const char *radius_read(struct slice body, struct radius_request *request)
{
    *request = (struct radius_request){0};
    if (body.length > RADIUS_BODY_LIMIT)
        return "too_large";
    json_t *document =
        json_loadb(body.data == NULL ? "" : body.data, body.length, JSON_ALLOW_NUL, NULL);
    const char *problem =
        json_is_object(document) ? read_attributes(document, request) : "malformed_json";
    json_decref(document);
    return problem;
}
