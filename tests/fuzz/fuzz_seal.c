/*
 * Sealed values.  The input is opened as sealed text, which it is not; then it is
 * sealed: it opens as what it was, for its owner and path alone, and not at all with one
 * character changed.
 */

#include "seal.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NEED(what)                                                             \
	do {                                                                   \
		if (!(what))                                                   \
			abort();                                               \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct seal *
keys(void)
{
	static const char text[] =
	    "SECRETS_MASTER_KEY = "
	    "'MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY='\n"
	    "SECRETS_MASTER_KEY_OLD = "
	    "'ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA='\n";
	static struct seal *s;
	struct conf_fault fault;
	struct conf *c;

	if (s != NULL)
		return s;
	NEED(conf_parse(&c, "f", text, sizeof(text) - 1, &fault) == ERR_OK);
	NEED(seal_open(&s, c, &fault) == ERR_OK);
	conf_free(c);
	return s;
}

/* Open a copy without a byte behind it, so that reading one shows. */
static enum err
open_text(struct arena *a, const char *client, const char *text, size_t len,
    const char **value, size_t *n)
{
	char *copy = malloc(len + 1);
	enum err e;

	NEED(copy != NULL);
	if (len > 0)
		memcpy(copy, text, len);
	copy[len] = '\0';
	(void)seal_is_current(keys(), copy);
	e = seal_open_value(keys(), a, client, "path", copy, value, n);
	free(copy);
	NEED(e == ERR_OK || e == ERR_INVALID);
	return e;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *in = (const char *)data, *text, *value;
	struct arena *a = arena_new();
	size_t len, n, at;
	char *other;

	NEED(a != NULL);
	NEED(open_text(a, "c", in, size, &value, &n) == ERR_INVALID);
	text = seal_close_value(keys(), a, "c", "path", in, size);
	NEED(text != NULL && seal_is_current(keys(), text));
	len = strlen(text);
	NEED(open_text(a, "c", text, len, &value, &n) == ERR_OK);
	NEED(n == size && (n == 0 || memcmp(value, in, n) == 0));
	NEED(open_text(a, "cp", text, len, &value, &n) == ERR_INVALID);
	NEED((other = arena_dup(a, text, len)) != NULL);
	at = size > 0 ? data[0] * 31U % len : 0;
	other[at] = other[at] == 'A' ? 'B' : 'A';
	NEED(open_text(a, "c", other, len, &value, &n) == ERR_INVALID);
	NEED(open_text(a, "c", text, len - 1 - at, &value, &n) == ERR_INVALID);
	arena_free(a);
	return 0;
}
