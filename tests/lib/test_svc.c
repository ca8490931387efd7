/* What is judged of a configuration before anything is opened. */

#include <criterion/criterion.h>
#include <string.h>

#include "fixture.h"

#define LONG "0123456789abcdef0123456789abcdef"

static enum err
check(const char *text, struct conf_fault *fault)
{
	struct conf *c;
	enum err e;

	cr_assert_eq(
	    conf_parse(&c, "t.conf", text, strlen(text), fault), ERR_OK);
	e = svc_check(c, fault);
	conf_free(c);
	return e;
}

Test(svc, refuses_a_signing_key_that_could_be_guessed)
{
	static const char *const bad[] = {"JWT_SIGNING_KEY = 'short'\n",
	    "JWT_SIGNING_KEY = '0123456789abcdef0123456789abcde'\n",
	    "JWT_SIGNING_KEY = '" LONG "'\nJWT_SIGNING_KEY_OLD = 'x'\n"};
	struct conf_fault fault;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_assert_eq(check(bad[i], &fault), ERR_INVALID);
		cr_expect_not_null(
		    strstr(fault.text, "is shorter than 32 bytes"), "%s",
		    fault.text);
		cr_expect_not_null(strstr(fault.text, "openssl rand -hex 32"),
		    "%s", fault.text);
		cr_expect_null(strstr(fault.text, "short'"), "no key in a log");
	}
}

Test(svc, takes_a_long_key_or_none)
{
	struct conf_fault fault;

	cr_expect_eq(check("JWT_SIGNING_KEY = '" LONG "'\n", &fault), ERR_OK);
	cr_expect_eq(check("JWT_SIGNING_KEY = ''\n", &fault), ERR_OK);
}

Test(svc, opens_the_keys_for_every_responder)
{
	struct conf_fault fault;
	struct conf *c;
	struct svc s;

	cr_assert_eq(conf_parse(&c, "t", "JWT_SIGNING_KEY = '" LONG "'\n",
			 strlen("JWT_SIGNING_KEY = '" LONG "'\n"), &fault),
	    ERR_OK);
	cr_assert_eq(svc_open(&s, c, NULL, 0, "unit"), ERR_OK);
	cr_expect_not_null(s.jwt);
	svc_close(&s);
	cr_expect_null(s.jwt);
	conf_free(c);
}
