#ifndef WEBHOOK_H
#define WEBHOOK_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"

/* Calls to a webhook: short, bounded, and to nowhere but where they are meant to go. */

/* The bytes of scheme and authority at the start of url, if it is an http or https
 * address with a host; else 0. */
size_t webhook_origin(const char *url);

/* True if both have the same origin: the scheme in either case, the authority compared as
 * text. */
bool webhook_same_origin(const char *a, const char *b);

enum webhook_result {
	WEBHOOK_ANSWERED,
	WEBHOOK_TIMEOUT,
	WEBHOOK_UNREACHABLE,
	WEBHOOK_NO_MEMORY
};

/* More of an answer's body is cut off. */
#define WEBHOOK_BODY_MAX ((size_t)64 * 1024)

struct webhook_answer {
	int status;
	const char *body; /* of the arena */
	size_t len;
};

/*
 * PUT the len bytes at json to url, with a bearer token unless it is "".  All of it takes
 * at most 3 s.  No redirect is followed; a connection that fails before the answer is
 * tried once more.  HTTP_PROXY, HTTPS_PROXY and NO_PROXY of the environment are
 * honoured, in either case.  Why it failed has been logged.
 */
enum webhook_result webhook_put(struct arena *a, const char *url,
    const char *bearer, const char *json, size_t len,
    struct webhook_answer *out) __attribute__((warn_unused_result));

#endif /* !WEBHOOK_H */
