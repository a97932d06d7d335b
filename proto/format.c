#include "proto/format.h"

#include <arpa/inet.h>

#include "common/instant.h"
#include "proto/contract.h"
#include "proto/json.h"

enum {
    COUNTER_DIGITS = 20,
    INTEGER_DIGITS = 18,
    FRACTION_DIGITS = 12,
    CURRENCY_LENGTH = 3,
    CODE_LENGTH = 64,
    URL_LENGTH = 500,
    LINE_LENGTH = 64, /* of a login, before the @ */
    TIME_ZONE_LENGTH = 64,
    EXTERNAL_ID_LENGTH = 128, /* characters */
    TAG_LENGTH = 64,
    EMAIL_LENGTH = 254, /* RFC 5321, 4.5.3.1 */
    EMAIL_LOCAL_LENGTH = 64,
    LABEL_LENGTH = 63, /* of a domain name */
    URI_LENGTH = 2048,
    PREFIX_DIGITS = 3, /* of a prefix's length */
    IPV4_BITS = 32,
    IPV6_BITS = 128,
};

#define DIGITS "0123456789"
#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define ALPHANUMERIC LOWER UPPER DIGITS

/* True when `set` holds the character; no set holds NUL. */
static bool within(char character, const char *set)
{
    return character != '\0' && strchr(set, character) != NULL;
}

/* How many characters of the set the text begins with. */
static size_t span(struct slice text, const char *set)
{
    size_t length = 0;

    while (length < text.length && within(text.data[length], set))
        length++;
    return length;
}

/* One to `maximum` characters of the set, and nothing else. */
static bool consists_of(struct slice text, const char *set, size_t maximum)
{
    return text.length >= 1 && text.length <= maximum && span(text, set) == text.length;
}

/* The same, beginning with one of `first`. */
static bool begins_and_consists_of(struct slice text, const char *first, const char *set,
                                   size_t maximum)
{
    return consists_of(text, set, maximum) && within(text.data[0], first);
}

/* No control characters: neither ASCII's nor Unicode's (U+0080 to U+009F, and the line and
 * paragraph separators U+2028 and U+2029). */
static bool is_printable(struct slice text)
{
    const unsigned char *bytes = (const unsigned char *)text.data;

    for (size_t i = 0; i < text.length; i++) {
        if (bytes[i] >= 0x20 && bytes[i] < 0x7f)
            continue;
        if (bytes[i] <= 0x7f)
            return false;
        if (bytes[i] == 0xc2 && i + 1 < text.length && bytes[i + 1] < 0xa0)
            return false;
        if (bytes[i] == 0xe2 && i + 2 < text.length && bytes[i + 1] == 0x80 &&
            (bytes[i + 2] == 0xa8 || bytes[i + 2] == 0xa9))
            return false;
    }
    return true;
}

static struct slice after(struct slice text, size_t length)
{
    return length == 0 ? text : (struct slice){text.data + length, text.length - length};
}

bool format_amount(struct slice text)
{
    size_t integer = span(text, DIGITS);
    struct slice fraction = after(text, integer);

    if (integer < 1 || integer > INTEGER_DIGITS)
        return false;
    return fraction.length == 0 ||
           (fraction.data[0] == '.' && consists_of(after(fraction, 1), DIGITS, FRACTION_DIGITS));
}

bool format_decimal(struct slice text)
{
    return format_amount(slice_starts_with(text, "-") ? after(text, 1) : text);
}

bool format_counter(struct slice text)
{
    return consists_of(text, DIGITS, COUNTER_DIGITS);
}

bool format_currency(struct slice text)
{
    return text.length == CURRENCY_LENGTH && span(text, UPPER) == CURRENCY_LENGTH;
}

bool format_instant(struct slice text)
{
    instant ignored;

    return instant_parse(text, &ignored);
}

bool format_date(struct slice text)
{
    return date_valid(text);
}

bool format_period(struct slice text)
{
    struct period ignored;

    return period_parse(text, &ignored);
}

/* "UTC", or an area and a place. Of what else PostgreSQL would read, an offset by POSIX ("UTC+8")
 * lies on the other side of the world, and an abbreviation ("CST") is America's. */
bool format_time_zone(struct slice text)
{
    struct slice area, place = text;

    if (slice_is(text, "UTC"))
        return true;
    return text.length <= TIME_ZONE_LENGTH && slice_split(&place, '/', &area) &&
           consists_of(area, LOWER UPPER, TIME_ZONE_LENGTH) &&
           begins_and_consists_of(place, LOWER UPPER,
                                  slice_is(area, "Etc") ? ALPHANUMERIC "+-" : LOWER UPPER "/_-",
                                  TIME_ZONE_LENGTH);
}

static bool is_label(struct slice text)
{
    return consists_of(text, ALPHANUMERIC "-", LABEL_LENGTH) && text.data[0] != '-' &&
           text.data[text.length - 1] != '-';
}

/* Two labels at least. */
static bool is_domain(struct slice text)
{
    struct slice label;
    size_t labels = 1;

    for (; slice_split(&text, '.', &label); labels++)
        if (!is_label(label))
            return false;
    return labels >= 2 && is_label(text);
}

