/*
 * Access tokens.  The input is judged as a token; then as what stands in a good
 * token behind its permissions, signed, so that every claim is reached.  Nothing is
 * accepted that was not signed, and no byte of what was may change.
 */

#include "jwt.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "js.h"

#define NEED(what)                                                             \
	do {                                                                   \
		if (!(what))                                                   \
			abort();                                               \
	} while (0)

#define NOW_MS INT64_C(1795337503000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct jwt_keys *
keys(void)
{
	static const char text[] =
	    "JWT_SIGNING_KEY = '0123456789abcdef0123456789abcdef'\n"
	    "JWT_SIGNING_KEY_OLD = 'fedcba9876543210fedcba9876543210'\n";
	static struct jwt_keys *k;
	struct conf_fault fault;
	struct conf *c;

	if (k != NULL)
		return k;
	NEED(conf_parse(&c, "f", text, sizeof(text) - 1, &fault) == ERR_OK);
	NEED(jwt_keys_open(&k, c) == ERR_OK);
	conf_free(c);
	return k;
}

/* Judge a copy without a byte behind it, so that reading one shows. */
static enum err
verify(struct arena *a, const char *token, size_t len, struct jwt_fault *fault)
{
	char *copy = malloc(len > 0 ? len : 1);
	const char *permissions = NULL;
	struct js_fault where;
	struct js_doc doc;
	size_t n = 0;
	enum err e;

	NEED(copy != NULL);
	if (len > 0)
		memcpy(copy, token, len);
	e = jwt_verify(keys(), a, copy, len, NOW_MS, &permissions, &n, fault);
	free(copy);
	NEED(e == ERR_OK || e == ERR_INVALID);
	if (e == ERR_OK) {
		NEED(strlen(permissions) == n);
		NEED(js_scan(&doc, a, permissions, n, &where) == ERR_OK);
	} else {
		NEED(fault->status == 401 || fault->status == 403);
		NEED(fault->message[0] != '\0');
	}
	return e;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	struct jwt_fault fault;
	const char *token;
	char *other;
	size_t at;

	NEED(a != NULL);
	NEED(verify(a, (const char *)data, size, &fault) == ERR_INVALID);
	NEED(jwt_sign(keys(), a, (const char *)data, size, NOW_MS, &token) ==
	     ERR_OK);
	if (verify(a, token, strlen(token), &fault) == ERR_INVALID)
		NEED(strcmp(fault.message, "Invalid Token signature") != 0);
	NEED((other = arena_dup(a, token, strlen(token))) != NULL);
	at = size > 0 ? data[0] * 31U % strlen(token) : 0;
	other[at] = other[at] == 'A' ? 'B' : 'A';
	NEED(verify(a, other, strlen(other), &fault) == ERR_INVALID);
	arena_free(a);
	return 0;
}
