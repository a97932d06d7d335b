/*
 * Assertions for what the programmer promised. They stay on in every build: a broken promise ends
 * the process, which the supervisor restarts, and every transaction under way rolls back. What the
 * world sends is never checked with these; it gets an error.
 */
#ifndef COMMON_CHECK_H
#define COMMON_CHECK_H

_Noreturn void check_failed(const char *expression, const char *file, int line);

#define check(expression) ((expression) ? (void)0 : check_failed(#expression, __FILE__, __LINE__))

/* The first field of a long-lived struct is `unsigned magic`; every entry point checks it. */
#define check_magic(object, value) check((object) != NULL && (object)->magic == (value))

#endif
