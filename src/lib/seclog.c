/* Events of security as lines of JSON. */

#include "seclog.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

/* How serious each event is, by the vocabulary. */
static const struct {
	const char *name;
	const char *level;
} levels[] = {
    {"authn_login_success:", "INFO"},
    {"authn_login_fail:", "WARN"},
    {"authn_token_created:", "INFO"},
    {"authn_token_revoked:", "INFO"},
    {"authn_token_reuse:", "CRITICAL"},
    {"authz_fail:", "CRITICAL"},
    {"authz_admin:", "WARN"},
    {"user_created:", "WARN"},
    {"user_updated:", "WARN"},
    {"user_deleted:", "WARN"},
};

static const char *
level_of(const char *event)
{
	size_t i;

	for (i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (strncmp(event, levels[i].name, strlen(levels[i].name)) == 0)
			return levels[i].level;
	return "WARN";
}

static void
put(struct buf *b, const char *name, const char *value)
{
	buf_printf(b, "%s\"%s\":", b->len == 0 ? "{" : ",", name);
	if (value == NULL)
		value = "";
	/* A header may be any bytes. */
	if (!js_utf8_ok(value, strlen(value)))
		value = "(not UTF-8)";
	js_put_string(b, value, strlen(value));
}

void
seclog(struct req *r, const char *event, const char *fmt, ...)
{
	char host[256] = "", time[CLOCK_TEXT_LEN];
	const char *text;
	struct buf b;
	va_list ap;

	if (event == NULL)
		event = ""; /* there was no memory for it */
	va_start(ap, fmt);
	text = arena_vprintf(r->arena, fmt, ap);
	va_end(ap);
	(void)gethostname(host, sizeof(host) - 1);
	clock_text(clock_now_ms(), time);
	buf_init(&b, r->arena, 512);
	put(&b, "datetime", time);
	put(&b, "appid", "testflinger");
	put(&b, "level", level_of(event));
	put(&b, "event", event);
	put(&b, "description", text);
	put(&b, "source_ip", req_param(r, "REMOTE_ADDR"));
	put(&b, "hostname", host);
	put(&b, "request_method", req_param(r, "REQUEST_METHOD"));
	put(&b, "request_uri", req_param(r, "REQUEST_URI"));
	put(&b, "request_id", req_id(r));
	buf_str(&b, "}\n");
	/* One write, so that lines of several processes do not mix. */
	if (buf_ok(&b) && write(STDERR_FILENO, b.p, b.len) == -1)
		return; /* there is nobody to tell */
}
