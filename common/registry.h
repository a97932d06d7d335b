/*
 * Objects by number: what crosses an asynchronous gap is the number, and the object may be gone
 * when the answer comes. Numbers are never used twice in a process.
 */
#ifndef COMMON_REGISTRY_H
#define COMMON_REGISTRY_H

#include <stddef.h>
#include <stdint.h>

struct registry;

struct registry *registry_new(void);
void registry_free(struct registry **registry); /* frees no object */

uint64_t registry_add(struct registry *registry, void *object);        /* 1 and up */
void *registry_find(const struct registry *registry, uint64_t number); /* NULL when gone */
void registry_remove(struct registry *registry, uint64_t number);
size_t registry_count(const struct registry *registry);

/* Calls `visit` for each object; `visit` may remove the object that it is given. */
void registry_each(struct registry *registry, void (*visit)(void *object, void *context),
                   void *context);

#endif
