/* Keys of a provider: what they signed is believed, and nothing else. */

#include <criterion/criterion.h>
#include <string.h>

#include "jwks.h"

/* RFC 7515, appendix A.3: a key, and a token signed with it. */
#define A3_KEY                                                                 \
	"{\"kty\":\"EC\",\"crv\":\"P-256\","                                   \
	"\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","               \
	"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"%s}"
#define A3_TOKEN                                                               \
	"eyJhbGciOiJFUzI1NiJ9."                                                \
	"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxl" \
	"LmNvbS9pc19yb290Ijp0cnVlfQ."                                          \
	"DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQ" \
	"xfKTUJqPP3-Kg6NU1Q"
/* Likewise A.2, by RSA. */
#define A2_KEY                                                                 \
	"{\"kty\":\"RSA\","                                                    \
	"\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHm" \
	"fHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOW" \
	"vG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e" \
	"-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5" \
	"IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h" \
	"4FRWyuXpoQ\",\"e\":\"AQAB\"%s}"
#define A2_TOKEN                                                               \
	"eyJhbGciOiJSUzI1NiJ9."                                                \
	"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxl" \
	"LmNvbS9pc19yb290Ijp0cnVlfQ."                                          \
	"cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuH" \
	"Im4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdi" \
	"uB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN" \
	"9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2" \
	"w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77" \
	"Rw"

static struct arena *arena;
static struct jwks *keys;

static void
setup(void)
{
	arena = arena_new();
	keys = NULL;
}

static void
teardown(void)
{
	jwks_free(keys);
	arena_free(arena);
}

TestSuite(jwks, .init = setup, .fini = teardown);

/* A set of one key, with further members of it. */
static void
given(const char *key, const char *more)
{
	char *one = arena_printf(
	    arena, "%.*s%s}", (int)(strstr(key, "%s") - key), key, more);
	char *set = arena_printf(arena, "{\"keys\":[%s]}", one);

	jwks_free(keys);
	cr_assert_eq(jwks_open(&keys, set, strlen(set)), ERR_OK);
}

static enum err
verify(const char *token)
{
	struct jws t;

	cr_assert_eq(jws_read(&t, arena, token, strlen(token)), ERR_OK);
	return jwks_verify(keys, arena, &t);
}

Test(jwks, verifies_the_examples_of_the_standard)
{
	given(A3_KEY, "");
	cr_expect_eq(verify(A3_TOKEN), ERR_OK);
	given(A2_KEY, "");
	cr_expect_eq(verify(A2_TOKEN), ERR_OK);
}

Test(jwks, refuses_a_changed_token)
{
	static const char *const tokens[] = {A3_TOKEN, A2_TOKEN};
	char *other, *last;
	size_t i;

	for (i = 0; i < 2; i++) {
		given(i == 0 ? A3_KEY : A2_KEY, ",\"kid\":\"k\"");
		other = arena_dup(arena, tokens[i], strlen(tokens[i]));
		last = strrchr(other, '.') + 1;
		*last = *last == 'A' ? 'B' : 'A';
		cr_expect_neq(verify(other), ERR_OK);
		/* A signature of another length, and none. */
		last[4] = '\0';
		cr_expect_neq(verify(other), ERR_OK);
		last[0] = '\0';
		cr_expect_neq(verify(other), ERR_OK);
	}
}

Test(jwks, asks_for_newer_keys_where_none_could_have_signed)
{
	given(A3_KEY, "");
	cr_expect_eq(verify(A2_TOKEN), ERR_NOTFOUND);
	jwks_free(keys);
	cr_assert_eq(jwks_open(&keys, "{\"keys\":[]}", 11), ERR_OK);
	cr_expect_eq(verify(A3_TOKEN), ERR_NOTFOUND);
}

Test(jwks, leaves_out_keys_for_other_work)
{
	given(A3_KEY, ",\"use\":\"enc\"");
	cr_expect_eq(verify(A3_TOKEN), ERR_NOTFOUND);
	given(A2_KEY, ",\"alg\":\"PS256\"");
	cr_expect_eq(verify(A2_TOKEN), ERR_NOTFOUND);
	given(A2_KEY, ",\"use\":\"sig\",\"alg\":\"RS256\",\"x\":[1]");
	cr_expect_eq(verify(A2_TOKEN), ERR_OK);
}

Test(jwks, leaves_out_keys_that_are_none)
{
	static const char *const sets[] = {
	    "{\"keys\":[1,null,\"x\",[],{}]}",
	    "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}",
	    "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"%\",\"e\":\"AQAB\"}]}",
	    "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AQ\","
	    "\"y\":\"AQ\"}]}",
	    /* Not on the curve. */
	    "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\","
	    "\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
	    "\"y\":\"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE\"}]}",
	    "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AQAB\"}]}",
	};
	size_t i;

	for (i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		jwks_free(keys);
		cr_assert_eq(
		    jwks_open(&keys, sets[i], strlen(sets[i])), ERR_OK);
		cr_expect_eq(verify(A3_TOKEN), ERR_NOTFOUND, "%s", sets[i]);
		cr_expect_eq(verify(A2_TOKEN), ERR_NOTFOUND, "%s", sets[i]);
	}
}

Test(jwks, refuses_what_is_no_set)
{
	static const char *const texts[] = {
	    "", "[]", "{}", "{\"keys\":{}}", "{\"keys\":"};
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		cr_expect_eq(jwks_open(&keys, texts[i], strlen(texts[i])),
		    ERR_INVALID, "%s", texts[i]);
}
