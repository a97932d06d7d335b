/*
 * Counters, gauges and histograms in memory that the supervisor shares with its children: each
 * process writes only its own slot, so there is no lock, and any process can add up all slots and
 * write them in the Prometheus text format 0.0.4.
 */
#ifndef COMMON_METRIC_H
#define COMMON_METRIC_H

#include <stdint.h>

#include "common/buffer.h"

enum { METRIC_SLOTS_LIMIT = 128 };

/* METRIC(identifier, kind, "name", "help"); kind: COUNTER, GAUGE (the sum of all slots), HISTOGRAM
 * (of microseconds, written in seconds). */
#define METRICS(METRIC)                                                                            \
    METRIC(METRIC_CONNECTIONS_OPEN, GAUGE, "bccd_connections_open", "Open client connections.")    \
    METRIC(METRIC_CONNECTIONS_TOTAL, COUNTER, "bccd_connections_total", "Accepted connections.")   \
    METRIC(METRIC_CONNECTIONS_REFUSED, COUNTER, "bccd_connections_refused_total",                  \
           "Connections closed at once because of a cap.")                                         \
    METRIC(METRIC_HANDSHAKES_FAILED, COUNTER, "bccd_tls_handshakes_failed_total",                  \
           "TLS handshakes that failed or ran out of time.")                                       \
    METRIC(METRIC_REQUESTS_2XX, COUNTER, "bccd_requests_success_total", "Answers of 2xx and 3xx.") \
    METRIC(METRIC_REQUESTS_4XX, COUNTER, "bccd_requests_client_error_total", "Answers of 4xx.")    \
    METRIC(METRIC_REQUESTS_5XX, COUNTER, "bccd_requests_server_error_total", "Answers of 5xx.")    \
    METRIC(METRIC_REQUEST_TIME, HISTOGRAM, "bccd_request_duration_seconds",                        \
           "From the end of the request's head to the last byte handed to TLS.")                   \
    METRIC(METRIC_QUERIES, COUNTER, "bccd_database_segments_total", "Pipeline segments sent.")     \
    METRIC(METRIC_QUERIES_FAILED, COUNTER, "bccd_database_segments_failed_total",                  \
           "Segments that ended in an error.")                                                     \
    METRIC(METRIC_QUERY_TIME, HISTOGRAM, "bccd_database_segment_duration_seconds",                 \
           "From leasing a connection to the result of the Sync.")                                 \
    METRIC(METRIC_QUERIES_WAITING, GAUGE, "bccd_database_segments_waiting",                        \
           "Segments that wait for a connection.")                                                 \
    METRIC(METRIC_DATABASE_CONNECTIONS, GAUGE, "bccd_database_connections", "Open connections.")   \
    METRIC(METRIC_EVENTS_ACCEPTED, COUNTER, "bccd_events_accepted_total", "Usage events stored.")  \
    METRIC(METRIC_EVENTS_DUPLICATE, COUNTER, "bccd_events_duplicate_total",                        \
           "Usage events that were there already.")                                                \
    METRIC(METRIC_EVENTS_CONFLICT, COUNTER, "bccd_events_conflict_total",                          \
           "Usage events refused: same key, other content.")                                       \
    METRIC(METRIC_EVENTS_REJECTED, COUNTER, "bccd_events_rejected_total", "Usage events refused.") \
    METRIC(METRIC_EVENTS_QUARANTINED, COUNTER, "bccd_events_quarantined_total",                    \
           "Usage events held in quarantine.")                                                     \
    METRIC(METRIC_PASSWORDS_HASHED, COUNTER, "bccd_passwords_hashed_total", "Password hashes.")    \
    METRIC(METRIC_JOBS_DONE, COUNTER, "bccd_jobs_done_total", "Jobs that ended well.")             \
    METRIC(METRIC_JOBS_FAILED, COUNTER, "bccd_jobs_failed_total", "Attempts of jobs that failed.") \
    METRIC(METRIC_CHILD_RESTARTS, COUNTER, "bccd_process_restarts_total",                          \
           "Children that the supervisor started again.")

#define METRIC_ENUMERATOR(identifier, kind, name, help) identifier,
enum metric { METRICS(METRIC_ENUMERATOR) METRIC_COUNT };
#undef METRIC_ENUMERATOR

/* Maps the shared memory; call once, before the first fork. */
void metric_start(void);

/* Chooses this process's slot, 0 to METRIC_SLOTS_LIMIT - 1; its gauges start again from 0. */
void metric_use_slot(unsigned slot);

void metric_add(enum metric metric, int64_t amount);           /* negative for gauges only */
void metric_observe(enum metric metric, int64_t microseconds); /* 0 and up */
int64_t
metric_value(enum metric metric); /* the sum over all slots; of a histogram, what was observed */

void metric_write_all(struct buffer *text);

#endif
