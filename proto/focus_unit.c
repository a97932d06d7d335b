/*
 * Units in FOCUS's unit format: "GB", "API Calls", "Seat-Days", "GB/Hour", "1000 Requests",
 * "GB/5 Minutes".
 */
#include "proto/focus.h"

#include <stdio.h>

static const char *const sizes[] = {
    "b",  "Kb",  "Mb",  "Gb",  "Tb",  "Pb",  "Eb",  "B",   "KB",  "MB",  "GB",  "TB",  "PB",
    "EB", "Kib", "Mib", "Gib", "Tib", "Pib", "Eib", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB",
};

static const char *const times[] = {"Year", "Month", "Day", "Hour", "Minute", "Second"};

static bool is_upper(char character)
{
    return character >= 'A' && character <= 'Z';
}

static bool is_digit(char character)
{
    return character >= '0' && character <= '9';
}

static bool is_letter_or_digit(char character)
{
    return is_upper(character) || is_digit(character) || (character >= 'a' && character <= 'z');
}

/* A size, or words that begin with a capital each. */
static bool counts(struct slice text)
{
    bool start = true;

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        if (slice_is(text, sizes[i]))
            return true;
    for (size_t i = 0; i < text.length; i++) {
        if (start ? !is_upper(text.data[i])
                  : !is_letter_or_digit(text.data[i]) && text.data[i] != ' ')
            return false;
        start = text.data[i] == ' ';
    }
    return !start;
}

static bool is_time(struct slice text, bool plural)
{
    if (plural && (text.length == 0 || text.data[text.length - 1] != 's'))
        return false;
    text.length -= plural;
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        if (slice_is(text, times[i]))
            return true;
    return false;
}

/* Takes "12 " from the front; false when it does not stand there. */
static bool take_factor(struct slice *text)
{
    size_t digits = 0;

    while (digits < text->length && is_digit(text->data[digits]))
        digits++;
    if (digits == 0 || digits == text->length || text->data[digits] != ' ')
        return false;
    *text = (struct slice){text->data + digits + 1, text->length - digits - 1};
    return true;
}

bool focus_unit_valid(const char *unit)
{
    struct slice rest = slice_of(unit), before;

    if (slice_split(&rest, '/', &before)) {
        bool several = take_factor(&rest);
        return counts(before) && is_time(rest, several);
    }
    if (slice_split(&rest, '-', &before))
        return counts(before) && is_time(rest, true);
    take_factor(&rest);
    return counts(rest);
}

void focus_unit(const char *unit, char text[FOCUS_UNIT_SIZE])
{
    size_t length = 0;
    bool start = true;

    if (unit != NULL && strlen(unit) < FOCUS_UNIT_SIZE && focus_unit_valid(unit)) {
        snprintf(text, FOCUS_UNIT_SIZE, "%s", unit);
        return;
    }
    for (const char *at = unit == NULL ? "" : unit; *at != '\0' && length < FOCUS_UNIT_SIZE - 2;
         at++) {
        if (!is_letter_or_digit(*at)) {
            start = true;
        } else if (!start || !is_digit(*at)) {
            if (start && length > 0)
                text[length++] = ' ';
            text[length++] = start && !is_upper(*at) ? (char)(*at - 'a' + 'A') : *at;
            start = false;
        }
    }
    text[length] = '\0';
    if (length == 0)
        snprintf(text, FOCUS_UNIT_SIZE, "Units");
}
