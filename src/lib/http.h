#ifndef HTTP_H
#define HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "auth.h"
#include "cause.h"
#include "err.h"
#include "faults.h"
#include "id.h"
#include "js.h"
#include "pace.h"
#include "uri.h"

/* A request, over FastCGI or, in tests, over memory; its reply is in reply.h. */

enum method {
	METHOD_GET = 1 << 0,
	METHOD_HEAD = 1 << 1,
	METHOD_POST = 1 << 2,
	METHOD_PUT = 1 << 3,
	METHOD_DELETE = 1 << 4,
	METHOD_OPTIONS = 1 << 5,
	METHOD_OTHER = 1 << 6
};

/* A connection to the web server whose request is answered later, by another thread. */
struct http_conn {
	int fd;
	unsigned request; /* its number on the connection */
};

/* What carries a request.  ctx is the carrier's own. */
struct http_io {
	/* A FastCGI parameter (RFC 3875, section 4.1), or NULL. */
	const char *(*param)(void *ctx, const char *name);
	/* Up to n bytes of the body; 0 at its end or when it broke off. */
	size_t (*read)(void *ctx, char *buf, size_t n);
	/* True if the body broke off before its end. */
	bool (*broken)(void *ctx);
	/* Take n bytes of the reply; false if nobody listens any more. */
	bool (*write)(void *ctx, const char *buf, size_t n);
	/* Break the reply off, so that nobody takes it for a whole one. */
	void (*cut)(void *ctx);
	/* Give the connection away; NULL: it cannot be. */
	bool (*detach)(void *ctx, struct http_conn *out);
	/* From now on a write fails that cannot go on for so many ms.  NULL: no write
	 * waits for the client. */
	void (*set_timeout)(void *ctx, int ms);
};

struct req {
	const struct http_io *io;
	void *ctx;
	struct arena *arena;
	enum method method;
	struct uri uri;
	struct auth_caller caller;
	struct cause cause; /* who asks, for the journal */
	const struct route *route;
	const char *params[4]; /* of the route's placeholders, in order */
	struct id id; /* of a {job_id} placeholder, canonical */
	const char *body;
	size_t body_len;
	int status; /* of the reply sent, 0 before */
	struct pace pace; /* of its body */
	bool deaf; /* nobody takes more of a reply that was begun */
	bool detached; /* another answers it, see req_detach() */
};

/* A FastCGI parameter, or NULL; headers are HTTP_NAME (RFC 3875, section
 * 4.1.18).  Memory of the carrier. */
const char *req_param(struct req *r, const char *name);

/* The id that nginx gave the request, or "". */
const char *req_id(struct req *r);

/*
 * Read the body, at most max bytes, into r->body.  ERR_TOOBIG over max,
 * ERR_GONE if it is shorter than its Content-Length or broke off, ERR_NOMEM.
 */
enum err req_read_body(struct req *r, size_t max)
    __attribute__((warn_unused_result));

/*
 * Hand the body to take() as it comes, in constant memory.  ERR_OK: it came whole.
 * ERR_TOOBIG over max bytes (0: any), ERR_GONE as above, ERR_NOMEM, or what
 * take() returned, and then the rest is left unread.
 */
typedef enum err (*req_take)(void *arg, const char *p, size_t n);
enum err req_stream_body(struct req *r, int64_t max, req_take take, void *arg)
    __attribute__((warn_unused_result));

/*
 * The body as JSON: r->body must be read.  An empty body is ERR_NOTFOUND.  On
 * any other failure the reply (415, 400) has been sent and ERR_INVALID
 * returned.
 */
enum err req_json(struct req *r, struct js_doc *doc)
    __attribute__((warn_unused_result));

/*
 * As req_json(), for a body that must be an object: anything else is a fault as
 * today's API words it (422, sent, ERR_INVALID).  An empty body counts as {}.
 */
enum err req_json_object(struct req *r, struct js_doc *doc, struct faults *f)
    __attribute__((warn_unused_result));

/* The header Idempotency-Key, by which a request tells that it is a repetition: *key, or NULL
 * without one.  False after a 400 for one that is not 1 to REQ_KEY_MAX visible characters. */
#define REQ_KEY_MAX 255
bool req_key(struct req *r, const char **key);

/*
 * Give the request's connection away, to be answered by way of http_fcgi_late.  Afterwards
 * the request is over for this thread: nothing of it may be read, and the handler
 * returns 0.  False, and all is as before, if it has a body or cannot be answered
 * later.
 */
bool req_detach(struct req *r, struct http_conn *out);

#endif /* !HTTP_H */
