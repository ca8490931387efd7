/*
 * Access tokens as compact JWS (RFC 7515, section 3.1) with HS256.  The keys are
 * prepared at start: a token costs one copy of a context, and no key schedule.
 * What a caller sent is read with strict base64url (no padding, no bits left over),
 * so that one token has one spelling.
 */

#include "jwt.h"

#include <math.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>

#include "js.h"
#include "log.h"

#define MAC_LEN 32
#define RING_MAX 2

/* Constant after jwt_keys_open(): threads share it, each copies a context. */
struct jwt_keys {
	EVP_MAC_CTX *ring[RING_MAX]; /* the first one signs */
	size_t n;
	double leeway_s;
};

/* A token taken apart. */
struct parts {
	const char *signed_text; /* header and payload, as they were signed */
	size_t signed_len;
	struct js_doc header, payload;
	const char *mac;
	size_t mac_len;
};

static const char header_text[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";

static const char no_token[] = "Unable to decode token";
static const char bad_token[] = "Invalid Token";

static EVP_MAC_CTX *
key_context(const void *key, size_t len)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
	    OSSL_PARAM_utf8_string("digest", digest, sizeof(digest) - 1),
	    OSSL_PARAM_END};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = mac != NULL ? EVP_MAC_CTX_new(mac) : NULL;

	EVP_MAC_free(mac);
	if (ctx != NULL && EVP_MAC_init(ctx, key, len, params) == 1)
		return ctx;
	EVP_MAC_CTX_free(ctx);
	return NULL;
}

enum err
jwt_keys_add(struct jwt_keys *k, const void *key, size_t len)
{
	/* Whoever knows no key could sign with an empty one. */
	if (len == 0)
		return ERR_INVALID;
	if (k->n == RING_MAX)
		return ERR_LIMIT;
	k->ring[k->n] = key_context(key, len);
	if (k->ring[k->n] == NULL) {
		log_error("libcrypto does not prepare a key");
		return ERR_NOMEM;
	}
	k->n++;
	return ERR_OK;
}

enum err
jwt_keys_open(struct jwt_keys **out, const struct conf *c)
{
	const char *key = conf_str(c, CONF_JWT_SIGNING_KEY);
	const char *old = conf_str(c, CONF_JWT_SIGNING_KEY_OLD);
	struct jwt_keys *k;
	enum err e;

	*out = NULL;
	if (key[0] == '\0')
		return ERR_OK;
	k = calloc(1, sizeof(*k));
	if (k == NULL)
		return ERR_NOMEM;
	k->leeway_s = (double)conf_int(c, CONF_JWT_LEEWAY);
	e = jwt_keys_add(k, key, strlen(key));
	if (e == ERR_OK && old[0] != '\0')
		e = jwt_keys_add(k, old, strlen(old));
	if (e == ERR_OK)
		*out = k;
	else
		jwt_keys_free(k);
	return e;
}

void
jwt_keys_free(struct jwt_keys *k)
{
	if (k == NULL)
		return;
	while (k->n > 0)
		EVP_MAC_CTX_free(k->ring[--k->n]);
	free(k);
}

static bool
mac_of(const EVP_MAC_CTX *key, const char *text, size_t len,
    unsigned char out[MAC_LEN])
{
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_dup(key);
	size_t n = 0;
	bool good;

	good = ctx != NULL &&
	       EVP_MAC_update(ctx, (const unsigned char *)text, len) == 1 &&
	       EVP_MAC_final(ctx, out, &n, MAC_LEN) == 1 && n == MAC_LEN;
	EVP_MAC_CTX_free(ctx);
	return good;
}

/* Append n bytes in base64url without padding (RFC 4648, section 5). */
static void
put_base64(struct buf *b, const void *p, size_t n)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmno"
				     "pqrstuvwxyz0123456789-_";
	const unsigned char *s = p;
	unsigned bits = 0, have = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		bits = (bits << 8 | s[i]) & 0xffff;
		for (have += 8; have >= 6; have -= 6)
			buf_char(b, digits[bits >> (have - 6) & 63]);
	}
	if (have > 0)
		buf_char(b, digits[bits << (6 - have) & 63]);
}

