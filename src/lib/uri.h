#ifndef URI_H
#define URI_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "err.h"

/* The request target and the cookie header, read once and by ourselves. */

struct uri_pair {
	const char *name; /* decoded, ended by NUL */
	const char *value; /* decoded, ended by NUL; "" where there is none */
};

struct uri {
	const char **segments; /* of the path, each decoded once */
	size_t n_segments;
	struct uri_pair *query; /* in order, repeats kept */
	size_t n_query;
};

/*
 * Read the raw request target (RFC 9112, section 3.2.1), of len bytes, as nginx
 * passes $request_uri; an absolute form ("http://host/…") is read from its
 * path on.  The path is split at "/" first and each segment decoded once
 * (RFC 3986, section 2.1); empty segments are dropped, so a doubled or final
 * slash does not matter.  In the query "+" is a space, and a percent sign that begins
 * no escape is one.
 * ERR_INVALID: a bad percent escape in the path, invalid UTF-8, a control character
 * (NUL too), or a segment that is "." or ".."; ERR_NOTFOUND: a segment that holds a
 * decoded "/", which no path of ours does; ERR_NOMEM.
 */
enum err uri_parse(struct uri *u, struct arena *a, const char *target,
    size_t len) __attribute__((warn_unused_result));

/* The first query value called name, or NULL. */
const char *uri_query(const struct uri *u, const char *name);

/* All *n query values called name, sorted, each once; NULL without memory. */
const char **uri_query_all(
    const struct uri *u, struct arena *a, const char *name, size_t *n);

/*
 * The value of the cookie called name in a Cookie header (RFC 6265, section
 * 4.2), decoded if it is quoted: backslash and three octal digits for a byte,
 * backslash and a character for that character.  NULL if it is not there or not
 * valid UTF-8 or holds a control character.
 */
const char *uri_cookie(struct arena *a, const char *header, const char *name);

/* value as it may stand in a Set-Cookie header, quoted and escaped as
 * uri_cookie() reads it where it must be; NULL without memory. */
const char *uri_cookie_quote(struct arena *a, const char *value);

/* The bytes of scheme and authority at the start of url, if it is an http or https
 * address with a host; else 0. */
size_t uri_origin(const char *url);

#endif /* !URI_H */
