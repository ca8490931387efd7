/*
 * Forms: the first line of the input is the Content-Type, the rest the body.  Cut at
 * any place it gives the same file and the same verdict as in one piece.
 */

#include "multipart.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NEED(what)                                                             \
	do {                                                                   \
		if (!(what))                                                   \
			abort();                                               \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	char *p;
	size_t len;
	size_t most;
};

static enum err
take(void *arg, const char *p, size_t n)
{
	struct seen *s = arg;

	NEED(n > 0 && s->len + n <= s->most);
	memcpy(s->p + s->len, p, n);
	s->len += n;
	return ERR_OK;
}

/* Pieces of the given size, each in memory of its own. */
static enum err
read_in(const char *type, const char *body, size_t len, size_t piece,
    struct seen *s)
{
	struct arena *a = arena_new();
	struct multipart *m;
	enum err e;
	size_t n;
	char *p;

	NEED(a != NULL);
	e = multipart_new(&m, a, type, take, s);
	while (e == ERR_OK && len > 0) {
		n = len < piece ? len : piece;
		NEED((p = malloc(n)) != NULL);
		memcpy(p, body, n);
		e = multipart_feed(m, p, n);
		free(p);
		body += n;
		len -= n;
	}
	if (e == ERR_OK)
		e = multipart_end(m);
	arena_free(a);
	return e;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t pieces[] = {1, 2, 3, 7, 31};
	const uint8_t *nl = size > 0 ? memchr(data, '\n', size) : NULL;
	struct seen whole = {NULL, 0, size}, cut = {NULL, 0, size};
	const char *body;
	size_t i, len;
	char *type;
	enum err e;

	if (nl == NULL)
		return 0;
	body = (const char *)nl + 1;
	len = size - (size_t)(body - (const char *)data);
	type = strndup((const char *)data,
	    (size_t)((const char *)nl - (const char *)data));
	whole.p = malloc(size);
	cut.p = malloc(size);
	NEED(type != NULL && whole.p != NULL && cut.p != NULL);
	e = read_in(type, body, len, len > 0 ? len : 1, &whole);
	for (i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		cut.len = 0;
		NEED(read_in(type, body, len, pieces[i], &cut) == e);
		if (e == ERR_OK)
			NEED(cut.len == whole.len &&
			     memcmp(cut.p, whole.p, cut.len) == 0);
	}
	free(type);
	free(whole.p);
	free(cut.p);
	return 0;
}
