/* Replies, independent of what carries them. */

#include "reply.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "gate.h"
#include "js_escape.h"
#include "log.h"

/* More bytes than so many a client may take slower than we send. */
#define MAY_WAIT 65536
/* Of the threads, one part sends no long replies. */
#define SHARE 4
/* Of a reply, between two looks at its pace. */
#define PIECE ((size_t)262144)

/* The reason phrase (RFC 9110, section 15); some tools show it. */
static const char *
reason(int status)
{
	static const struct {
		int status;
		const char *text;
	} reasons[] = {
	    {200, "OK"},
	    {204, "No Content"},
	    {302, "Found"},
	    {400, "Bad Request"},
	    {401, "Unauthorized"},
	    {403, "Forbidden"},
	    {404, "Not Found"},
	    {405, "Method Not Allowed"},
	    {409, "Conflict"},
	    {410, "Gone"},
	    {413, "Content Too Large"},
	    {415, "Unsupported Media Type"},
	    {422, "Unprocessable Content"},
	    {429, "Too Many Requests"},
	    {500, "Internal Server Error"},
	    {501, "Not Implemented"},
	    {502, "Bad Gateway"},
	    {503, "Service Unavailable"},
	    {504, "Gateway Timeout"},
	};
	size_t i;

	for (i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "Other";
}

bool
reply_may_be_long(const struct req *r)
{
	return r->io->set_timeout == NULL || pace_room(gate_rest(SHARE));
}

/* Who holds a place must be able to lose it, also while nothing goes out. */
static bool
go_on(struct req *r)
{
	bool first = !r->pace.place;

	if (r->io->set_timeout == NULL)
		return true;
	if (!pace_go_on(&r->pace, gate_rest(SHARE), clock_mono_ms()))
		return false;
	if (first && r->pace.place)
		r->io->set_timeout(r->ctx, PACE_GRACE_MS);
	return true;
}

/* A part of the body.  What does not go out to its end is broken off, and nobody is
 * waited for at its end. */
static bool
send_body(struct req *r, const char *p, size_t n)
{
	size_t part, room;

	for (; n > 0 && !r->deaf; p += part, n -= part) {
		/* Nobody waits for a client before the look at PACE_FREE. */
		room =
		    r->pace.sent < PACE_FREE ? PACE_FREE - r->pace.sent : PIECE;
		part = n < room ? n : room;
		r->deaf = !go_on(r) || !r->io->write(r->ctx, p, part);
		r->pace.sent += part;
	}
	if (r->deaf && r->pace.sent > PACE_FREE) {
		log_info(
		    "a long reply is broken off: its client has gone or is "
		    "too slow, or there are too many");
		r->io->cut(r->ctx);
	}
	return !r->deaf;
}

int
reply(struct req *r, int status, const char *type, const char *headers,
    const char *body, size_t len)
{
	char head[512];
	int n;

	if (len > PACE_FREE && !reply_may_be_long(r))
		return reply_err(r, ERR_BUSY);
	n = snprintf(
	    head, sizeof(head), "Status: %d %s\r\n", status, reason(status));
	if (status != 204)
		n += snprintf(head + n, sizeof(head) - (size_t)n,
		    "Content-Type: %s\r\nContent-Length: %zu\r\n", type, len);
	r->status = status;
	if (len > MAY_WAIT)
		gate_leave();
	/* A client that has gone shows here; what it asked for has been done.
	 */
	if (!r->io->write(r->ctx, head, (size_t)n) ||
	    (headers != NULL &&
		!r->io->write(r->ctx, headers, strlen(headers))) ||
	    !r->io->write(r->ctx, "\r\n", 2))
		return status;
	if (status != 204 && r->method != METHOD_HEAD)
		(void)send_body(r, body, len);
	pace_end(&r->pace);
	return status;
}

void
reply_begin(struct req *r, int status, const char *type)
{
	char head[256];
	int n;

	n = snprintf(head, sizeof(head),
	    "Status: %d %s\r\nContent-Type: %s\r\n\r\n", status, reason(status),
	    type);
	r->status = status;
	gate_leave();
	r->deaf =
	    !r->io->write(r->ctx, head, (size_t)n) || r->method == METHOD_HEAD;
}

bool
reply_write(struct req *r, const void *p, size_t n)
{
	return !r->deaf && send_body(r, p, n);
}

int
reply_end(struct req *r)
{
	pace_end(&r->pace);
	return r->status;
}

int
reply_cut(struct req *r)
{
	pace_end(&r->pace);
	r->io->cut(r->ctx);
	return r->status;
}

int
reply_json(struct req *r, int status, const char *json, size_t len)
{
	return reply(r, status, "application/json", NULL, json, len);
}

int
reply_file(
    struct req *r, const char *type, const char *headers, const char *path)
{
	char *all =
	    arena_printf(r->arena, "X-Accel-Redirect: " REPLY_FILES "%s\r\n%s",
		path, headers != NULL ? headers : "");

	if (all == NULL)
		return reply_err(r, ERR_NOMEM);
	return reply(r, 200, type, all, "", 0);
}

int
reply_gzipped_file(
    struct req *r, const char *type, const char *headers, const char *path)
{
	char *all = arena_printf(r->arena,
	    "X-Accel-Redirect: " REPLY_GZIPPED "%s\r\n%s", path, headers);

	if (all == NULL)
		return reply_err(r, ERR_NOMEM);
	return reply(r, 200, type, all, "", 0);
}

int
reply_text(struct req *r, int status, const char *text)
{
	return reply(
	    r, status, "text/html; charset=utf-8", NULL, text, strlen(text));
}

int
reply_empty(struct req *r, int status)
{
	return reply(r, status, "text/html; charset=utf-8", NULL, "", 0);
}

static int
reply_message_headers(
    struct req *r, int status, const char *headers, const char *message)
{
	static const char no_memory[] =
	    "{\"detail\":{},\"message\":\"out of memory\"}\n";
	struct buf b;

	buf_init(&b, r->arena, strlen(message) + 64);
	buf_str(&b, "{\"detail\":{},\"message\":");
	js_put_string(&b, message, strlen(message));
	buf_str(&b, "}\n");
	if (!buf_ok(&b))
		return reply(r, 503, "application/json", "Retry-After: 5\r\n",
		    no_memory, sizeof(no_memory) - 1);
	return reply(r, status, "application/json", headers, b.p, b.len);
}

int
reply_message(struct req *r, int status, const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	text = arena_vprintf(r->arena, fmt, ap);
	va_end(ap);
	return reply_message_headers(
	    r, status, NULL, text != NULL ? text : "out of memory");
}

int
reply_err(struct req *r, enum err e)
{
	char retry[64];
	int status = err_status(e);

	if (e == ERR_GONE)
		return reply_message_headers(r, 400, NULL,
		    "The body is shorter than its Content-Length");
	if (e == ERR_TOOBIG)
		return reply_message_headers(r, 413, NULL, "Payload too large");
	(void)snprintf(
	    retry, sizeof(retry), "Retry-After: %d\r\n", ERR_RETRY_AFTER_S);
	return reply_message_headers(r, status, status == 503 ? retry : NULL,
	    status == 503 ? ERR_UNAVAILABLE : err_text(e));
}

int
reply_faults_of(struct req *r, const char *part, const struct faults *f)
{
	const char *json = faults_json(f);
	struct buf b;

	if (json == NULL)
		return reply_err(r, ERR_NOMEM);
	buf_init(&b, r->arena, 512);
	buf_printf(&b, "{\"detail\":{\"%s\":", part);
	buf_str(&b, json);
	buf_str(&b, "},\"message\":\"Validation error\"}\n");
	return buf_ok(&b) ? reply_json(r, 422, b.p, b.len)
			  : reply_err(r, ERR_NOMEM);
}

int
reply_faults(struct req *r, const struct faults *f)
{
	return reply_faults_of(r, "json", f);
}
