/* libfcgi's streams as the carrier of a request. */

#include "http_fcgi.h"

#include <errno.h>
#include <fcgiapp.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* A record of FCGI_STDOUT (FastCGI Specification, sections 3.3 and 5.3). */
#define VERSION 1
#define STDOUT 6
#define HEADER_LEN 8
#define RECORD_MAX ((size_t)65528) /* of content: 16 bits, a multiple of 8 */

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

/* Records of our own, behind those of the library, which has none begun after
 * it was flushed. */
static bool
write_records(FCGX_Request *fr, const char *buf, size_t n)
{
	static const char zeros[HEADER_LEN];
	unsigned char head[HEADER_LEN] = {VERSION, STDOUT};
	struct iovec v[3];
	size_t part, padding;

	if (FCGX_FFlush(fr->out) != 0)
		return false;
	for (; n > 0; n -= part, buf += part) {
		part = n < RECORD_MAX ? n : RECORD_MAX;
		padding = (HEADER_LEN - part % HEADER_LEN) % HEADER_LEN;
		head[2] = (unsigned char)(fr->requestId >> 8);
		head[3] = (unsigned char)fr->requestId;
		head[4] = (unsigned char)(part >> 8);
		head[5] = (unsigned char)part;
		head[6] = (unsigned char)padding;
		v[0] = (struct iovec){head, sizeof(head)};
		v[1] = (struct iovec){(char *)buf, part};
		v[2] = (struct iovec){(char *)zeros, padding};
		if (!write_parts(fr->ipcFd, v, 3))
			return false;
	}
	return true;
}

static bool
fcgi_write(void *ctx, const char *buf, size_t n)
{
	FCGX_Stream *out = ((FCGX_Request *)ctx)->out;
	int part;

	if (n > BIG)
		return write_records(ctx, buf, n);
	while (n > 0) {
		part = n > INT_MAX ? INT_MAX : (int)n;
		if (FCGX_PutStr(buf, part, out) != part)
			return false;
		buf += part;
		n -= (size_t)part;
	}
	return true;
}

/* The connection ends without FCGI_END_REQUEST, and so does the client's. */
static void
fcgi_cut(void *ctx)
{
	(void)shutdown(((FCGX_Request *)ctx)->ipcFd, SHUT_RDWR);
}

const struct http_io http_fcgi = {
    .param = fcgi_param,
    .read = fcgi_read,
    .broken = fcgi_broken,
    .write = fcgi_write,
    .cut = fcgi_cut,
};
