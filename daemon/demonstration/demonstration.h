/*
 * The demonstration: a client of the public API that makes parks, enterprises, a catalog, resources
 * and two months of usage, bills and closes both months in order, and has the books exported.
 * Deterministic: the same month gives the same amounts. Run again it finds what is there and
 * changes nothing.
 */
#ifndef DAEMON_DEMONSTRATION_DEMONSTRATION_H
#define DAEMON_DEMONSTRATION_DEMONSTRATION_H

/* The command `bccd demo`; see its --help. The exit status of the process. */
int demonstration_run(int count, char **arguments);

#endif
