/* Compact JWS (RFC 7515, section 7.1) with one algorithm, and the claims of our own
 * tokens. */

#include "jwt.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "js.h"

#define MAC_LEN ((size_t)32)
#define KEYS_MAX 2
#define PARTS 3

static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
static const char digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static const char undecodable[] = "Unable to decode token";
static const char invalid[] = "Invalid Token";

struct jwt_keys {
	EVP_MAC *mac;
	EVP_MAC_CTX
	    *keys[KEYS_MAX]; /* the first signs; each is copied, not used */
	size_t n;
	int64_t leeway_ms;
};

static bool
add_key(struct jwt_keys *k, const char *text)
{
	char name[] = "SHA256";
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_utf8_string("digest", name, 0),
	    OSSL_PARAM_construct_end(),
	};
	EVP_MAC_CTX *c;

	if (text[0] == '\0')
		return true;
	c = EVP_MAC_CTX_new(k->mac);
	if (c == NULL || EVP_MAC_init(c, (const unsigned char *)text,
			     strlen(text), params) != 1) {
		EVP_MAC_CTX_free(c);
		return false;
	}
	k->keys[k->n++] = c;
	return true;
}

enum err
jwt_keys_open(struct jwt_keys **out, const struct conf *c)
{
	struct jwt_keys *k;

	*out = NULL;
	if (conf_str(c, CONF_JWT_SIGNING_KEY)[0] == '\0')
		return ERR_OK;
	k = calloc(1, sizeof(*k));
	if (k == NULL)
		return ERR_NOMEM;
	k->leeway_ms = conf_int(c, CONF_JWT_LEEWAY) * 1000;
	k->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	if (k->mac == NULL || !add_key(k, conf_str(c, CONF_JWT_SIGNING_KEY)) ||
	    !add_key(k, conf_str(c, CONF_JWT_SIGNING_KEY_OLD))) {
		jwt_keys_free(k);
		return ERR_NOMEM;
	}
	*out = k;
	return ERR_OK;
}

void
jwt_keys_free(struct jwt_keys *k)
{
	if (k == NULL)
		return;
	while (k->n > 0)
		EVP_MAC_CTX_free(k->keys[--k->n]);
	EVP_MAC_free(k->mac);
	free(k);
}

static bool
mac_of(const EVP_MAC_CTX *key, const char *p, size_t len,
    unsigned char out[MAC_LEN])
{
	EVP_MAC_CTX *c = EVP_MAC_CTX_dup(key);
	size_t n = 0;
	bool good;

	good = c != NULL &&
	       EVP_MAC_update(c, (const unsigned char *)p, len) == 1 &&
	       EVP_MAC_final(c, out, &n, MAC_LEN) == 1 && n == MAC_LEN;
	EVP_MAC_CTX_free(c);
	return good;
}

/* Base64url without padding (RFC 4648, section 5; RFC 7515, section 2). */
static void
put_base64(struct buf *b, const unsigned char *p, size_t len)
{
	unsigned long v;
	size_t i, n;

	for (i = 0; i < len; i += 3) {
		n = len - i < 3 ? len - i : 3;
		v = (unsigned long)p[i] << 16;
		if (n > 1)
			v |= (unsigned long)p[i + 1] << 8;
		if (n > 2)
			v |= p[i + 2];
		buf_char(b, digits[v >> 18 & 63]);
		buf_char(b, digits[v >> 12 & 63]);
		if (n > 1)
			buf_char(b, digits[v >> 6 & 63]);
		if (n > 2)
			buf_char(b, digits[v & 63]);
	}
}

static int
digit_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '-')
		return 62;
	return c == '_' ? 63 : -1;
}

/* The bytes of a base64url text, ended by NUL; NULL if it is none, and without
 * memory. */
