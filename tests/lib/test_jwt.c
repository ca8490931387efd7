/* Access tokens: what is signed verifies, and each fault in its words and turn. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "jwt.h"
#include "signed.h"

#define KEY "a key of thirty-two bytes, or so it is"
#define OLD "the former key, which is long enough too"
#define NOW INT64_C(1795337503)
#define HS256 "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"

static struct conf *conf;
static struct jwt_keys *keys;
static struct arena *arena;
static struct jwt_fault fault;
static const char *permissions;
static size_t permissions_len;

static void
open_keys(const char *text)
{
	struct conf_fault why;

	cr_assert_eq(conf_parse(&conf, "t", text, strlen(text), &why), ERR_OK);
	cr_assert_eq(jwt_keys_open(&keys, conf), ERR_OK);
	arena = arena_new();
	cr_assert_not_null(arena);
}

static void
open_ring(void)
{
	open_keys(
	    "JWT_SIGNING_KEY = '" KEY "'\nJWT_SIGNING_KEY_OLD = '" OLD "'\n");
}

static void
close_keys(void)
{
	jwt_keys_free(keys);
	arena_free(arena);
	conf_free(conf);
}

static enum err
verify_at(const char *token, int64_t now_ms)
{
	fault = (struct jwt_fault){0, NULL};
	return jwt_verify(keys, arena, token, strlen(token), now_ms,
	    &permissions, &permissions_len, &fault);
}

static enum err
verify(const char *token)
{
	return verify_at(token, NOW * 1000);
}

static void
expect_fault(const char *token, int status, const char *message)
{
	cr_assert_eq(verify(token), ERR_INVALID, "%s", token);
	cr_expect_eq(fault.status, status, "%s: %d", token, fault.status);
	cr_expect_str_eq(
	    fault.message, message, "%s: %s", token, fault.message);
}

/* The claims that every good token has, and more. */
static void
expect_claims(const char *claims, int status, const char *message)
{
	const char *token = token_signed(KEY, HS256, claims);

	if (status != 0)
		expect_fault(token, status, message);
	else
		cr_expect_eq(
		    verify(token), ERR_OK, "%s: %s", claims, fault.message);
}

Test(jwt, verifies_what_it_signed, .init = open_ring, .fini = close_keys)
{
	static const char p[] = "{\"client_id\":\"cli\",\"max\":{\"*\":1}}";
	const char *token;

	cr_assert_eq(
	    jwt_sign(keys, arena, p, strlen(p), NOW * 1000 + 999, &token),
	    ERR_OK);
	cr_assert_eq(verify(token), ERR_OK);
	cr_expect_str_eq(permissions, p);
	cr_expect_eq(permissions_len, strlen(p));
}

Test(jwt, signs_as_others_do, .init = open_ring, .fini = close_keys)
{
	const char *token;

	cr_assert_eq(
	    jwt_sign(keys, arena, "{}", 2, NOW * 1000, &token), ERR_OK);
	cr_expect_str_eq(
	    token, token_signed(KEY, HS256,
		       "{\"exp\":1795338103,\"iat\":1795337503,"
		       "\"sub\":\"access_token\",\"permissions\":{}}"));
}

Test(jwt, verifies_with_the_former_key_too, .init = open_ring,
    .fini = close_keys)
{
	cr_expect_eq(verify(token_for(KEY, "{}", NOW)), ERR_OK);
	cr_expect_eq(verify(token_for(OLD, "{}", NOW)), ERR_OK);
	expect_fault(
	    token_for(KEY "x", "{}", NOW), 403, "Invalid Token signature");
	expect_fault(token_for("", "{}", NOW), 403, "Invalid Token signature");
}

Test(jwt, without_a_key_nothing_verifies)
{
	open_keys("JWT_SIGNING_KEY_OLD = '" OLD "'\n");
	cr_assert_null(keys);
	expect_fault(token_for("", "{}", NOW), 403, "Invalid Token signature");
	expect_fault(token_for(OLD, "{}", NOW), 403, "Invalid Token signature");
	expect_fault("x", 403, "Unable to decode token");
	close_keys();
}

/* RFC 7515, appendix A.1: its key, header, payload and signature.  The payload has no
 * iat, which is the first thing to say once the signature is right. */
