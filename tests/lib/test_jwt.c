/* Tokens: signed, verified, and refused in the order that clients know. */

#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#include "jwt.h"

#define KEY "0123456789abcdef0123456789abcdef"
#define OLD "fedcba9876543210fedcba9876543210"
#define HS256 "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define MINE "\"permissions\":{\"client_id\":\"c\"}"

static const int64_t now = 1795338000000;
static struct arena *arena;
static struct conf *conf;
static struct jwt_keys *keys;
static struct jwt_fault fault;
static const char *permissions;
static size_t permissions_len;

static struct jwt_keys *
keys_of(const char *text)
{
	struct conf_fault where;
	struct jwt_keys *k;

	cr_assert_eq(
	    conf_parse(&conf, "t", text, strlen(text), &where), ERR_OK);
	cr_assert_eq(jwt_keys_open(&k, conf), ERR_OK);
	return k;
}

static void
setup(void)
{
	arena = arena_new();
	keys = keys_of(
	    "JWT_SIGNING_KEY = '" KEY "'\nJWT_SIGNING_KEY_OLD = '" OLD "'\n");
}

static void
teardown(void)
{
	jwt_keys_free(keys);
	conf_free(conf);
	arena_free(arena);
}

TestSuite(jwt, .init = setup, .fini = teardown);

/* By libcrypto's own encoder, so that ours is not its own judge. */
static void
base64url(struct buf *b, const void *p, size_t len)
{
	char *text = arena_alloc(arena, len * 2 + 8);
	int i, n = EVP_EncodeBlock((unsigned char *)text, p, (int)len);

	for (i = 0; i < n && text[i] != '='; i++)
		buf_char(b, text[i] == '+'   ? '-'
			    : text[i] == '/' ? '_'
					     : text[i]);
}

static const char *
made(const char *key, const char *header, const char *claims)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned int n = 0;
	struct buf b;

	buf_init(&b, arena, 512);
	base64url(&b, header, strlen(header));
	buf_char(&b, '.');
	base64url(&b, claims, strlen(claims));
	(void)HMAC(EVP_sha256(), key, (int)strlen(key),
	    (const unsigned char *)b.p, b.len, mac, &n);
	buf_char(&b, '.');
	base64url(&b, mac, n);
	return b.p;
}

static enum err
verify(const struct jwt_keys *k, const char *token)
{
	fault = (struct jwt_fault){.status = 0};
	return jwt_verify(k, arena, token, strlen(token), now, &permissions,
	    &permissions_len, &fault);
}

static void
expect_refused(const char *token, int status, const char *message)
{
	cr_assert_eq(verify(keys, token), ERR_INVALID, "%s", token);
	cr_expect_eq(fault.status, status, "%s: %d", token, fault.status);
	cr_expect_str_eq(fault.message, message);
}

Test(jwt, makes_tokens_that_others_verify)
{
	static const char granted[] = "{\"client_id\":\"c\"}";
	const char *token;

	cr_assert_eq(
	    jwt_sign(keys, arena, granted, sizeof(granted) - 1, now, &token),
	    ERR_OK);
	cr_expect_str_eq(token, made(KEY, HS256,
				    "{\"exp\":1795338600,\"iat\":1795338000,"
				    "\"sub\":\"access_token\",\"permissions\":"
				    "{\"client_id\":\"c\"}}"));
	cr_assert_eq(verify(keys, token), ERR_OK);
	cr_expect_eq(permissions_len, sizeof(granted) - 1);
	cr_expect_eq(memcmp(permissions, granted, permissions_len), 0);
}

Test(jwt, takes_the_example_of_the_standard)
{
	/* RFC 7515, appendix A.1: good but for its key and claims. */
	expect_refused(
	    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
	    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leG"
	    "FtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
	    "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
	    403, "Invalid Token signature");
}

Test(jwt, verifies_by_the_former_key_too)
{
	const char *token = made(OLD, HS256,
	    "{\"exp\":1795338600,\"iat\":1795338000,\"sub\":\"x\"," MINE "}");

	cr_expect_eq(verify(keys, token), ERR_OK);
}

