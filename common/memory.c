#include "common/memory.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"

/* The C library may answer NULL for nothing; nobody here should have to tell that from failure. */
static size_t at_least_one(size_t number)
{
    return number == 0 ? 1 : number;
}

static void *granted(void *memory, size_t count, size_t size)
{
    if (memory == NULL) {
        log_error("out-of-memory", log_number("count", count), log_number("size", size));
        abort();
    }
    return memory;
}

void *memory_allocate(size_t count, size_t size)
{
    return granted(calloc(at_least_one(count), at_least_one(size)), count, size);
}

void *memory_resize(void *memory, size_t count, size_t size)
{
    return granted(reallocarray(memory, at_least_one(count), at_least_one(size)), count, size);
}

char *memory_text(const char *text)
{
    return memory_copy(text, strlen(text));
}

char *memory_copy(const void *data, size_t length)
{
    char *copy = memory_allocate(length + 1, 1);

    if (length > 0)
        memcpy(copy, data, length);
    return copy;
}

void memory_free(void *memory)
{
    free(memory);
}

void memory_wipe(void *memory, size_t length)
{
    if (length > 0)
        explicit_bzero(memory, length);
}
