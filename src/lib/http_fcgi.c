/* libfcgi's streams as the carrier of a request. */

#include "http_fcgi.h"

#include <errno.h>
#include <fcgiapp.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include "clock.h"
#include "fcgi_record.h"

/* Of the threads that answer late, so many may wait for slow clients. */
#define LATE_LONG 4

/* The library sends records of 8 KiB; what is bigger than this goes past it. */
#define BIG ((size_t)16384)

static const char *
fcgi_param(void *ctx, const char *name)
{
	return FCGX_GetParam(name, ((FCGX_Request *)ctx)->envp);
}

static size_t
fcgi_read(void *ctx, char *buf, size_t n)
{
	int got;

	got = FCGX_GetStr(
	    buf, n > INT_MAX ? INT_MAX : (int)n, ((FCGX_Request *)ctx)->in);
	return got > 0 ? (size_t)got : 0;
}

/* nginx hung up in mid-body: the stream ends early and carries an error. */
static bool
fcgi_broken(void *ctx)
{
	return FCGX_GetError(((FCGX_Request *)ctx)->in) != 0;
}

static bool
write_parts(int fd, struct iovec *v, int n_parts)
{
	ssize_t n;

	while (n_parts > 0) {
		n = writev(fd, v, n_parts);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return false;
		for (; n_parts > 0 && (size_t)n >= v->iov_len; v++, n_parts--)
			n -= (ssize_t)v->iov_len;
		if (n_parts > 0) {
			v->iov_base = (char *)v->iov_base + n;
			v->iov_len -= (size_t)n;
		}
	}
	return true;
}

/* The n bytes at buf as records; tail goes with the last of them. */
static bool
write_records(const struct http_conn *c, const char *buf, size_t n,
    const void *tail, size_t tail_len)
{
	static const char zeros[FCGI_RECORD_HEAD];
	unsigned char head[FCGI_RECORD_HEAD];
	struct iovec v[4];
	size_t part, padding;

	for (; n > 0; n -= part, buf += part) {
		part = n < FCGI_RECORD_MAX ? n : FCGI_RECORD_MAX;
		padding = (FCGI_RECORD_HEAD - part % FCGI_RECORD_HEAD) %
			  FCGI_RECORD_HEAD;
		fcgi_record_stdout(head, c->request, part, padding);
		v[0] = (struct iovec){head, sizeof(head)};
		v[1] = (struct iovec){(char *)buf, part};
		v[2] = (struct iovec){(char *)zeros, padding};
		v[3] = (struct iovec){
		    (void *)(uintptr_t)tail, part == n ? tail_len : 0};
		if (!write_parts(c->fd, v, 4))
			return false;
	}
	return true;
}

/* Records of our own, behind those of the library, which has none begun after
 * it was flushed. */
static bool
write_big(FCGX_Request *fr, const char *buf, size_t n)
{
	struct http_conn c = {fr->ipcFd, (unsigned)fr->requestId};

	return FCGX_FFlush(fr->out) == 0 && write_records(&c, buf, n, NULL, 0);
}

static bool
fcgi_write(void *ctx, const char *buf, size_t n)
{
	FCGX_Stream *out = ((FCGX_Request *)ctx)->out;
	int part;

	if (n > BIG)
		return write_big(ctx, buf, n);
	while (n > 0) {
		part = n > INT_MAX ? INT_MAX : (int)n;
		if (FCGX_PutStr(buf, part, out) != part)
			return false;
		buf += part;
		n -= (size_t)part;
	}
	return true;
}

static void
set_timeout(int fd, int ms)
{
	struct timeval t = {ms / 1000, (suseconds_t)(ms % 1000) * 1000};

	/* On a socket of ours it cannot fail. */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
}

static void
fcgi_set_timeout(void *ctx, int ms)
{
	set_timeout(((FCGX_Request *)ctx)->ipcFd, ms);
}

/* The connection ends without FCGI_END_REQUEST, and so does the client's. */
static void
fcgi_cut(void *ctx)
{
	(void)shutdown(((FCGX_Request *)ctx)->ipcFd, SHUT_RDWR);
}

/*
 * The library keeps 17 KB for each request, and all of it goes.  The end of the body must
 * have been read: what lies unread at the close of a Unix socket is an error at the
 * other end, which might then not read the answer.
 */
static bool
fcgi_detach(void *ctx, struct http_conn *out)
{
	FCGX_Request *fr = ctx;
	char byte;

	if (fr->keepConnection || FCGX_GetStr(&byte, 1, fr->in) != 0 ||
	    FCGX_GetError(fr->in) != 0)
		return false;
	*out = (struct http_conn){fr->ipcFd, (unsigned)fr->requestId};
	FCGX_Free(fr, 0);
	fr->ipcFd = -1;
	return true;
}

const struct http_io http_fcgi = {
    .param = fcgi_param,
    .read = fcgi_read,
    .broken = fcgi_broken,
    .write = fcgi_write,
    .cut = fcgi_cut,
    .detach = fcgi_detach,
    .set_timeout = fcgi_set_timeout,
};

bool
http_fcgi_gone(const struct http_conn *c)
{
	struct pollfd p = {.fd = c->fd, .events = POLLRDHUP};

	return poll(&p, 1, 0) == 1;
}

void
http_fcgi_begin(
    struct http_fcgi_late *l, const struct http_conn *c, struct arena *a)
{
	l->conn = *c;
	buf_init(&l->out, a, 256);
}

static const char *
late_param(void *ctx, const char *name)
{
	(void)ctx;
	(void)name;
	return NULL;
}

static size_t
late_read(void *ctx, char *buf, size_t n)
{
	(void)ctx;
	(void)buf;
	(void)n;
	return 0;
}

static bool
late_broken(void *ctx)
{
	(void)ctx;
	return false;
}

static bool
late_write(void *ctx, const char *buf, size_t n)
{
	struct http_fcgi_late *l = ctx;

	buf_add(&l->out, buf, n);
	return buf_ok(&l->out);
}

static void
late_cut(void *ctx)
{
	(void)shutdown(((struct http_fcgi_late *)ctx)->conn.fd, SHUT_RDWR);
}

/* At the pace of long replies. */
static bool
send_late(const struct http_conn *c, const char *p, size_t n, const void *tail,
    size_t tail_len)
{
	struct pace pace = {0};
	bool sent = true;
	size_t part;

	set_timeout(c->fd, PACE_GRACE_MS);
	for (; n > 0 && sent; p += part, n -= part) {
		part = n < FCGI_RECORD_MAX ? n : FCGI_RECORD_MAX;
		sent =
		    pace_go_on(&pace, LATE_LONG, clock_mono_ms()) &&
		    write_records(c, p, part, tail, part == n ? tail_len : 0);
		pace.sent += part;
	}
	pace_end(&pace);
	return sent;
}

/* A part of an answer is none: without memory there is only the end. */
bool
http_fcgi_end(struct http_fcgi_late *l)
{
	unsigned char tail[FCGI_RECORD_TAIL];
	bool sent;

	fcgi_record_tail(tail, l->conn.request);
	sent = buf_ok(&l->out) &&
	       send_late(&l->conn, l->out.p, l->out.len, tail, sizeof(tail));
	(void)close(l->conn.fd);
	l->conn.fd = -1;
	return sent;
}

const struct http_io http_fcgi_late = {
    .param = late_param,
    .read = late_read,
    .broken = late_broken,
    .write = late_write,
    .cut = late_cut,
};
