/*
 * Request targets and cookies.  What is accepted holds clean text only, and
 * written out again with every byte escaped it reads as the same; a cookie
 * value that was quoted is read as it was.
 */

#include "uri.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"

#define NEED(what)                                                             \
	do {                                                                   \
		if (!(what))                                                   \
			abort();                                               \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_text(const char *s)
{
	const char *p;

	NEED(utf8_ok(s, strlen(s)));
	for (p = s; *p != '\0'; p++)
		NEED((unsigned char)*p >= 0x20 && *p != 0x7f);
}

static void
put_escaped(struct buf *b, const char *s)
{
	for (; *s != '\0'; s++)
		buf_printf(b, "%%%02X", (unsigned char)*s);
}

static void
check_again(const struct uri *u, struct arena *a)
{
	struct uri again;
	struct buf b;
	size_t i;

	buf_init(&b, a, 64);
	for (i = 0; i < u->n_segments; i++) {
		buf_char(&b, '/');
		put_escaped(&b, u->segments[i]);
	}
	for (i = 0; i < u->n_query; i++) {
		buf_char(&b, i == 0 ? '?' : '&');
		put_escaped(&b, u->query[i].name);
		buf_char(&b, '=');
		put_escaped(&b, u->query[i].value);
	}
	NEED(buf_ok(&b));
	NEED(uri_parse(&again, a, b.p, b.len) == ERR_OK);
	NEED(again.n_segments == u->n_segments && again.n_query == u->n_query);
	for (i = 0; i < u->n_segments; i++)
		NEED(strcmp(u->segments[i], again.segments[i]) == 0);
	for (i = 0; i < u->n_query; i++) {
		NEED(strcmp(u->query[i].name, again.query[i].name) == 0);
		NEED(strcmp(u->query[i].value, again.query[i].value) == 0);
	}
}

static void
check_uri(const struct uri *u, struct arena *a)
{
	const char *s;
	size_t i;

	for (i = 0; i < u->n_segments; i++) {
		s = u->segments[i];
		check_text(s);
		NEED(s[0] != '\0' && strchr(s, '/') == NULL);
		NEED(strcmp(s, ".") != 0 && strcmp(s, "..") != 0);
	}
	for (i = 0; i < u->n_query; i++) {
		check_text(u->query[i].name);
		check_text(u->query[i].value);
		NEED(uri_query(u, u->query[i].name) != NULL);
	}
	if (u->n_query > 0)
		NEED(uri_query(u, u->query[0].name) == u->query[0].value);
	check_again(u, a);
}

static bool
is_clean(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

static void
check_cookie(struct arena *a, const char *text)
{
	const char *value, *quoted, *header;

	value = uri_cookie(a, text, "a");
	if (value != NULL)
		check_text(value);
	quoted = uri_cookie_quote(a, text);
	NEED(quoted != NULL);
	header = arena_printf(a, "b=1; agent=%s; c=2", quoted);
	NEED(header != NULL);
	value = uri_cookie(a, header, "agent");
	if (is_clean(text) && utf8_ok(text, strlen(text)))
		NEED(value != NULL && strcmp(value, text) == 0);
	else
		NEED(value == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	char *target = malloc(size > 0 ? size : 1);
	struct uri u;

	/* No byte behind the target, so that reading one shows. */
	NEED(a != NULL && target != NULL);
	if (size > 0)
		memcpy(target, data, size);
	if (uri_parse(&u, a, target, size) == ERR_OK)
		check_uri(&u, a);
	check_cookie(a, arena_dup(a, data, size));
	arena_free(a);
	free(target);
	return 0;
}
