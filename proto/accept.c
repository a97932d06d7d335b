#include "proto/accept.h"

/* "0.8" as 800; 0 for what is no weight. */
static unsigned read_weight(struct slice text)
{
    unsigned weight, digit = ACCEPT_WEIGHT_MOST / 10;

    if (text.length < 1 || (text.data[0] != '0' && text.data[0] != '1') ||
        (text.length > 1 && text.data[1] != '.'))
        return 0;
    weight = text.data[0] == '1' ? ACCEPT_WEIGHT_MOST : 0;
    for (size_t i = 2; i < text.length; i++, digit /= 10) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return 0;
        weight += (unsigned)(text.data[i] - '0') * digit;
    }
    return weight > ACCEPT_WEIGHT_MOST ? 0 : weight;
}

static unsigned find_weight(struct slice parameters)
{
    struct slice parameter;
    bool more = true;

    while (more) {
        more = slice_split(&parameters, ';', &parameter);
        parameter = slice_trim(more ? parameter : parameters);
        if (slice_starts_with(parameter, "q=") || slice_starts_with(parameter, "Q="))
            return read_weight((struct slice){parameter.data + 2, parameter.length - 2});
    }
    return ACCEPT_WEIGHT_MOST;
}

bool accept_next(struct slice *list, struct slice *name, unsigned *weight)
{
    struct slice item;

    if (list->length == 0)
        return false;
    if (!slice_split(list, ',', &item)) {
        item = *list;
        list->length = 0;
    }
    *weight = ACCEPT_WEIGHT_MOST;
    if (slice_split(&item, ';', name))
        *weight = find_weight(item);
    else
        *name = item;
    *name = slice_trim(*name);
    return true;
}

unsigned accept_weight(struct slice list, const char *name, unsigned otherwise)
{
    struct slice item;
    unsigned weight;

    while (accept_next(&list, &item, &weight)) {
        if (slice_is_caseless(item, name))
            return weight;
        if (slice_is(item, "*"))
            otherwise = weight;
    }
    return otherwise;
}