Test(jwt, verifies_nothing_without_a_key)
{
	const char *token = made("", HS256,
	    "{\"exp\":1795338600,\"iat\":1795338000,\"sub\":\"x\"," MINE "}");

	cr_expect_null(keys_of("JWT_SIGNING_KEY = ''\n"));
	cr_expect_eq(verify(NULL, token), ERR_INVALID);
	cr_expect_str_eq(fault.message, "Invalid Token signature");
	/* An empty former key is no key. */
	jwt_keys_free(keys);
	keys = keys_of("JWT_SIGNING_KEY = '" KEY "'\n");
	expect_refused(token, 403, "Invalid Token signature");
}

Test(jwt, refuses_what_is_no_token)
{
	static const char *const cases[] = {"", ".", "..", "a", "a.b", "a.b.c",
	    "a.b.c.d", "e30.e30", "e30=.e30.AA", "e30.W10.AA", "e30.e30.A",
	    "e30.e30.A+A=", "e30.eyJ9.AA", "e31.e30.AA"};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_refused(cases[i], 403, "Unable to decode token");
}

Test(jwt, knows_one_algorithm)
{
	static const char *const headers[] = {"{\"alg\":\"none\"}",
	    "{\"alg\":\"HS512\"}", "{\"alg\":\"RS256\"}", "{\"alg\":\"hs256\"}",
	    "{}", "[]", "{\"alg\":null}",
	    "{\"alg\":\"HS256\",\"crit\":[\"x\"]}"};
	size_t i;

	for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		expect_refused(
		    made(KEY, headers[i], "{}"), 403, "Invalid Token");
}

Test(jwt, judges_the_claims_in_order)
{
	static const struct {
		const char *claims;
		int status;
		const char *message;
	} cases[] = {
	    {"{}", 403, "Token missing required claim: exp"},
	    {"{\"exp\":null,\"iat\":1,\"sub\":\"a\"}", 403,
		"Token missing required claim: exp"},
	    {"{\"exp\":1}", 403, "Token missing required claim: iat"},
	    {"{\"exp\":1,\"iat\":1}", 403, "Token missing required claim: sub"},
	    {"{\"exp\":1,\"iat\":\"x\",\"sub\":1}", 403, "Invalid Token"},
	    {"{\"exp\":1,\"iat\":1795338006,\"sub\":1}", 401,
		"Token not yet valid"},
	    {"{\"exp\":1,\"iat\":1795338005,\"nbf\":[],\"sub\":1}", 403,
		"Unable to decode token"},
	    {"{\"exp\":1,\"iat\":1,\"nbf\":1795338006,\"sub\":1}", 401,
		"Token not yet valid"},
	    {"{\"exp\":\"x\",\"iat\":1,\"sub\":1}", 403,
		"Unable to decode token"},
	    {"{\"exp\":1795337995,\"iat\":1,\"sub\":1}", 401,
		"Token has expired"},
	    {"{\"exp\":1795337996,\"iat\":1,\"sub\":1}", 403, "Invalid Token"},
	    {"{\"exp\":9795337996,\"iat\":1,\"sub\":\"a\",\"aud\":\"b\"}", 403,
		"Invalid Token"},
	    {"{\"exp\":9795337996,\"iat\":1,\"sub\":\"a\",\"jti\":1}", 403,
		"Invalid Token"},
	    {"{\"exp\":9795337996,\"iat\":1,\"sub\":\"a\"}", 403,
		"Invalid Token"},
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_refused(made(KEY, HS256, cases[i].claims),
		    cases[i].status, cases[i].message);
}

Test(jwt, reads_times_as_fractions_and_as_text)
{
	cr_expect_eq(
	    verify(keys, made(KEY, HS256,
			     "{\"exp\":1795338600.75,\"iat\":\"1795338000\","
			     "\"nbf\":1.5e9,\"sub\":\"x\"," MINE "}")),
	    ERR_OK);
}

Test(jwt, refuses_a_token_with_one_bit_changed)
{
	const char *token = made(KEY, HS256,
	    "{\"exp\":1795338600,\"iat\":1795338000,\"sub\":\"x\"," MINE "}");
	size_t i, len = strlen(token);
	char *changed;

	cr_assert_eq(verify(keys, token), ERR_OK);
	for (i = 0; i < len; i++) {
		changed = arena_dup(arena, token, len);
		changed[i] = changed[i] == 'A' ? 'B' : 'A';
		cr_expect_eq(verify(keys, changed), ERR_INVALID, "byte %zu", i);
	}
}
