#ifndef FETCH_H
#define FETCH_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"

/* Calls to other servers over HTTP: short and bounded. */

/* What to call. */
struct fetch {
	const char *name; /* of who is called, for the log: "the webhook" */
	const char *url;
	const char *method; /* NULL: GET */
	const char *type; /* Content-Type of the body */
	const char *authorization; /* the header's value; NULL: none */
	const char *body; /* NULL: none */
	size_t len;
	int timeout_ms; /* for all of it */
};

enum fetch_result {
	FETCH_ANSWERED,
	FETCH_TIMEOUT,
	FETCH_UNREACHABLE,
	FETCH_NO_MEMORY
};

/* More of an answer's body is cut off. */
#define FETCH_BODY_MAX ((size_t)64 * 1024)

struct fetch_answer {
	int status; /* 200 to 599 */
	const char *body; /* of the arena, ended by NUL */
	size_t len;
	bool cut;
};

/*
 * Call it, and tell the answer.  No redirect is followed; a connection that fails
 * before anything of the answer came is tried once more.  HTTP_PROXY, HTTPS_PROXY
 * and NO_PROXY of the environment are honoured, in either case.  The thread gives up its
 * place (gate_leave()) meanwhile.  Why it failed has been logged.
 */
enum fetch_result fetch(struct arena *a, const struct fetch *f,
    struct fetch_answer *out) __attribute__((warn_unused_result));

#endif /* !FETCH_H */
