#ifndef LOG_H
#define LOG_H

#include <stdbool.h>

/*
 * One line for one event, to stderr, in logfmt:
 *   <3>time=2026-11-24T10:00:00.123Z level=error prog=tf-job pid=7 req=… msg="…"
 * with the priority prefix that systemd reads.  A line is one write(2), so
 * lines of several processes never mix; control characters are escaped and the
 * message is cut at 2000 bytes.
 */

enum log_level { LOG_LVL_ERROR, LOG_LVL_WARN, LOG_LVL_INFO, LOG_LVL_DEBUG };

/* The name on each line (a constant) and the most talkative level shown. */
void log_setup(const char *prog, enum log_level most);

/* Whether lines of this level are shown; for what is dear to gather. */
bool log_shows(enum log_level level);

/* The request id on the lines of this thread from now on; NULL for none.
 * The text must live until the next call. */
void log_request(const char *id);

/* The request id of this thread, or "". */
const char *log_request_id(void);

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* As log_error, followed by ": " and the text of errno. */
void log_errno(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif /* !LOG_H */
