#include "daemon/net/tally.h"

#include <stddef.h>

#include "common/check.h"
#include "common/digest.h"
#include "common/memory.h"

enum { TALLY_MAGIC = 0x54414c59, BUCKET_BITS = 12, KEY_BITS = 64 };

struct tally_entry {
    struct tally_entry *next;
    uint64_t key;
    int64_t count;
};

struct tally {
    unsigned magic;
    uint64_t seed; /* so that nobody can choose addresses of one bucket */
    struct tally_entry *buckets[1 << BUCKET_BITS];
};

struct tally *tally_new(void)
{
    struct tally *tally = memory_allocate(1, sizeof *tally);

    tally->magic = TALLY_MAGIC;
    random_bytes(&tally->seed, sizeof tally->seed);
    return tally;
}

void tally_free(struct tally **tally)
{
    if (*tally == NULL)
        return;
    check_magic(*tally, TALLY_MAGIC);
    for (size_t i = 0; i < 1U << BUCKET_BITS; i++) {
        while ((*tally)->buckets[i] != NULL) {
            struct tally_entry *entry = (*tally)->buckets[i];
            (*tally)->buckets[i] = entry->next;
            memory_free(entry);
        }
    }
    memory_free(*tally);
    *tally = NULL;
}

/* Where the entry of that key hangs, or would. The key is mixed by the finalizer of MurmurHash3
 * (Appleby), seeded. */
static struct tally_entry **place_of(struct tally *tally, uint64_t key)
{
    uint64_t hash = key ^ tally->seed;

    hash = (hash ^ hash >> 33) * UINT64_C(0xff51afd7ed558ccd);
    hash = (hash ^ hash >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    struct tally_entry **place = &tally->buckets[hash >> (KEY_BITS - BUCKET_BITS)];
    while (*place != NULL && (*place)->key != key)
        place = &(*place)->next;
    return place;
}

bool tally_add(struct tally *tally, uint64_t key, int64_t limit)
{
    check_magic(tally, TALLY_MAGIC);
    struct tally_entry **place = place_of(tally, key);

    if (*place == NULL) {
        if (limit <= 0)
            return false;
        *place = memory_allocate(1, sizeof **place);
        (*place)->key = key;
    }
    if ((*place)->count >= limit)
        return false;
    (*place)->count++;
    return true;
}

void tally_remove(struct tally *tally, uint64_t key)
{
    check_magic(tally, TALLY_MAGIC);
    struct tally_entry **place = place_of(tally, key);

    check(*place != NULL);
    struct tally_entry *entry = *place;
    check(entry->count > 0);
    if (--entry->count > 0)
        return;
    *place = entry->next;
    memory_free(entry);
}
