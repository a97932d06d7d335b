/*
 * Telling systemd how it goes (sd_notify(3)) over NOTIFY_SOCKET, by hand.
 */
#ifndef DAEMON_PROCESS_NOTIFY_H
#define DAEMON_PROCESS_NOTIFY_H

/* "READY=1", "STOPPING=1"; nothing happens when nobody asked to be told. */
void notify_send(const char *state);

#endif
