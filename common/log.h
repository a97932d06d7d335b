/*
 * One line of JSON an event on standard error: time, level, process, event, then the fields. Never
 * a secret, never a body. Text is escaped and cut at LOG_TEXT_LIMIT bytes.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stdint.h>

enum { LOG_TEXT_LIMIT = 512, LOG_LINE_LIMIT = 4096 };

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

struct log_field {
    const char *name; /* NULL ends a list */
    const char *text; /* NULL: the field is `number` */
    int64_t number;
};

#define log_text(name, value) ((struct log_field){(name), (value) == NULL ? "" : (value), 0})
#define log_number(name, value) ((struct log_field){(name), NULL, (int64_t)(value)})

/* `process` ("supervisor", "worker-1") is kept as a pointer. */
void log_start(const char *process, enum log_level most);
void log_set_level(enum log_level most);
void log_write(enum log_level level, const char *event, const struct log_field *fields);

/* log_info("started", log_number("port", port), ...): an event and any number of fields. */
#define log_at(level, ...) log_list(level, __VA_ARGS__, {0})
#define log_list(level, event, ...) log_write(level, event, (const struct log_field[]){__VA_ARGS__})
#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_at(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