static char *
read_base64(struct arena *a, struct js_span in, size_t *len)
{
	char *out = arena_alloc(a, in.len / 4 * 3 + 4);
	unsigned long v = 0;
	unsigned bits = 0;
	size_t i, n = 0;
	int d;

	if (out == NULL || in.len % 4 == 1)
		return NULL;
	for (i = 0; i < in.len; i++) {
		if ((d = digit_value(in.p[i])) == -1)
			return NULL;
		v = (v << 6 | (unsigned long)d) & 0xffff;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			out[n++] = (char)(v >> bits & 0xff);
		}
	}
	/* What is left over of the last digit says nothing. */
	if ((v & ((1UL << bits) - 1)) != 0)
		return NULL;
	out[n] = '\0';
	*len = n;
	return out;
}

enum err
jwt_sign(const struct jwt_keys *k, struct arena *a, const char *permissions,
    size_t len, int64_t now_ms, const char **token)
{
	long long now = now_ms / 1000;
	unsigned char mac[MAC_LEN];
	struct buf claims, b;

	buf_init(&claims, a, len + 128);
	buf_printf(&claims,
	    "{\"exp\":%lld,\"iat\":%lld,\"sub\":\"access_token\","
	    "\"permissions\":",
	    now + JWT_LIFE_S, now);
	buf_add(&claims, permissions, len);
	buf_char(&claims, '}');
	buf_init(&b, a, claims.len / 3 * 4 + 128);
	put_base64(&b, (const unsigned char *)header, sizeof(header) - 1);
	buf_char(&b, '.');
	put_base64(&b, (const unsigned char *)claims.p, claims.len);
	if (!buf_ok(&claims) || !buf_ok(&b) ||
	    !mac_of(k->keys[0], b.p, b.len, mac))
		return ERR_NOMEM;
	buf_char(&b, '.');
	put_base64(&b, mac, sizeof(mac));
	*token = b.p;
	return buf_ok(&b) ? ERR_OK : ERR_NOMEM;
}

static bool
refuse(struct jwt_fault *f, int status, const char *message)
{
	f->status = status;
	f->message = message;
	return false;
}

/* A token in its parts. */
struct token {
	struct js_span parts[PARTS]; /* as they came */
	struct js_doc header;
	struct js_doc claims;
	const char *mac;
	size_t mac_len;
};

static bool
split(struct token *t, const char *p, size_t len)
{
	const char *dot;
	size_t i;

	for (i = 0; i < PARTS; i++) {
		dot = memchr(p, '.', len);
		if ((dot == NULL) != (i == PARTS - 1))
			return false;
		t->parts[i].p = p;
		t->parts[i].len = dot != NULL ? (size_t)(dot - p) : len;
		if (dot != NULL) {
			len -= (size_t)(dot - p) + 1;
			p = dot + 1;
		}
	}
	return true;
}

static bool
read_json(struct js_doc *d, struct arena *a, struct js_span part)
{
	struct js_fault where;
	const char *text;
	size_t len;

	text = read_base64(a, part, &len);
	return text != NULL && js_scan(d, a, text, len, &where) == ERR_OK;
}

static bool
decode(struct token *t, struct arena *a, const char *p, size_t len)
{
	if (!split(t, p, len) || !read_json(&t->header, a, t->parts[0]) ||
	    !read_json(&t->claims, a, t->parts[1]) ||
	    t->claims.kind != JS_OBJECT)
		return false;
	t->mac = read_base64(a, t->parts[2], &t->mac_len);
	return t->mac != NULL;
}

static bool
is_hs256(const struct token *t)
{
	const struct js_member *alg;
	const char *s;
	size_t len;

	if (t->header.kind != JS_OBJECT ||
	    (alg = js_find(&t->header, "alg")) == NULL ||
	    alg->kind != JS_STRING)
		return false;
	s = js_string(t->header.arena, alg, &len);
	/* An extension that must be understood is not (RFC 7515, 4.1.11). */
	return s != NULL && strcmp(s, "HS256") == 0 &&
	       js_find(&t->header, "crit") == NULL;
}

static bool
is_signed(const struct jwt_keys *k, const struct token *t)
{
	const char *p = t->parts[0].p;
	size_t i, len = t->parts[0].len + 1 + t->parts[1].len;
	unsigned char mac[MAC_LEN];

	if (k == NULL || t->mac_len != MAC_LEN)
		return false;
	for (i = 0; i < k->n; i++)
		if (mac_of(k->keys[i], p, len, mac) &&
		    CRYPTO_memcmp(mac, t->mac, MAC_LEN) == 0)
			return true;
	return false;
}