Test(jwt, knows_the_signature_of_the_rfc)
{
	static const unsigned char key[] = {3, 35, 53, 75, 43, 15, 165, 188,
	    131, 126, 6, 101, 119, 123, 166, 143, 90, 179, 40, 230, 240, 84,
	    201, 40, 169, 15, 132, 178, 210, 80, 46, 191, 211, 251, 90, 146,
	    210, 6, 71, 239, 150, 138, 180, 195, 119, 98, 61, 34, 61, 46, 33,
	    114, 5, 46, 79, 8, 192, 205, 154, 245, 103, 208, 128, 163};
	static const char token[] =
	    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
	    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
	    "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
	    "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

	open_keys("JWT_SIGNING_KEY = '" KEY "'\n");
	expect_fault(token, 403, "Invalid Token signature");
	cr_assert_eq(jwt_keys_add(keys, key, sizeof(key)), ERR_OK);
	expect_fault(token, 403, "Token missing required claim: iat");
	cr_expect_eq(jwt_keys_add(keys, "", 0), ERR_INVALID);
	close_keys();
}

Test(jwt, refuses_what_has_not_the_form, .init = open_ring, .fini = close_keys)
{
	const char *good = token_for(KEY, "{}", NOW);
	static const char *const bad[] = {"", ".", "..", "...", "a", "a.b",
	    "a.b.c", "e30", "e30.e30", "e30=.e30.e30", "e30.e30.e3+",
	    "e30.e30.e30.e30", "e30. e30.e30", "e31.e30.e30", "e30.bnVsbA.e30",
	    "WzFd.e30.e30", "e30.e30.e"};
	char text[1024];
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_fault(bad[i], 403, "Unable to decode token");
	(void)snprintf(text, sizeof(text), "%s.", good);
	expect_fault(text, 403, "Unable to decode token");
	(void)snprintf(text, sizeof(text), "%s=", good);
	expect_fault(text, 403, "Unable to decode token");
	expect_fault(
	    token_signed(KEY, HS256, "[]"), 403, "Unable to decode token");
	expect_fault(
	    token_signed(KEY, HS256, "\xff"), 403, "Unable to decode token");
}

Test(jwt, one_token_has_one_spelling, .init = open_ring, .fini = close_keys)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmn"
				     "opqrstuvwxyz0123456789-_";
	char text[1024];
	size_t i, n;

	(void)snprintf(text, sizeof(text), "%s", token_for(KEY, "{}", NOW));
	cr_assert_eq(verify(text), ERR_OK);
	/* Four of the last character's bits count; each other value of it is
	 * refused. */
	n = strlen(text) - 1;
	for (i = 0; i < 64; i++) {
		if (strchr(digits, text[n]) == &digits[i])
			continue;
		char other[1024];

		(void)snprintf(other, sizeof(other), "%s", text);
		other[n] = digits[i];
		cr_expect_eq(verify(other), ERR_INVALID);
	}
}

Test(jwt, takes_no_other_algorithm, .init = open_ring, .fini = close_keys)
{
	static const char *const bad[] = {"{}", "{\"alg\":\"none\"}",
	    "{\"alg\":\"\"}", "{\"alg\":null}", "{\"alg\":\"hs256\"}",
	    "{\"alg\":\"HS256\\u0000\"}", "{\"alg\":\"HS384\"}",
	    "{\"alg\":\"RS256\"}", "{\"alg\":[\"HS256\"]}",
	    "{\"alg\":\"HS256\",\"kid\":1}",
	    "{\"alg\":\"HS256\",\"crit\":[\"x\"]}",
	    "{\"alg\":\"HS256\",\"b64\":false}",
	    "{\"alg\":\"HS256\",\"alg\":\"none\"}"};
	char text[1024];
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_fault(
		    token_signed(KEY, bad[i], "{}"), 403, "Invalid Token");
	/* alg "none" with no signature at all. */
	(void)snprintf(text, sizeof(text), "%s",
	    token_signed(KEY, "{\"alg\":\"none\"}",
		"{\"exp\":9999999999,\"iat\":1,\"sub\":\"s\"}"));
	strrchr(text, '.')[1] = '\0';
	expect_fault(text, 403, "Invalid Token");
	(void)snprintf(text, sizeof(text), "%s", token_for(KEY, "{}", NOW));
	strrchr(text, '.')[1] = '\0';
	expect_fault(text, 403, "Invalid Token signature");
}

