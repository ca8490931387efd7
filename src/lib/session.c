/* A JSON object and its MAC, both in base64url, with a dot between. */

#include "session.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "b64url.h"
#include "js.h"
#include "js_escape.h"

#define MAC_LEN crypto_auth_hmacsha256_BYTES

/* The members of the object. */
static const struct {
	const char *name;
	size_t offset; /* in struct session */
} fields[] = {
    {"state", offsetof(struct session, state)},
    {"nonce", offsetof(struct session, nonce)},
    {"verifier", offsetof(struct session, verifier)},
    {"client", offsetof(struct session, client)},
    {"name", offsetof(struct session, name)},
};

#define N_FIELDS (sizeof(fields) / sizeof(fields[0]))

static void
mac_of(
    const char *key, const char *text, size_t len, unsigned char out[MAC_LEN])
{
	crypto_auth_hmacsha256_state st;

	(void)crypto_auth_hmacsha256_init(
	    &st, (const unsigned char *)key, strlen(key));
	(void)crypto_auth_hmacsha256_update(
	    &st, (const unsigned char *)text, len);
	(void)crypto_auth_hmacsha256_final(&st, out);
}

const char *
session_seal(const char *key, struct arena *a, const struct session *s)
{
	unsigned char mac[MAC_LEN];
	const char *const *text;
	struct buf json, out;
	size_t i;

	buf_init(&json, a, 512);
	buf_printf(&json, "{\"until\":%lld", (long long)s->until);
	for (i = 0; i < N_FIELDS; i++) {
		text = (const void *)((const char *)s + fields[i].offset);
		if (*text == NULL)
			continue;
		buf_printf(&json, ",\"%s\":", fields[i].name);
		js_put_string(&json, *text, strlen(*text));
	}
	buf_char(&json, '}');
	buf_init(&out, a, 1024);
	b64url_put(&out, json.p, json.len);
	if (!buf_ok(&json) || !buf_ok(&out))
		return NULL;
	mac_of(key, out.p, out.len, mac);
	buf_char(&out, '.');
	b64url_put(&out, mac, sizeof(mac));
	return buf_ok(&out) ? out.p : NULL;
}

static bool
read_fields(struct arena *a, const char *json, size_t len, struct session *s)
{
	const struct js_member *m;
	struct js_fault where;
	struct js_doc doc;
	const char **text;
	size_t i;

	if (js_scan(&doc, a, json, len, &where) != ERR_OK)
		return false;
	for (i = 0; i < N_FIELDS; i++) {
		m = js_find(&doc, fields[i].name);
		text = (void *)((char *)s + fields[i].offset);
		if (m != NULL && m->kind == JS_STRING &&
		    (*text = js_string(a, m, &len)) == NULL)
			return false;
	}
	m = js_find(&doc, "until");
	s->until = m != NULL && m->kind == JS_NUMBER
		       ? strtoll(m->value.p, NULL, 10)
		       : 0;
	return true;
}

bool
session_open(const char *key, struct arena *a, const char *value, int64_t now_s,
    struct session *out)
{
	const char *dot = strchr(value, '.'), *mac, *json;
	unsigned char want[MAC_LEN];
	size_t len;

	*out = (struct session){.until = 0};
	if (dot == NULL ||
	    b64url_get(a, dot + 1, strlen(dot + 1), &mac, &len) != ERR_OK ||
	    len != MAC_LEN)
		return false;
	mac_of(key, value, (size_t)(dot - value), want);
	if (sodium_memcmp(want, mac, MAC_LEN) != 0 ||
	    b64url_get(a, value, (size_t)(dot - value), &json, &len) !=
		ERR_OK ||
	    !read_fields(a, json, len, out))
		return false;
	return out->until > now_s;
}
