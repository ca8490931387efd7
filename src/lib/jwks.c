/* Public keys by libcrypto. */

#include "jwks.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <stdlib.h>
#include <string.h>

#include "b64url.h"

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192
#define P256_LEN 32

struct key {
	EVP_PKEY *pkey;
	char *id; /* NULL: it has none */
	const char *alg;
};

struct jwks {
	struct key keys[JWKS_KEYS_MAX];
	size_t n;
};

/* The bytes of a member in base64url; NULL without. */
static const unsigned char *
bytes_of(struct arena *a, const struct js_doc *doc, const char *name, size_t *n)
{
	const char *s = js_text(a, doc, name), *p;

	if (s == NULL || b64url_get(a, s, strlen(s), &p, n) != ERR_OK)
		return NULL;
	return (const unsigned char *)p;
}

/* The key that the parameters in b describe; takes b. */
static EVP_PKEY *
make_key(const char *type, OSSL_PARAM_BLD *b)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(b);
	EVP_PKEY *key = NULL;

	if (ctx == NULL || params == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		key = NULL;
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(b);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static EVP_PKEY *
rsa_key(struct arena *a, const struct js_doc *jwk)
{
	size_t n_len = 0, e_len = 0;
	const unsigned char *n = bytes_of(a, jwk, "n", &n_len);
	const unsigned char *e = bytes_of(a, jwk, "e", &e_len);
	OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
	BIGNUM *bn = NULL, *be = NULL;
	EVP_PKEY *key = NULL;
	int bits = 0;

	/* An exponent of more than 32 bits only costs time. */
	if (n != NULL && e != NULL && n_len <= RSA_BITS_MAX / 8 + 1 &&
	    e_len <= 4) {
		bn = BN_bin2bn(n, (int)n_len, NULL);
		be = BN_bin2bn(e, (int)e_len, NULL);
	}
	if (bn != NULL && be != NULL)
		bits = BN_num_bits(bn);
	if (b != NULL && bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX &&
	    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, bn) == 1 &&
	    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, be) == 1)
		key = make_key("RSA", b);
	else
		OSSL_PARAM_BLD_free(b);
	BN_free(bn);
	BN_free(be);
	return key;
}

static EVP_PKEY *
ec_key(struct arena *a, const struct js_doc *jwk)
{
	size_t x_len = 0, y_len = 0;
	const unsigned char *x = bytes_of(a, jwk, "x", &x_len);
	const unsigned char *y = bytes_of(a, jwk, "y", &y_len);
	const char *curve = js_text(a, jwk, "crv");
	unsigned char point[1 + 2 * P256_LEN] = {POINT_CONVERSION_UNCOMPRESSED};
	OSSL_PARAM_BLD *b;

	if (curve == NULL || strcmp(curve, "P-256") != 0 || x == NULL ||
	    y == NULL || x_len != P256_LEN || y_len != P256_LEN)
		return NULL;
	memcpy(point + 1, x, P256_LEN);
	memcpy(point + 1 + P256_LEN, y, P256_LEN);
	b = OSSL_PARAM_BLD_new();
	if (b != NULL &&
	    OSSL_PARAM_BLD_push_utf8_string(
		b, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) == 1 &&
	    OSSL_PARAM_BLD_push_octet_string(
		b, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)) == 1)
		return make_key("EC", b);
	OSSL_PARAM_BLD_free(b);
	return NULL;
}

/* The kinds of keys, each with the one algorithm it is used for. */
static const struct {
	const char *type; /* kty */
	const char *alg;
	EVP_PKEY *(*make)(struct arena *a, const struct js_doc *jwk);
} kinds[] = {
    {"RSA", "RS256", rsa_key},
    {"EC", "ES256", ec_key},
};

#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* A key that cannot be used is left out. */
static enum err
add_key(struct jwks *k, struct arena *a, const struct js_doc *jwk)
{
	const char *type = js_text(a, jwk, "kty"),
		   *use = js_text(a, jwk, "use");
	const char *alg = js_text(a, jwk, "alg"), *id = js_text(a, jwk, "kid");
	struct key key = {NULL, NULL, NULL};
	size_t i;

	if (type == NULL || (use != NULL && strcmp(use, "sig") != 0))
		return ERR_OK;
	for (i = 0; i < N_KINDS; i++)
		if (strcmp(kinds[i].type, type) == 0)
			break;
	if (i == N_KINDS || (alg != NULL && strcmp(alg, kinds[i].alg) != 0))
		return ERR_OK;
	key.alg = kinds[i].alg;
	if ((key.pkey = kinds[i].make(a, jwk)) == NULL)
		return ERR_OK;
	if (id != NULL && (key.id = strdup(id)) == NULL) {
		EVP_PKEY_free(key.pkey);
		return ERR_NOMEM;
	}
	k->keys[k->n++] = key;
	return ERR_OK;
}

