#ifndef CALL_H
#define CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "route.h"

/* A request without a socket: one call of a route table over memory. */

struct call {
	const char *method; /* GET unless set */
	const char *target; /* as REQUEST_URI */
	const char *type; /* Content-Type; application/json unless set */
	const char *body; /* NULL: none */
	size_t body_len; /* 0: strlen(body) */
	long declared; /* Content-Length; 0: the true one, -1: none (chunked) */
	const char *authorization;
	const char *cookie;
	const char *protocol; /* HTTP/1.1 unless set */
	const char *connection; /* TF_CONNECTION */
	bool broken; /* the body breaks off where it ends */
	int64_t ms_per_write; /* of the reply: so slow is the client */
	/* The reply. */
	int status;
	bool cut; /* the reply was broken off */
	int timeout_ms; /* of its writes; 0: they may wait for ever */
	char head[4096];
	char *text; /* the body, ended by NUL; of the call until call_free() */
	size_t text_len;
};

/* Run c against t.  anonymous: roles of callers without a token. */
void call_run(struct call *c, const struct route_table *t,
    const struct conf *conf, unsigned anonymous, struct worker *w);
void call_free(struct call *c);

/* The value of a header of the reply, or NULL; static until the next call. */
const char *call_header(const struct call *c, const char *name);

#endif /* !CALL_H */
