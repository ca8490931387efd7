/*
 * Access tokens as compact JWS (RFC 7515, section 3.1) with HS256.  The keys are
 * prepared at start: a token costs one copy of a context, and no key schedule.
 */

#include "jwt.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>

#include "b64url.h"
#include "jws.h"
#include "log.h"

#define MAC_LEN 32
#define RING_MAX 2

/* Constant after jwt_keys_open(): threads share it, each copies a context. */
struct jwt_keys {
	EVP_MAC_CTX *ring[RING_MAX]; /* the first one signs */
	size_t n;
	double leeway_s;
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
	b64url_put(&out, header_text, sizeof(header_text) - 1);
	buf_char(&out, '.');
	b64url_put(&out, claims.p, claims.len);
	if (!buf_ok(&claims) || !buf_ok(&out) ||
	    !mac_of(k->ring[0], out.p, out.len, mac))
		return ERR_NOMEM;
	buf_char(&out, '.');
	b64url_put(&out, mac, sizeof(mac));
	*token = out.p;
	return buf_ok(&out) ? ERR_OK : ERR_NOMEM;
}

static enum err
refuse(struct jwt_fault *f, int status, const char *message)
{
	*f = (struct jwt_fault){status, message};
	return ERR_INVALID;
}

static bool
is_string(const struct js_member *m)
{
	return m != NULL && m->kind == JS_STRING;
}

/* HS256 and nothing else, whatever the token asks for. */
static enum err
judge_header(struct arena *a, const struct jws *t, struct jwt_fault *f)
{
	const char *alg;
	enum err e;

	e = jws_algorithm(t, a, &alg);
	if (e == ERR_INVALID || (e == ERR_OK && strcmp(alg, "HS256") != 0))
		return refuse(f, 403, bad_token);
	return e;
}

static enum err
judge_mac(const struct jwt_keys *k, const struct jws *t, struct jwt_fault *f)
{
	unsigned char mac[MAC_LEN];
	size_t i;

	for (i = 0; k != NULL && t->signature_len == MAC_LEN && i < k->n; i++) {
		if (!mac_of(k->ring[i], t->signed_text, t->signed_len, mac))
			return ERR_NOMEM;
		if (CRYPTO_memcmp(mac, t->signature, MAC_LEN) == 0)
			return ERR_OK;
	}
	return refuse(f, 403, "Invalid Token signature");
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

	if (!jws_seconds(a, js_find(c, "iat"), &at))
		return refuse(f, 403, bad_token);
	if (at > now + leeway)
		return refuse(f, 401, "Token not yet valid");
	if (nbf != NULL && !jws_seconds(a, nbf, &at))
		return refuse(f, 403, no_token);
	if (nbf != NULL && at > now + leeway)
		return refuse(f, 401, "Token not yet valid");
	if (!jws_seconds(a, js_find(c, "exp"), &at))
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
	struct jws t;
	const char *text;
	enum err e;

	e = jws_read(&t, a, token, len);
	if (e == ERR_INVALID)
		return refuse(fault, 403, no_token);
	if (e != ERR_OK || (e = judge_header(a, &t, fault)) != ERR_OK ||
	    (e = judge_mac(k, &t, fault)) != ERR_OK ||
	    (e = judge_required(a, &t.payload, fault)) != ERR_OK ||
	    (e = judge_times(a, &t.payload, (double)now_ms / 1000, k->leeway_s,
		 fault)) != ERR_OK ||
	    (e = judge_rest(&t.payload, fault)) != ERR_OK)
		return e;
	m = js_find(&t.payload, "permissions");
	text = m != NULL ? arena_dup(a, m->value.p, m->value.len)
			 : arena_dup(a, "{}", 2);
	if (text == NULL)
		return ERR_NOMEM;
	*permissions = text;
	*permissions_len = strlen(text);
	return ERR_OK;
}