/* RFC 5321's dot-string and a domain; quoted local parts and address literals are not taken. */
bool format_email(struct slice text)
{
    struct slice local, atom;

    if (text.length > EMAIL_LENGTH || !slice_split(&text, '@', &local) ||
        local.length > EMAIL_LOCAL_LENGTH || !is_domain(text))
        return false;
    do {
        bool more = slice_split(&local, '.', &atom);

        if (!consists_of(more ? atom : local, ALPHANUMERIC "!#$%&'*+/=?^_`{|}~-",
                         EMAIL_LOCAL_LENGTH))
            return false;
        if (!more)
            return true;
    } while (true);
}

bool format_code(struct slice text)
{
    return begins_and_consists_of(text, LOWER DIGITS, LOWER DIGITS "_-", CODE_LENGTH);
}

/* A host and maybe a port and a path; no user, no query, no fragment, no slash at the end. */
bool format_https_url(struct slice text)
{
    static const char scheme[] = "https://";

    return slice_starts_with(text, scheme) &&
           begins_and_consists_of(after(text, sizeof scheme - 1), ALPHANUMERIC "[",
                                  ALPHANUMERIC "-._~:/%[]", URL_LENGTH) &&
           text.data[text.length - 1] != '/';
}

/* By its look alone: whoever uses them says whether they are. */
bool format_pem_certificates(struct slice text)
{
    return slice_starts_with(text, "-----BEGIN CERTIFICATE-----") &&
           span(text, ALPHANUMERIC "+/=- \r\n") == text.length;
}

bool format_external_id(struct slice text)
{
    size_t characters = json_characters(text);

    return characters >= 1 && characters <= EXTERNAL_ID_LENGTH && is_printable(text);
}

bool format_login(struct slice text)
{
    struct slice line;

    return slice_split(&text, '@', &line) &&
           begins_and_consists_of(line, ALPHANUMERIC, ALPHANUMERIC "._-", LINE_LENGTH) &&
           format_code(text);
}

bool format_asset_tag(struct slice text)
{
    return begins_and_consists_of(text, ALPHANUMERIC, ALPHANUMERIC "._/-", TAG_LENGTH);
}

bool format_property_name(struct slice text)
{
    return begins_and_consists_of(text, ALPHANUMERIC, ALPHANUMERIC "._-", TAG_LENGTH);
}

bool format_serial(struct slice text)
{
    return begins_and_consists_of(text, ALPHANUMERIC, ALPHANUMERIC "._/:+-", TAG_LENGTH);
}

bool format_ipv4(struct slice text)
{
    char terminated[INET_ADDRSTRLEN];
    struct in_addr address;

    if (text.length == 0 || text.length >= sizeof terminated ||
        memchr(text.data, '\0', text.length) != NULL)
        return false;
    memcpy(terminated, text.data, text.length);
    terminated[text.length] = '\0';
    return inet_pton(AF_INET, terminated, &address) == 1;
}

static bool is_ipv6(struct slice text)
{
    char terminated[INET6_ADDRSTRLEN];
    struct in6_addr address;

    if (text.length == 0 || text.length >= sizeof terminated ||
        memchr(text.data, '\0', text.length) != NULL)
        return false;
    memcpy(terminated, text.data, text.length);
    terminated[text.length] = '\0';
    return inet_pton(AF_INET6, terminated, &address) == 1;
}

bool format_ip_address(struct slice text)
{
    return format_ipv4(text) || is_ipv6(text);
}

bool format_ip_prefix(struct slice text)
{
    struct slice address, length = text;
    uint64_t bits;

    if (!slice_split(&length, '/', &address) || !consists_of(length, DIGITS, PREFIX_DIGITS) ||
        (length.length > 1 && length.data[0] == '0'))
        return false;
    return (format_ipv4(address) && slice_to_number(length, IPV4_BITS, &bits)) ||
           (is_ipv6(address) && slice_to_number(length, IPV6_BITS, &bits));
}

bool format_ip_address_or_prefix(struct slice text)
{
    return format_ip_address(text) || format_ip_prefix(text);
}

/* RFC 3986's characters, and escapes that are whole. */
bool format_uri_reference(struct slice text)
{
    static const char SET[] = ALPHANUMERIC "-._~:/?#[]@!$&'()*+,;=%";

    if (!consists_of(text, SET, URI_LENGTH))
        return false;
    for (size_t i = 0; i < text.length; i++)
        if (text.data[i] == '%' &&
            (i + 2 >= text.length || !within(text.data[i + 1], DIGITS "abcdefABCDEF") ||
             !within(text.data[i + 2], DIGITS "abcdefABCDEF")))
            return false;
    return true;
}

bool format_language(struct slice text)
{
    return slice_is(text, "en") || slice_is(text, "zh-CN");
}

bool format_scope(struct slice text)
{
    return contract_permission_known(text);
}

bool format_text_line(struct slice text)
{
    return is_printable(text);
}
