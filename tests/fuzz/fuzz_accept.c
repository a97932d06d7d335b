/*
 * Accept fields: names come in their order out of the list itself, each weight is within its
 * bounds, and a list written from what was read is read as the same.
 */
#include "common/buffer.h"
#include "common/check.h"
#include "proto/accept.h"

enum { WRITTEN_LIMIT = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Appends each name of the list with its weight, to a thousandth. */
static void write_list(struct buffer *written, struct slice list)
{
    const char *end = list.data;
    struct slice name;
    unsigned weight;

    while (accept_next(&list, &name, &weight)) {
        check(weight <= ACCEPT_WEIGHT_MOST);
        check(name.length == 0 || name.data >= end);
        end = name.length == 0 ? end : name.data + name.length;
        buffer_append_slice(written, name);
        buffer_append_format(written, ";q=%u.%03u,", weight / ACCEPT_WEIGHT_MOST,
                             weight % ACCEPT_WEIGHT_MOST);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = {(const char *)data, size};
    struct buffer first = buffer_make(WRITTEN_LIMIT), second = buffer_make(WRITTEN_LIMIT);

    write_list(&first, input);
    write_list(&second, buffer_slice(&first));
    check(!buffer_overflowed(&first) && !buffer_overflowed(&second));
    check(slice_equal(buffer_slice(&first), buffer_slice(&second)));
    check(accept_weight(input, "br", 0) == accept_weight(buffer_slice(&first), "br", 0));
    buffer_free(&first);
    buffer_free(&second);
    return 0;
}
