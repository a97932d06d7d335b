#include "common/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/memory.h"

/* Under AddressSanitizer each piece is a block of its own, so that reading past it is found. */
#ifdef __SANITIZE_ADDRESS__
#define PIECES_APART
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define PIECES_APART
#endif
#endif

#ifdef PIECES_APART
enum { BLOCK_SIZE = 0 };
#else
enum { BLOCK_SIZE = 8192 };
#endif

enum { ARENA_MAGIC = 0x4152454e };

struct block {
    struct block *next;
    size_t size;
    size_t used;
    _Alignas(max_align_t) char bytes[];
};

struct arena {
    unsigned magic;
    struct block *blocks; /* the first is the one being filled */
    size_t used;
};

struct arena *arena_new(void)
{
    struct arena *arena = memory_allocate(1, sizeof *arena);

    arena->magic = ARENA_MAGIC;
    return arena;
}

void arena_free(struct arena **arena)
{
    if (*arena == NULL)
        return;
    check_magic(*arena, ARENA_MAGIC);
    for (struct block *block = (*arena)->blocks, *next; block != NULL; block = next) {
        next = block->next;
        memory_free(block);
    }
    (*arena)->magic = 0;
    memory_free(*arena);
    *arena = NULL;
}

static size_t aligned(size_t offset)
{
    return (offset + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
}

static bool fits(const struct block *block, size_t size)
{
    size_t offset = aligned(block->used);

    return offset <= block->size && size <= block->size - offset;
}

/* A piece larger than a block goes behind the block being filled, whose rest stays in use. */
static struct block *block_for(struct arena *arena, size_t size)
{
    struct block *first = arena->blocks;

    if (first != NULL && fits(first, size))
        return first;
    size_t block_size = size > BLOCK_SIZE ? size : BLOCK_SIZE;
    struct block *block = memory_resize(NULL, 1, sizeof *block + block_size);
    block->size = block_size;
    block->used = 0;
    struct block **link = first != NULL && size > BLOCK_SIZE ? &first->next : &arena->blocks;
    block->next = *link;
    *link = block;
    return block;
}

void *arena_allocate(struct arena *arena, size_t count, size_t size)
{
    size_t total = 0;

    check_magic(arena, ARENA_MAGIC);
    check(!__builtin_mul_overflow(count, size, &total));
    check(total <= PTRDIFF_MAX);
    struct block *block = block_for(arena, total);
    size_t offset = aligned(block->used);
    block->used = offset + total;
    arena->used += total;
    return memset(block->bytes + offset, 0, total);
}

char *arena_copy(struct arena *arena, struct slice bytes)
{
    char *copy = arena_allocate(arena, bytes.length + 1, 1);

    if (bytes.length > 0)
        memcpy(copy, bytes.data, bytes.length);
    return copy;
}

char *arena_text(struct arena *arena, const char *text)
{
    return arena_copy(arena, slice_of(text));
}

char *arena_format(struct arena *arena, const char *format, ...)
{
    va_list arguments;
    va_list again;

    check(format != NULL);
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    check(length >= 0);
    char *text = arena_allocate(arena, (size_t)length + 1, 1);
    vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

size_t arena_used(const struct arena *arena)
{
    check_magic(arena, ARENA_MAGIC);
    return arena->used;
}