static int
base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* The bytes that the len characters at s stand for, and a NUL behind them. */
static enum err
get_base64(struct arena *a, const char *s, size_t len, const char **out,
    size_t *out_len)
{
	unsigned bits = 0, have = 0;
	size_t i, n = 0;
	char *p;
	int v;

	if (len % 4 == 1)
		return ERR_INVALID;
	if ((p = arena_alloc(a, len / 4 * 3 + 3)) == NULL)
		return ERR_NOMEM;
	for (i = 0; i < len; i++) {
		if ((v = base64_value(s[i])) == -1)
			return ERR_INVALID;
		bits = (bits << 6 | (unsigned)v) & 0xffff;
		if ((have += 6) < 8)
			continue;
		have -= 8;
		p[n++] = (char)(unsigned char)(bits >> have & 0xff);
	}
	if ((bits & ((1U << have) - 1)) != 0)
		return ERR_INVALID;
	p[n] = '\0';
	*out = p;
	*out_len = n;
	return ERR_OK;
}

enum err
jwt_sign(const struct jwt_keys *k, struct arena *a, const char *permissions,
    size_t len, int64_t now_ms, const char **token)
{
	unsigned char mac[MAC_LEN];
	long long now = now_ms / 1000;
	struct buf claims, out;

	buf_init(&claims, a, len + 128);
	buf_printf(&claims,
	    "{\"exp\":%lld,\"iat\":%lld,\"sub\":\"access_token\","
	    "\"permissions\":",
	    now + JWT_LIFE_S, now);
	buf_add(&claims, permissions, len);
	buf_char(&claims, '}');
	buf_init(&out, a, claims.len * 3 / 2 + 128);
	put_base64(&out, header_text, sizeof(header_text) - 1);
	buf_char(&out, '.');
	put_base64(&out, claims.p, claims.len);
	if (!buf_ok(&claims) || !buf_ok(&out) ||
	    !mac_of(k->ring[0], out.p, out.len, mac))
		return ERR_NOMEM;
	buf_char(&out, '.');
	put_base64(&out, mac, sizeof(mac));
	*token = out.p;
	return buf_ok(&out) ? ERR_OK : ERR_NOMEM;
}

static enum err
refuse(struct jwt_fault *f, int status, const char *message)
{
	*f = (struct jwt_fault){status, message};
	return ERR_INVALID;
}

/* One of the first two parts: base64url of a JSON object. */
static enum err
get_object(struct arena *a, const char *s, size_t len, struct js_doc *doc)
{
	struct js_fault where;
	const char *text;
	size_t n;
	enum err e;

	if ((e = get_base64(a, s, len, &text, &n)) != ERR_OK ||
	    (e = js_scan(doc, a, text, n, &where)) != ERR_OK)
		return e;
	return doc->kind == JS_OBJECT ? ERR_OK : ERR_INVALID;
}

static enum err
take_apart(struct arena *a, const char *token, size_t len, struct parts *p)
{
	const char *end = token + len, *dot[2];
	enum err e;

	dot[0] = memchr(token, '.', len);
	if (dot[0] == NULL)
		return ERR_INVALID;
	dot[1] = memchr(dot[0] + 1, '.', (size_t)(end - dot[0] - 1));
	if (dot[1] == NULL)
		return ERR_INVALID;
	p->signed_text = token;
	p->signed_len = (size_t)(dot[1] - token);
	e = get_object(a, token, (size_t)(dot[0] - token), &p->header);
	if (e == ERR_OK)
		e = get_object(
		    a, dot[0] + 1, (size_t)(dot[1] - dot[0] - 1), &p->payload);
	/* A third dot is no character of base64url. */
	if (e == ERR_OK)
		e = get_base64(a, dot[1] + 1, (size_t)(end - dot[1] - 1),
		    &p->mac, &p->mac_len);
	return e;
}

static bool
is_string(const struct js_member *m)
{
	return m != NULL && m->kind == JS_STRING;
}

/*
 * HS256 and nothing else, whatever the token asks for.  Extensions that must be
 * understood (RFC 7515, section 4.1.11) we do not understand; nor a payload that is
 * not encoded (RFC 7797).
 */
