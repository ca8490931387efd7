/* Requests, independent of what carries them. */

#include "http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gate.h"
#include "js_escape.h"
#include "log.h"
#include "reply.h"

#define READ_CHUNK ((size_t)16384)
#define STREAM_CHUNK ((size_t)128 * 1024)
/* More bytes than so many a client may send slower than we read. */
#define MAY_WAIT 65536

const char *
req_param(struct req *r, const char *name)
{
	return r->io->param(r->ctx, name);
}

const char *
req_id(struct req *r)
{
	const char *id = req_param(r, "TF_REQUEST_ID");

	return id != NULL ? id : "";
}

/* Content-Length, or -1 where none is given (chunked). */
static long long
content_length(struct req *r)
{
	const char *text = req_param(r, "CONTENT_LENGTH");
	long long n;
	char *end;

	if (text == NULL || text[0] == '\0')
		return -1;
	errno = 0;
	n = strtoll(text, &end, 10);
	return errno == 0 && *end == '\0' && n >= 0 ? n : -1;
}

/* A client that left in mid-body shows as a stream that ends early. */
static enum err
body_end(struct req *r, const char *p, size_t len, long long declared)
{
	if (r->io->broken(r->ctx) || (declared >= 0 && len != (size_t)declared))
		return ERR_GONE;
	r->body = p;
	r->body_len = len;
	return ERR_OK;
}

/* Of as many bytes as declared.  One more is asked for, to come to the stream's end. */
static enum err
read_declared(struct req *r, long long declared)
{
	size_t room = (size_t)declared + 1, len = 0, n;
	char *p = arena_alloc(r->arena, room);

	if (p == NULL)
		return ERR_NOMEM;
	while (len < room && (n = r->io->read(r->ctx, p + len, room - len)) > 0)
		len += n;
	p[len < room ? len : room - 1] = '\0';
	return body_end(r, p, len, declared);
}

/* Of unknown length (chunked). */
static enum err
read_to_end(struct req *r, size_t max)
{
	char *chunk = arena_alloc(r->arena, READ_CHUNK);
	struct buf b;
	size_t n;

	buf_init(&b, r->arena, READ_CHUNK);
	if (chunk == NULL)
		return ERR_NOMEM;
	while ((n = r->io->read(r->ctx, chunk, READ_CHUNK)) > 0) {
		if (b.len + n > max)
			return ERR_TOOBIG;
		buf_add(&b, chunk, n);
	}
	return buf_ok(&b) ? body_end(r, b.p, b.len, -1) : ERR_NOMEM;
}

enum err
req_read_body(struct req *r, size_t max)
{
	long long declared = content_length(r);

	r->body = "";
	r->body_len = 0;
	if (declared == 0)
		return ERR_OK;
	if (declared > 0 && (unsigned long long)declared > max)
		return ERR_TOOBIG;
	if (declared < 0 || declared > MAY_WAIT)
		gate_leave();
	return declared > 0 ? read_declared(r, declared) : read_to_end(r, max);
}

enum err
req_stream_body(struct req *r, int64_t max, req_take take, void *arg)
{
	long long declared = content_length(r), len = 0;
	char *chunk;
	size_t n;
	enum err e;

	if (max > 0 && declared > max)
		return ERR_TOOBIG;
	if ((chunk = arena_alloc(r->arena, STREAM_CHUNK)) == NULL)
		return ERR_NOMEM;
	gate_leave();
	while ((n = r->io->read(r->ctx, chunk, STREAM_CHUNK)) > 0) {
		len += (long long)n;
		if (max > 0 && len > max)
			return ERR_TOOBIG;
		if ((e = take(arg, chunk, n)) != ERR_OK)
			return e;
	}
	if (r->io->broken(r->ctx) || (declared >= 0 && len != declared))
		return ERR_GONE;
	return ERR_OK;
}

/* application/json or application/…+json, parameters ignored (RFC 6839,
 * section 3.1). */
static bool
is_json_type(const char *type)
{
	static const char app[] = "application/";
	size_t n;

	if (type == NULL || strncasecmp(type, app, sizeof(app) - 1) != 0)
		return false;
	type += sizeof(app) - 1;
	n = strcspn(type, "; \t");
	if (n == 4 && strncasecmp(type, "json", 4) == 0)
		return true;
	return n > 5 && strncasecmp(type + n - 5, "+json", 5) == 0;
}

static int
reply_not_json(struct req *r, const struct js_fault *f)
{
	char text[256];
	struct buf b;

	(void)snprintf(text, sizeof(text),
	    "Not JSON: %s at line %u, column %u (byte %zu).", f->why, f->line,
	    f->column, f->offset);
	buf_init(&b, r->arena, 512);
	buf_str(&b, "{\"detail\":{\"json\":{\"_schema\":[");
	js_put_string(&b, text, strlen(text));
	buf_str(&b, "]}},\"message\":\"Bad Request\"}\n");
	return buf_ok(&b) ? reply_json(r, 400, b.p, b.len)
			  : reply_err(r, ERR_NOMEM);
}

enum err
req_json(struct req *r, struct js_doc *doc)
{
	static const char not_json[] =
	    "{\"detail\":{\"headers\":{\"Content-Type\":"
	    "[\"Must be application/json.\"]}},"
	    "\"message\":\"Unsupported Media Type\"}\n";
	struct js_fault fault;
	enum err e;

	if (r->body_len == 0)
		return ERR_NOTFOUND;
	if (!is_json_type(req_param(r, "CONTENT_TYPE"))) {
		(void)reply_json(r, 415, not_json, sizeof(not_json) - 1);
		return ERR_INVALID;
	}
	e = js_scan(doc, r->arena, r->body, r->body_len, &fault);
	if (e == ERR_INVALID)
		(void)reply_not_json(r, &fault);
	else if (e != ERR_OK)
		(void)reply_err(r, e);
	return e == ERR_OK ? ERR_OK : ERR_INVALID;
}

enum err
req_json_object(struct req *r, struct js_doc *doc, struct faults *f)
{
	struct js_fault fault;
	enum err e;

	e = req_json(r, doc);
	if (e == ERR_NOTFOUND)
		return js_scan(doc, r->arena, "{}", 2, &fault);
	if (e != ERR_OK || doc->kind == JS_OBJECT)
		return e;
	faults_add(f, "Invalid input type.", "_schema", NULL);
	(void)reply_faults(r, f);
	return ERR_INVALID;
}

bool
req_key(struct req *r, const char **key)
{
	const char *text = req_param(r, "HTTP_IDEMPOTENCY_KEY");
	size_t i;

	*key = NULL;
	if (text == NULL || text[0] == '\0')
		return true;
	for (i = 0; text[i] > ' ' && text[i] < 0x7f; i++)
		;
	if (text[i] != '\0' || i > REQ_KEY_MAX) {
		(void)reply_message(r, 400,
		    "Idempotency-Key: not 1 to %d visible characters",
		    REQ_KEY_MAX);
		return false;
	}
	*key = text;
	return true;
}

bool
req_detach(struct req *r, struct http_conn *out)
{
	if (r->io->detach == NULL || !r->io->detach(r->ctx, out))
		return false;
	log_request(NULL);
	r->detached = true;
	return true;
}
