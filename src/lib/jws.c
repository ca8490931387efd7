/* Compact JWS: three parts with a dot between. */

#include "jws.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "b64url.h"

/* One of the first two parts: base64url of a JSON object. */
static enum err
read_object(struct js_doc *doc, struct arena *a, const char *s, size_t len)
{
	struct js_fault where;
	const char *text;
	size_t n;
	enum err e;

	if ((e = b64url_get(a, s, len, &text, &n)) != ERR_OK ||
	    (e = js_scan(doc, a, text, n, &where)) != ERR_OK)
		return e;
	return doc->kind == JS_OBJECT ? ERR_OK : ERR_INVALID;
}

enum err
jws_read(struct jws *out, struct arena *a, const char *token, size_t len)
{
	const char *end = token + len, *dot[2];
	enum err e;

	dot[0] = memchr(token, '.', len);
	if (dot[0] == NULL)
		return ERR_INVALID;
	dot[1] = memchr(dot[0] + 1, '.', (size_t)(end - dot[0] - 1));
	if (dot[1] == NULL)
		return ERR_INVALID;
	out->signed_text = token;
	out->signed_len = (size_t)(dot[1] - token);
	e = read_object(&out->header, a, token, (size_t)(dot[0] - token));
	if (e == ERR_OK)
		e = read_object(&out->payload, a, dot[0] + 1,
		    (size_t)(dot[1] - dot[0] - 1));
	/* A third dot is no character of base64url. */
	if (e == ERR_OK)
		e = b64url_get(a, dot[1] + 1, (size_t)(end - dot[1] - 1),
		    &out->signature, &out->signature_len);
	return e;
}

enum err
jws_algorithm(const struct jws *t, struct arena *a, const char **alg)
{
	const struct js_member *m = js_find(&t->header, "alg"),
			       *kid = js_find(&t->header, "kid");
	size_t len;

	if (m == NULL || m->kind != JS_STRING ||
	    (kid != NULL && kid->kind != JS_STRING) ||
	    js_find(&t->header, "crit") != NULL ||
	    js_find(&t->header, "b64") != NULL)
		return ERR_INVALID;
	if ((*alg = js_string(a, m, &len)) == NULL)
		return ERR_NOMEM;
	return strlen(*alg) == len ? ERR_OK : ERR_INVALID;
}

bool
jws_seconds(struct arena *a, const struct js_member *m, double *out)
{
	const char *text = m->value.p, *digits;
	size_t len = m->value.len;

	if (m->kind == JS_STRING) {
		if ((text = js_string(a, m, &len)) == NULL)
			return false;
		digits = text + strspn(text, "+-");
		if (digits > text + 1 || *digits == '\0' ||
		    strspn(digits, "0123456789") !=
			len - (size_t)(digits - text))
			return false;
	} else if (m->kind != JS_NUMBER) {
		return false;
	}
	/* Behind the number stands a comma, a brace, a space or a NUL. */
	*out = trunc(strtod(text, NULL));
	return isfinite(*out);
}
