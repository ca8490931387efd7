/* Lines of logfmt on stderr, each in one write. */

#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MESSAGE_MAX 2000

static const char *prog = "testflinger";
static enum log_level most = LOG_LVL_INFO;
static _Thread_local const char *request = "";

/* syslog(3) priorities, as systemd reads them at the start of a line. */
static const struct {
	const char *name;
	int priority;
} levels[] = {
    [LOG_LVL_ERROR] = {"error", 3},
    [LOG_LVL_WARN] = {"warn", 4},
    [LOG_LVL_INFO] = {"info", 6},
    [LOG_LVL_DEBUG] = {"debug", 7},
};

void
log_setup(const char *name, enum log_level level)
{
	prog = name;
	most = level;
}

bool
log_shows(enum log_level level)
{
	return level <= most;
}

void
log_request(const char *id)
{
	request = id != NULL ? id : "";
}

const char *
log_request_id(void)
{
	return request;
}

/* s into out as it may stand between double quotes: a message holds text
 * from clients, which must not start a line or a terminal sequence. */
static size_t
escape(char *out, size_t room, const char *s)
{
	static const char hex[] = "0123456789abcdef";
	size_t n = 0;
	unsigned char c;

	for (; *s != '\0' && n + 4 < room; s++) {
		c = (unsigned char)*s;
		if (c == '"' || c == '\\') {
			out[n++] = '\\';
			out[n++] = (char)c;
		} else if (c < 0x20 || c == 0x7f) {
			out[n++] = '\\';
			out[n++] = 'x';
			out[n++] = hex[c >> 4];
			out[n++] = hex[c & 15];
		} else {
			out[n++] = (char)c;
		}
	}
	out[n] = '\0';
	return n;
}

__attribute__((format(printf, 3, 0))) static void
line(enum log_level level, int error, const char *fmt, va_list ap)
{
	char message[MESSAGE_MAX], text[MESSAGE_MAX + 256], req[96];
	char out[MESSAGE_MAX + 512];
	struct timespec t;
	struct tm tm;
	size_t used;
	int n;

	if (!log_shows(level))
		return;
	n = vsnprintf(message, sizeof(message), fmt, ap);
	used = n < 0 ? 0 : (size_t)n;
	if (error != 0 && used < sizeof(message) - 1)
		(void)snprintf(message + used, sizeof(message) - used, ": %s",
		    strerrordesc_np(error) != NULL ? strerrordesc_np(error)
						   : "unknown error");
	(void)escape(text, sizeof(text), message);
	(void)escape(req, sizeof(req), request);
	(void)clock_gettime(CLOCK_REALTIME, &t);
	(void)gmtime_r(&t.tv_sec, &tm);
	n = snprintf(out, sizeof(out),
	    "<%d>time=%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ level=%s prog=%s "
	    "pid=%ld%s%s msg=\"%s\"\n",
	    levels[level].priority, tm.tm_year + 1900, tm.tm_mon + 1,
	    tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, t.tv_nsec / 1000000,
	    levels[level].name, prog, (long)getpid(),
	    req[0] != '\0' ? " req=" : "", req, text);
	if (n <= 0)
		return;
	if ((size_t)n >= sizeof(out)) {
		n = (int)sizeof(out) - 1;
		out[n - 2] = '"';
		out[n - 1] = '\n';
	}
	/* Nowhere is left to say that the log cannot be written. */
	if (write(STDERR_FILENO, out, (size_t)n) == -1)
		return;
}

#define LOG_FUNCTION(name, level, error)                                       \
	void name(const char *fmt, ...)                                        \
	{                                                                      \
		int saved = errno;                                             \
		va_list ap;                                                    \
                                                                               \
		va_start(ap, fmt);                                             \
		line(level, error, fmt, ap);                                   \
		va_end(ap);                                                    \
		errno = saved;                                                 \
	}

LOG_FUNCTION(log_error, LOG_LVL_ERROR, 0)
LOG_FUNCTION(log_warn, LOG_LVL_WARN, 0)
LOG_FUNCTION(log_info, LOG_LVL_INFO, 0)
LOG_FUNCTION(log_debug, LOG_LVL_DEBUG, 0)
LOG_FUNCTION(log_errno, LOG_LVL_ERROR, errno)
