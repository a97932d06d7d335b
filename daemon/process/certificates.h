/*
 * The certificates that bccd makes where none are configured, below STATE/tls: an authority of its
 * own (ca.pem), the server's certificate (server.pem) and that of a RADIUS server as a client
 * (radius-client.pem, common name "radius"), each with its key.
 */
#ifndef DAEMON_PROCESS_CERTIFICATES_H
#define DAEMON_PROCESS_CERTIFICATES_H

#include <stdbool.h>

#include "common/option.h"
#include "daemon/process/settings.h"

/* Makes what is missing, then reads all that is configured as a worker would. False with one line
 * that says what is wrong and how to mend it. */
bool certificates_prepare(const struct settings *settings, char problem[OPTION_PROBLEM_SIZE]);

#endif
