/*
 * Out of a file, escaped, into a buffer.  What fits there is one reply with its
 * length.  Else the buffer is sent whenever it is full.
 */

#include "stream.h"

#include <string.h>

#include "js_escape.h"

#define PIECE ((size_t)32768)
#define ROOM ((size_t)262144)

_Static_assert(ROOM > PIECE * JS_ESCAPED_MAX, "a piece always fits");

struct stream {
	struct worker *w;
	struct req *r;
	struct joblogs *logs;
	char *piece, *out;
	size_t len; /* bytes in out */
	bool whole; /* the reply fits into out */
	bool deaf; /* nobody listens */
	bool failed; /* a log could not be read */
};

/* Whether it cannot but be a long one. */
static bool
is_long(const struct joblogs *logs)
{
	int64_t n = 0;
	size_t i;

	for (i = 0; i < logs->n; i++)
		n += logs->logs[i].left;
	return n > (int64_t)PACE_FREE;
}

/* The most bytes that the reply can have, if it fits at all. */
static size_t
room_for(const struct joblogs *logs, size_t text)
{
	size_t i, n = text;

	for (i = 0; i < logs->n && n <= ROOM; i++)
		n += logs->logs[i].left < (int64_t)ROOM
			 ? (size_t)logs->logs[i].left * JS_ESCAPED_MAX + 2
			 : ROOM + 1;
	return n;
}

struct stream *
stream_begin(struct worker *w, struct req *r, struct joblogs *logs, size_t text)
{
	struct stream *s = arena_alloc(r->arena, sizeof(*s));
	size_t room = room_for(logs, text);
	bool whole = room <= ROOM;

	if (s == NULL || (s->piece = arena_alloc(r->arena, PIECE)) == NULL ||
	    (s->out = arena_alloc(r->arena, whole ? room : ROOM)) == NULL) {
		(void)reply_err(r, ERR_NOMEM);
		return NULL;
	}
	if (is_long(logs) && !reply_may_be_long(r)) {
		(void)reply_err(r, ERR_BUSY);
		return NULL;
	}
	s->w = w;
	s->r = r;
	s->logs = logs;
	s->len = 0;
	s->whole = whole;
	s->failed = s->deaf = false;
	if (!whole) {
		reply_begin(r, 200, "application/json");
		s->deaf = !reply_write(r, "", 0);
	}
	return s;
}

static void
flush(struct stream *s)
{
	s->deaf = !reply_write(s->r, s->out, s->len);
	s->len = 0;
}

void
stream_text(struct stream *s, const char *text, size_t len)
{
	if (!s->whole && s->len + len > ROOM)
		flush(s);
	if (len > ROOM) {
		s->deaf = !reply_write(s->r, text, len);
		return;
	}
	memcpy(s->out + s->len, text, len);
	s->len += len;
}

void
stream_log(struct stream *s, size_t i)
{
	size_t n = 1;

	stream_text(s, "\"", 1);
	while (!s->deaf && !s->failed && n > 0) {
		s->failed = joblog_read(s->w->svc, s->logs, i, s->piece, PIECE,
				&n) != ERR_OK;
		if (s->failed)
			return;
		if (!s->whole && s->len + n * JS_ESCAPED_MAX > ROOM)
			flush(s);
		s->len += js_escape(s->out + s->len, s->piece, n);
	}
	stream_text(s, "\"", 1);
}

int
stream_end(struct stream *s)
{
	if (s->whole)
		return s->failed ? reply_err(s->r, ERR_IO)
				 : reply_json(s->r, 200, s->out, s->len);
	if (!s->failed)
		flush(s);
	return s->failed ? reply_cut(s->r) : reply_end(s->r);
}