static enum err
add_keys(struct jwks *k, struct arena *a, const char *text, size_t len)
{
	const struct js_member *list;
	struct js_member element;
	struct js_doc doc, jwk;
	struct js_fault where;
	struct js_span rest;
	enum err e;

	if ((e = js_scan(&doc, a, text, len, &where)) != ERR_OK)
		return e;
	list = js_find(&doc, "keys");
	if (list == NULL || list->kind != JS_ARRAY)
		return ERR_INVALID;
	rest = list->value;
	while (e == ERR_OK && k->n < JWKS_KEYS_MAX &&
	       js_element(&rest, &element)) {
		if (element.kind != JS_OBJECT)
			continue;
		e = js_scan(
		    &jwk, a, element.value.p, element.value.len, &where);
		if (e == ERR_OK)
			e = add_key(k, a, &jwk);
	}
	return e;
}

enum err
jwks_open(struct jwks **out, const char *text, size_t len)
{
	struct arena *a = arena_new();
	struct jwks *k = calloc(1, sizeof(*k));
	enum err e = ERR_NOMEM;

	if (a != NULL && k != NULL)
		e = add_keys(k, a, text, len);
	arena_free(a);
	if (e == ERR_OK)
		*out = k;
	else
		jwks_free(k);
	return e;
}

void
jwks_free(struct jwks *k)
{
	if (k == NULL)
		return;
	while (k->n > 0) {
		k->n--;
		EVP_PKEY_free(k->keys[k->n].pkey);
		free(k->keys[k->n].id);
	}
	free(k);
}

/* A signature on P-256, two numbers one behind the other, in DER as libcrypto has it.  Free
 * with OPENSSL_free(). */
static unsigned char *
der_of(const struct jws *t, size_t *len)
{
	const unsigned char *p = (const unsigned char *)t->signature;
	ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *r = NULL, *s = NULL;
	unsigned char *der = NULL;
	int n = 0;

	if (sig != NULL) {
		r = BN_bin2bn(p, P256_LEN, NULL);
		s = BN_bin2bn(p + P256_LEN, P256_LEN, NULL);
	}
	if (r != NULL && s != NULL && ECDSA_SIG_set0(sig, r, s) == 1) {
		n = i2d_ECDSA_SIG(sig, &der);
	} else {
		BN_free(r);
		BN_free(s);
	}
	ECDSA_SIG_free(sig);
	*len = n > 0 ? (size_t)n : 0;
	return n > 0 ? der : NULL;
}

static enum err
verify_bytes(const struct key *key, const struct jws *t,
    const unsigned char *sig, size_t len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	enum err e = ERR_NOMEM;

	if (ctx != NULL &&
	    EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key->pkey) == 1)
		e = EVP_DigestVerify(ctx, sig, len,
			(const unsigned char *)t->signed_text,
			t->signed_len) == 1
			? ERR_OK
			: ERR_INVALID;
	EVP_MD_CTX_free(ctx);
	return e;
}

static enum err
verify_with(const struct key *key, const struct jws *t)
{
	unsigned char *der;
	enum err e;
	size_t len;

	if (strcmp(key->alg, "RS256") == 0)
		return verify_bytes(key, t, (const unsigned char *)t->signature,
		    t->signature_len);
	if (t->signature_len != 2 * (size_t)P256_LEN)
		return ERR_INVALID;
	if ((der = der_of(t, &len)) == NULL)
		return ERR_NOMEM;
	e = verify_bytes(key, t, der, len);
	OPENSSL_free(der);
	return e;
}

static bool
is_known(const char *alg)
{
	size_t i;

	for (i = 0; i < N_KINDS; i++)
		if (strcmp(kinds[i].alg, alg) == 0)
			return true;
	return false;
}

enum err
jwks_verify(const struct jwks *k, struct arena *a, const struct jws *t)
{
	const char *id = js_text(a, &t->header, "kid"), *alg;
	const struct key *key;
	enum err e, last = ERR_NOTFOUND;
	size_t i;

	if ((e = jws_algorithm(t, a, &alg)) != ERR_OK)
		return e;
	if (!is_known(alg))
		return ERR_INVALID;
	for (i = 0; i < k->n; i++) {
		key = &k->keys[i];
		if (strcmp(key->alg, alg) != 0 ||
		    (id != NULL && key->id != NULL && strcmp(key->id, id) != 0))
			continue;
		last = verify_with(key, t);
		if (last != ERR_INVALID)
			return last;
	}
	/* Without an id a newer key, unknown here, may have signed. */
	return last == ERR_INVALID && id == NULL ? ERR_NOTFOUND : last;
}
