/*
 * Events of security as lines of JSON.  Whatever clients send (names, targets) is
 * escaped and cut, so that an event is one line of at most LINE_BYTES bytes, written
 * whole.  A query is left out: codes of a sign-in travel there.
 */

#include "seclog.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "route.h"
#include "utf8.h"

/* What a pipe takes whole (PIPE_BUF). */
#define LINE_BYTES 4096
#define WINDOW_MS 60000
#define WINDOW_LINES 1000

/* Levels as the OWASP Logging Vocabulary has them.  cheap: a client can cause as many
 * as it likes, so that so many lines must not fill the disk. */
static const struct {
	const char *name;
	const char *level;
	bool cheap;
} events[] = {
    {"authn_login_success", "INFO", false},
    {"authn_login_fail", "WARN", true},
    {"authn_token_created", "INFO", false},
    {"authn_token_reuse", "CRITICAL", true},
    {"authn_token_revoked", "INFO", false},
    {"authz_fail", "CRITICAL", true},
    {"authz_admin", "WARN", false},
    {"user_created", "WARN", false},
    {"user_updated", "WARN", false},
    {"user_deleted", "WARN", false},
};

#define N_EVENTS (sizeof(events) / sizeof(events[0]))

struct line {
	char p[LINE_BYTES];
	size_t len;
};

static pthread_mutex_t window_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	int64_t start; /* monotonic; 0: none yet */
	unsigned lines;
} windows[N_EVENTS];

/* *cheap: N_EVENTS, or which of the cheap ones it is. */
static const char *
level_of(const char *event, size_t *cheap)
{
	size_t i, n = strcspn(event, ":");

	for (i = 0; i < N_EVENTS; i++) {
		if (strlen(events[i].name) != n ||
		    memcmp(events[i].name, event, n) != 0)
			continue;
		*cheap = events[i].cheap ? i : N_EVENTS;
		return events[i].level;
	}
	*cheap = N_EVENTS;
	return "WARN";
}

/* Whether one more line of this cheap event may be written in its window, so that no flood
 * of one hides another; what was left out is told when the next one begins. */
static bool
window_has_room(size_t event)
{
	int64_t now = clock_mono_ms();
	unsigned missed = 0;
	bool room;

	(void)pthread_mutex_lock(&window_lock);
	if (windows[event].start == 0 ||
	    now - windows[event].start >= WINDOW_MS) {
		if (windows[event].lines > WINDOW_LINES)
			missed = windows[event].lines - WINDOW_LINES;
		windows[event].start = now;
		windows[event].lines = 0;
	}
	room = ++windows[event].lines <= WINDOW_LINES;
	(void)pthread_mutex_unlock(&window_lock);
	if (missed > 0)
		log_warn("%u security events %s were not written: more than "
			 "%d in a minute",
		    missed, events[event].name, WINDOW_LINES);
	return room;
}

/* The bytes of the character at s; 0 if they are not UTF-8. */
static size_t
char_len(const char *s)
{
	size_t n;

	for (n = 1; n <= 4; n++)
		if (utf8_ok(s, n))
			return n;
	return 0;
}

/* Append a member with at most max bytes of text. */
static void
put(struct line *l, const char *name, const char *s, size_t max)
{
	size_t end, n;
	unsigned char c;

	l->len += (size_t)snprintf(l->p + l->len, sizeof(l->p) - l->len,
	    "%c\"%s\":\"", l->len == 0 ? '{' : ',', name);
	for (end = l->len + max; *s != '\0' && l->len + 6 <= end; s += n) {
		c = (unsigned char)*s;
		n = char_len(s);
		if (n == 0 || c < 0x20 || c == 0x7f) {
			/* No UTF-8: as if it were Latin-1. */
			l->len +=
			    (size_t)snprintf(l->p + l->len, 7, "\\u%04x", c);
			n = 1;
			continue;
		}
		if (c == '"' || c == '\\')
			l->p[l->len++] = '\\';
		memcpy(l->p + l->len, s, n);
		l->len += n;
	}
	l->p[l->len++] = '"';
}

static void
put_param(struct line *l, const char *name, struct req *r, const char *param,
    size_t max)
{
	const char *s = r != NULL ? req_param(r, param) : NULL;

	put(l, name, s != NULL ? s : "", max);
}

static void
put_time(struct line *l)
{
	char date[CLOCK_TEXT_LEN], text[CLOCK_TEXT_LEN + 8];
	int64_t now = clock_now_ms();

	clock_text(now, date);
	(void)snprintf(
	    text, sizeof(text), "%.19s.%03dZ", date, (int)(now % 1000));
	put(l, "datetime", text, 40);
}

static void
put_target(struct line *l, struct req *r)
{
	const char *target = r != NULL ? req_param(r, "REQUEST_URI") : NULL;
	char path[1024];

	if (r != NULL && r->route != NULL &&
	    (r->route->flags & ROUTE_PRIVATE) != 0)
		target = r->route->path;
	if (target == NULL)
		target = "";
	(void)snprintf(
	    path, sizeof(path), "%.*s", (int)strcspn(target, "?"), target);
	put(l, "request_uri", path, 1000);
}

void
seclog(struct req *r, const char *event, const char *fmt, ...)
{
	struct line l = {.len = 0};
	char description[1024];
	const char *level;
	va_list ap;
	size_t cheap;

	if (event == NULL)
		event = ""; /* there was no memory for it */
	level = level_of(event, &cheap);
	if (cheap < N_EVENTS && !window_has_room(cheap))
		return;
	va_start(ap, fmt);
	(void)vsnprintf(description, sizeof(description), fmt, ap);
	va_end(ap);
	put_time(&l);
	put(&l, "appid", "testflinger", 20);
	put(&l, "level", level, 20);
	put(&l, "event", event, 500);
	put(&l, "description", description, 1000);
	put_param(&l, "source_ip", r, "REMOTE_ADDR", 100);
	put_param(&l, "hostname", r, "HTTP_HOST", 300);
	put_target(&l, r);
	put_param(&l, "request_method", r, "REQUEST_METHOD", 40);
	put_param(&l, "useragent", r, "HTTP_USER_AGENT", 300);
	put(&l, "request_id", r != NULL ? req_id(r) : "", 100);
	l.p[l.len++] = '}';
	l.p[l.len++] = '\n';
	/* Nowhere is left to say that the log cannot be written. */
	if (write(STDERR_FILENO, l.p, l.len) == -1)
		return;
}
