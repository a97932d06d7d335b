#include "common/slice.h"

static char lower(char character)
{
    return character >= 'A' && character <= 'Z' ? (char)(character - 'A' + 'a') : character;
}

bool slice_is_caseless(struct slice a, const char *text)
{
    struct slice b = slice_of(text);

    if (a.length != b.length)
        return false;
    for (size_t i = 0; i < a.length; i++)
        if (lower(a.data[i]) != lower(b.data[i]))
            return false;
    return true;
}

bool slice_starts_with(struct slice a, const char *prefix)
{
    size_t length = slice_of(prefix).length;

    return a.length >= length && slice_is((struct slice){a.data, length}, prefix);
}

bool slice_split(struct slice *a, char separator, struct slice *before)
{
    const char *found = a->length == 0 ? NULL : memchr(a->data, separator, a->length);

    if (found == NULL)
        return false;
    size_t length = (size_t)(found - a->data);
    *before = (struct slice){a->data, length};
    *a = (struct slice){found + 1, a->length - length - 1};
    return true;
}

static bool blank(char character)
{
    return character == ' ' || character == '\t';
}

struct slice slice_trim(struct slice a)
{
    while (a.length > 0 && blank(a.data[0])) {
        a.data++;
        a.length--;
    }
    while (a.length > 0 && blank(a.data[a.length - 1]))
        a.length--;
    return a;
}

bool slice_to_number(struct slice a, uint64_t maximum, uint64_t *number)
{
    uint64_t value = 0;

    for (size_t i = 0; i < a.length; i++) {
        if (a.data[i] < '0' || a.data[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(a.data[i] - '0');
        if (digit > maximum || value > (maximum - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    if (a.length > 0)
        *number = value;
    return a.length > 0;
}