static enum err
judge_header(struct arena *a, const struct js_doc *h, struct jwt_fault *f)
{
	const struct js_member *alg = js_find(h, "alg"),
			       *kid = js_find(h, "kid");
	const char *name;
	size_t len;

	if (!is_string(alg) || (kid != NULL && kid->kind != JS_STRING) ||
	    js_find(h, "crit") != NULL || js_find(h, "b64") != NULL)
		return refuse(f, 403, bad_token);
	if ((name = js_string(a, alg, &len)) == NULL)
		return ERR_NOMEM;
	if (len != 5 || memcmp(name, "HS256", 5) != 0)
		return refuse(f, 403, bad_token);
	return ERR_OK;
}

static enum err
judge_mac(const struct jwt_keys *k, const struct parts *p, struct jwt_fault *f)
{
	unsigned char mac[MAC_LEN];
	size_t i;

	for (i = 0; k != NULL && p->mac_len == MAC_LEN && i < k->n; i++) {
		if (!mac_of(k->ring[i], p->signed_text, p->signed_len, mac))
			return ERR_NOMEM;
		if (CRYPTO_memcmp(mac, p->mac, MAC_LEN) == 0)
			return ERR_OK;
	}
	return refuse(f, 403, "Invalid Token signature");
}

/* The seconds of a claim: a number, or a string of an integer. */
static bool
seconds(struct arena *a, const struct js_member *m, double *out)
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

static enum err
judge_required(struct arena *a, const struct js_doc *c, struct jwt_fault *f)
{
	static const char *const names[] = {"exp", "iat", "sub"};
	const struct js_member *m;
	const char *words;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		m = js_find(c, names[i]);
		if (m != NULL && m->kind != JS_NULL)
			continue;
		words = arena_printf(
		    a, "Token missing required claim: %s", names[i]);
		return words != NULL ? refuse(f, 403, words) : ERR_NOMEM;
	}
	return ERR_OK;
}

static enum err
judge_times(struct arena *a, const struct js_doc *c, double now, double leeway,
    struct jwt_fault *f)
{
	const struct js_member *nbf = js_find(c, "nbf");
	double at;

	if (!seconds(a, js_find(c, "iat"), &at))
		return refuse(f, 403, bad_token);
	if (at > now + leeway)
		return refuse(f, 401, "Token not yet valid");
	if (nbf != NULL && !seconds(a, nbf, &at))
		return refuse(f, 403, no_token);
	if (nbf != NULL && at > now + leeway)
		return refuse(f, 401, "Token not yet valid");
	if (!seconds(a, js_find(c, "exp"), &at))
		return refuse(f, 403, no_token);
	if (at <= now - leeway)
		return refuse(f, 401, "Token has expired");
	return ERR_OK;
}

static enum err
judge_rest(const struct js_doc *c, struct jwt_fault *f)
{
	const struct js_member *jti = js_find(c, "jti");

	/* We are nobody's named audience (RFC 7519, section 4.1.3). */
	if (js_find(c, "aud") != NULL || !is_string(js_find(c, "sub")) ||
	    (jti != NULL && jti->kind != JS_STRING))
		return refuse(f, 403, bad_token);
	return ERR_OK;
}

enum err
jwt_verify(const struct jwt_keys *k, struct arena *a, const char *token,
    size_t len, int64_t now_ms, const char **permissions,
    size_t *permissions_len, struct jwt_fault *fault)
{
	const struct js_member *m;
	struct parts p;
	const char *text;
	enum err e;

	e = take_apart(a, token, len, &p);
	if (e == ERR_INVALID)
		return refuse(fault, 403, no_token);
	if (e != ERR_OK || (e = judge_header(a, &p.header, fault)) != ERR_OK ||
	    (e = judge_mac(k, &p, fault)) != ERR_OK ||
	    (e = judge_required(a, &p.payload, fault)) != ERR_OK ||
	    (e = judge_times(a, &p.payload, (double)now_ms / 1000, k->leeway_s,
		 fault)) != ERR_OK ||
	    (e = judge_rest(&p.payload, fault)) != ERR_OK)
		return e;
	m = js_find(&p.payload, "permissions");
	text = m != NULL ? arena_dup(a, m->value.p, m->value.len)
			 : arena_dup(a, "{}", 2);
	if (text == NULL)
		return ERR_NOMEM;
	*permissions = text;
	*permissions_len = strlen(text);
	return ERR_OK;
}
