#include "common/metric.h"

#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/unit.h"

enum { TEXT_LIMIT = 65536, ADDITIONS = 1000, CHILDREN = 3 };

/* Whether the text has this line. */
static bool has_line(const struct buffer *text, const char *line)
{
    struct slice rest = buffer_slice(text);
    struct slice one;

    while (slice_split(&rest, '\n', &one))
        if (slice_is(one, line))
            return true;
    return false;
}

/* Runs `body` in a process of its own, so that tests do not see each other's counts. */
static bool apart(bool (*body)(void))
{
    int status = 1;
    pid_t process = fork();

    if (process == 0)
        _exit(body() ? 0 : 1);
    return waitpid(process, &status, 0) == process && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool count_before_start(void)
{
    metric_use_slot(0);
    metric_add(METRIC_JOBS_DONE, 2);
    metric_observe(METRIC_REQUEST_TIME, 5);
    return metric_value(METRIC_JOBS_DONE) == 2;
}

TEST(metric_counts_before_start)
{
    EXPECT(apart(count_before_start));
}

static void child(unsigned slot)
{
    metric_use_slot(slot);
    for (int i = 0; i < ADDITIONS; i++)
        metric_add(METRIC_REQUESTS_2XX, 1);
    metric_add(METRIC_CONNECTIONS_OPEN, 5);
    metric_add(METRIC_CONNECTIONS_OPEN, -2);
}

static bool processes_add_up(void)
{
    metric_start();
    for (unsigned i = 0; i < CHILDREN; i++)
        if (fork() == 0) {
            child(i + 1);
            _exit(0);
        }
    while (wait(NULL) > 0)
        continue;
    bool good = metric_value(METRIC_REQUESTS_2XX) == (int64_t)CHILDREN * ADDITIONS &&
                metric_value(METRIC_CONNECTIONS_OPEN) == (int64_t)CHILDREN * 3;
    /* A process that takes over a slot starts its gauges again and goes on with its counters. */
    metric_use_slot(METRIC_SLOTS_LIMIT - 1);
    metric_use_slot(1);
    return good && metric_value(METRIC_REQUESTS_2XX) == (int64_t)CHILDREN * ADDITIONS &&
           metric_value(METRIC_CONNECTIONS_OPEN) == (int64_t)(CHILDREN - 1) * 3;
}

TEST(metric_adds_up_processes)
{
    EXPECT(apart(processes_add_up));
}

static bool text_is_prometheus(void)
{
    struct buffer text = buffer_make(TEXT_LIMIT);

    metric_start();
    metric_add(METRIC_JOBS_FAILED, 3);
    metric_observe(METRIC_QUERY_TIME, 100);
    metric_observe(METRIC_QUERY_TIME, 101);
    metric_observe(METRIC_QUERY_TIME, 2000000);
    metric_observe(METRIC_QUERY_TIME, 10000001);
    metric_write_all(&text);
    static const char *const LINES[] = {
        "# HELP bccd_jobs_failed_total Attempts of jobs that failed.",
        "# TYPE bccd_jobs_failed_total counter",
        "bccd_jobs_failed_total 3",
        "# TYPE bccd_connections_open gauge",
        "bccd_connections_open 0",
        "# TYPE bccd_database_segment_duration_seconds histogram",
        "bccd_database_segment_duration_seconds_bucket{le=\"0.0001\"} 1",
        "bccd_database_segment_duration_seconds_bucket{le=\"0.00025\"} 2",
        "bccd_database_segment_duration_seconds_bucket{le=\"1\"} 2",
        "bccd_database_segment_duration_seconds_bucket{le=\"2.5\"} 3",
        "bccd_database_segment_duration_seconds_bucket{le=\"10\"} 3",
        "bccd_database_segment_duration_seconds_bucket{le=\"+Inf\"} 4",
        "bccd_database_segment_duration_seconds_sum 12.000202",
        "bccd_database_segment_duration_seconds_count 4",
    };
    bool good = !buffer_overflowed(&text);
    for (size_t i = 0; i < sizeof LINES / sizeof LINES[0]; i++)
        good = good && has_line(&text, LINES[i]);
    buffer_free(&text);
    return good;
}

TEST(metric_text_is_prometheus)
{
    EXPECT(apart(text_is_prometheus));
}
