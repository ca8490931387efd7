/* libfcgi's streams as the carrier of a request. */

#include "http_fcgi.h"

#include <fcgiapp.h>
#include <limits.h>

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
fcgi_write(void *ctx, const char *buf, size_t n)
{
	FCGX_Stream *out = ((FCGX_Request *)ctx)->out;
	int part;

	while (n > 0) {
		part = n > INT_MAX ? INT_MAX : (int)n;
		if (FCGX_PutStr(buf, part, out) != part)
			return false;
		buf += part;
		n -= (size_t)part;
	}
	return true;
}

const struct http_io http_fcgi = {
    .param = fcgi_param,
    .read = fcgi_read,
    .broken = fcgi_broken,
    .write = fcgi_write,
};