Test(jwt, misses_claims_in_order, .init = open_ring, .fini = close_keys)
{
	expect_claims("{}", 403, "Token missing required claim: exp");
	expect_claims("{\"exp\":null,\"iat\":1,\"sub\":\"s\"}", 403,
	    "Token missing required claim: exp");
	expect_claims("{\"exp\":1}", 403, "Token missing required claim: iat");
	expect_claims(
	    "{\"exp\":1,\"iat\":1}", 403, "Token missing required claim: sub");
	expect_claims("{\"exp\":1,\"iat\":1,\"sub\":null,\"aud\":1}", 403,
	    "Token missing required claim: sub");
}

Test(jwt, judges_times_with_a_leeway, .init = open_ring, .fini = close_keys)
{
	const char *token = token_for(KEY, "{}", NOW);

	cr_expect_eq(verify_at(token, (NOW - 5) * 1000), ERR_OK);
	cr_expect_eq(verify_at(token, (NOW - 5) * 1000 - 1), ERR_INVALID);
	cr_expect_eq(fault.status, 401);
	cr_expect_str_eq(fault.message, "Token not yet valid");
	cr_expect_eq(verify_at(token, (NOW + 605) * 1000 - 1), ERR_OK);
	cr_expect_eq(verify_at(token, (NOW + 605) * 1000), ERR_INVALID);
	cr_expect_eq(fault.status, 401);
	cr_expect_str_eq(fault.message, "Token has expired");
}

Test(jwt, judges_iat_then_nbf_then_exp_then_the_rest, .init = open_ring,
    .fini = close_keys)
{
	expect_claims("{\"exp\":1,\"iat\":9e9,\"nbf\":[],\"sub\":1}", 401,
	    "Token not yet valid");
	expect_claims("{\"exp\":1,\"iat\":[],\"nbf\":9e9,\"sub\":\"s\"}", 403,
	    "Invalid Token");
	expect_claims("{\"exp\":1,\"iat\":1,\"nbf\":9e9,\"sub\":\"s\"}", 401,
	    "Token not yet valid");
	expect_claims("{\"exp\":1,\"iat\":1,\"nbf\":\"x\",\"sub\":\"s\"}", 403,
	    "Unable to decode token");
	expect_claims("{\"exp\":1,\"iat\":1,\"sub\":5,\"aud\":\"a\"}", 401,
	    "Token has expired");
	expect_claims("{\"exp\":true,\"iat\":1,\"sub\":5}", 403,
	    "Unable to decode token");
	expect_claims("{\"exp\":1e400,\"iat\":1,\"sub\":\"s\"}", 403,
	    "Unable to decode token");
	expect_claims("{\"exp\":9e9,\"iat\":1,\"sub\":\"s\",\"aud\":\"a\"}",
	    403, "Invalid Token");
	expect_claims(
	    "{\"exp\":9e9,\"iat\":1,\"sub\":5}", 403, "Invalid Token");
	expect_claims("{\"exp\":9e9,\"iat\":1,\"sub\":\"s\",\"jti\":null}", 403,
	    "Invalid Token");
}

Test(jwt, reads_fractions_and_strings_of_integers, .init = open_ring,
    .fini = close_keys)
{
	expect_claims("{\"exp\":1795338103.9,\"iat\":1.5,\"nbf\":-0.5,"
		      "\"sub\":\"any\",\"jti\":\"j\",\"iss\":7}",
	    0, NULL);
	expect_claims(
	    "{\"exp\":\"+1795338103\",\"iat\":\"1\",\"sub\":\"s\"}", 0, NULL);
	cr_expect_str_eq(permissions, "{}");
	expect_claims("{\"exp\":\"\",\"iat\":1,\"sub\":\"s\"}", 403,
	    "Unable to decode token");
	expect_claims("{\"exp\":\"0x7fffffffff\",\"iat\":1,\"sub\":\"s\"}", 403,
	    "Unable to decode token");
	expect_claims("{\"exp\":\"inf\",\"iat\":1,\"sub\":\"s\"}", 403,
	    "Unable to decode token");
	expect_claims("{\"exp\":9e9,\"iat\":\"nan\",\"sub\":\"s\"}", 403,
	    "Invalid Token");
}