/* A time as a number, a fraction cut off, or as text of digits; seconds. */
static bool
read_time(struct js_doc *d, const struct js_member *m, int64_t *out)
{
	const char *s;
	size_t len;
	char *end;
	double t;

	if (m->kind == JS_STRING)
		s = js_string(d->arena, m, &len);
	else if (m->kind == JS_NUMBER)
		s = arena_dup(d->arena, m->value.p, m->value.len);
	else
		return false;
	if (s == NULL || *s == '\0' ||
	    (m->kind == JS_STRING && s[strspn(s, "0123456789")] != '\0'))
		return false;
	t = strtod(s, &end);
	if (*end != '\0' || !(t > -1e15 && t < 1e15))
		return false;
	*out = (int64_t)t;
	return true;
}

static bool
has_claims(struct token *t, struct arena *a, struct jwt_fault *f)
{
	static const char *const names[] = {"exp", "iat", "sub"};
	const struct js_member *m;
	const char *text;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		m = js_find(&t->claims, names[i]);
		if (m != NULL && m->kind != JS_NULL)
			continue;
		text = arena_printf(
		    a, "Token missing required claim: %s", names[i]);
		return refuse(f, 403, text != NULL ? text : invalid);
	}
	return true;
}

static bool
is_in_time(const struct jwt_keys *k, struct token *t, int64_t now_ms,
    struct jwt_fault *f)
{
	const struct js_member *m;
	int64_t at;

	if (!read_time(&t->claims, js_find(&t->claims, "iat"), &at))
		return refuse(f, 403, invalid);
	if (at * 1000 > now_ms + k->leeway_ms)
		return refuse(f, 401, "Token not yet valid");
	m = js_find(&t->claims, "nbf");
	if (m != NULL && m->kind != JS_NULL) {
		if (!read_time(&t->claims, m, &at))
			return refuse(f, 403, undecodable);
		if (at * 1000 > now_ms + k->leeway_ms)
			return refuse(f, 401, "Token not yet valid");
	}
	if (!read_time(&t->claims, js_find(&t->claims, "exp"), &at))
		return refuse(f, 403, undecodable);
	if (at * 1000 <= now_ms - k->leeway_ms)
		return refuse(f, 401, "Token has expired");
	return true;
}

/* Nobody has asked for an audience, and the names are texts. */
static bool
has_good_names(const struct token *t, struct jwt_fault *f)
{
	const struct js_member *aud = js_find(&t->claims, "aud");
	const struct js_member *sub = js_find(&t->claims, "sub");
	const struct js_member *jti = js_find(&t->claims, "jti");

	if ((aud != NULL && aud->kind != JS_NULL) || sub->kind != JS_STRING ||
	    (jti != NULL && jti->kind != JS_STRING))
		return refuse(f, 403, invalid);
	return true;
}

static bool
is_good(const struct jwt_keys *k, struct token *t, struct arena *a,
    int64_t now_ms, struct jwt_fault *f)
{
	if (!is_hs256(t))
		return refuse(f, 403, invalid);
	if (!is_signed(k, t))
		return refuse(f, 403, "Invalid Token signature");
	return has_claims(t, a, f) && is_in_time(k, t, now_ms, f) &&
	       has_good_names(t, f);
}

enum err
jwt_verify(const struct jwt_keys *k, struct arena *a, const char *token,
    size_t len, int64_t now_ms, const char **permissions,
    size_t *permissions_len, struct jwt_fault *fault)
{
	const struct js_member *m;
	struct token t;

	if (!decode(&t, a, token, len)) {
		(void)refuse(fault, 403, undecodable);
		return ERR_INVALID;
	}
	if (!is_good(k, &t, a, now_ms, fault))
		return ERR_INVALID;
	m = js_find(&t.claims, "permissions");
	if (m == NULL || m->kind != JS_OBJECT) {
		(void)refuse(fault, 403, invalid);
		return ERR_INVALID;
	}
	*permissions = m->value.p;
	*permissions_len = m->value.len;
	return ERR_OK;
}
