/*
 * The keys that a provider publishes, and sessions of browsers.  Whatever the keys are, a
 * token that was changed is not signed with one of them; and nothing is a session
 * that was not sealed.
 */

#include "jwks.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"

#define NEED(what)                                                             \
	do {                                                                   \
		if (!(what))                                                   \
			abort();                                               \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* RFC 7515, appendices A.2 and A.3, with a letter of each payload changed. */
static const char *const changed[] = {
    "eyJhbGciOiJSUzI1NiJ9."
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODEsDQogImh0dHA6Ly9leGFtcGxl"
    "LmNvbS9pc19yb290Ijp0cnVlfQ."
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuH"
    "Im4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdi"
    "uB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN"
    "9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2"
    "w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77"
    "Rw",
    "eyJhbGciOiJFUzI1NiJ9."
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODEsDQogImh0dHA6Ly9leGFtcGxl"
    "LmNvbS9pc19yb290Ijp0cnVlfQ."
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQ"
    "xfKTUJqPP3-Kg6NU1Q",
};

static void
try_keys(struct arena *a, const char *text, size_t len)
{
	struct jwks *keys;
	struct jws t;
	size_t i;
	enum err e;

	e = jwks_open(&keys, text, len);
	NEED(e == ERR_OK || e == ERR_INVALID);
	for (i = 0; e == ERR_OK && i < 2; i++) {
		NEED(jws_read(&t, a, changed[i], strlen(changed[i])) == ERR_OK);
		NEED(jwks_verify(keys, a, &t) != ERR_OK);
	}
	if (e == ERR_OK)
		jwks_free(keys);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	char *copy = malloc(size > 0 ? size : 1);
	struct session s;

	NEED(a != NULL && copy != NULL);
	if (size > 0)
		memcpy(copy, data, size);
	try_keys(a, copy, size);
	NEED(!session_open("0123456789abcdef0123456789abcdef", a,
	    arena_dup(a, copy, size), 0, &s));
	free(copy);
	arena_free(a);
	return 0;
}
