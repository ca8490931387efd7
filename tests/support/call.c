/* Memory as the carrier of a request. */

#include "call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clock.h"

struct carried {
	struct call *call;
	size_t read;
	char length[32];
	struct {
		char *p;
		size_t len;
	} out;
};

static const char *
param(void *ctx, const char *name)
{
	struct carried *x = ctx;
	const struct call *c = x->call;

	if (strcmp(name, "REQUEST_METHOD") == 0)
		return c->method != NULL ? c->method : "GET";
	if (strcmp(name, "REQUEST_URI") == 0)
		return c->target;
	if (strcmp(name, "CONTENT_TYPE") == 0)
		return c->type != NULL ? c->type : "application/json";
	if (strcmp(name, "CONTENT_LENGTH") == 0)
		return x->length;
	if (strcmp(name, "HTTP_AUTHORIZATION") == 0)
		return c->authorization;
	if (strcmp(name, "HTTP_COOKIE") == 0)
		return c->cookie;
	if (strcmp(name, "SERVER_PROTOCOL") == 0)
		return c->protocol != NULL ? c->protocol : "HTTP/1.1";
	if (strcmp(name, "TF_CONNECTION") == 0)
		return c->connection;
	return NULL;
}

static size_t
body_len(const struct call *c)
{
	if (c->body == NULL)
		return 0;
	return c->body_len > 0 ? c->body_len : strlen(c->body);
}

static size_t
body_read(void *ctx, char *buf, size_t n)
{
	struct carried *x = ctx;
	size_t left = body_len(x->call) - x->read;

	n = n < left ? n : left;
	if (n > 0)
		memcpy(buf, x->call->body + x->read, n);
	x->read += n;
	return n;
}

static bool
body_broken(void *ctx)
{
	return ((struct carried *)ctx)->call->broken;
}

static bool
reply_taken(void *ctx, const char *buf, size_t n)
{
	struct carried *x = ctx;
	char *p = realloc(x->out.p, x->out.len + n + 1);

	clock_skip_for_test(x->call->ms_per_write);
	if (p == NULL)
		return false;
	memcpy(p + x->out.len, buf, n);
	x->out.p = p;
	x->out.len += n;
	p[x->out.len] = '\0';
	return true;
}

static void
reply_broken_off(void *ctx)
{
	((struct carried *)ctx)->call->cut = true;
}

static void
reply_timeout(void *ctx, int ms)
{
	((struct carried *)ctx)->call->timeout_ms = ms;
}

static const struct http_io io = {
    .param = param,
    .read = body_read,
    .broken = body_broken,
    .write = reply_taken,
    .cut = reply_broken_off,
    .set_timeout = reply_timeout,
};

static void
split(struct call *c, struct carried *x)
{
	const char *end =
	    x->out.p != NULL ? strstr(x->out.p, "\r\n\r\n") : NULL;
	size_t head = end != NULL ? (size_t)(end + 4 - x->out.p) : 0;

	(void)snprintf(c->head, sizeof(c->head), "%.*s", (int)head,
	    x->out.p != NULL ? x->out.p : "");
	c->text_len = x->out.len - head;
	c->text = calloc(1, c->text_len + 1);
	if (c->text != NULL && c->text_len > 0)
		memcpy(c->text, x->out.p + head, c->text_len);
	free(x->out.p);
}

void
call_run(struct call *c, const struct route_table *t, const struct conf *conf,
    unsigned anonymous, struct worker *w)
{
	struct carried x = {.call = c};
	struct req r = {.io = &io, .ctx = &x, .arena = arena_new()};

	if (c->declared >= 0)
		(void)snprintf(x.length, sizeof(x.length), "%ld",
		    c->declared > 0 ? c->declared : (long)body_len(c));
	c->status = route_run(t, conf, anonymous, w, &r);
	split(c, &x);
	arena_free(r.arena);
}

void
call_free(struct call *c)
{
	free(c->text);
	c->text = NULL;
}

const char *
call_header(const struct call *c, const char *name)
{
	static char value[1024];
	const char *line = c->head;
	size_t n = strlen(name);

	while (line != NULL && *line != '\0') {
		if (strncasecmp(line, name, n) == 0 && line[n] == ':') {
			(void)snprintf(value, sizeof(value), "%.*s",
			    (int)strcspn(line + n + 2, "\r"), line + n + 2);
			return value;
		}
		line = strchr(line, '\n');
		line = line != NULL ? line + 1 : NULL;
	}
	return NULL;
}
