/* Addresses by their looks. */

#include <criterion/criterion.h>
#include <string.h>

#include "address.h"

struct sample {
	const char *text;
	bool good;
};

#define N(samples) (sizeof(samples) / sizeof((samples)[0]))

static void
expect(bool (*judge)(const char *, size_t), const struct sample *s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		cr_expect_eq(judge(s[i].text, strlen(s[i].text)), s[i].good,
		    "'%s' is %s", s[i].text, s[i].good ? "one" : "none");
}

Test(address, knows_a_url)
{
	static const struct sample samples[] = {
	    {"http://example.com", true},
	    {"HTTPS://Example.COM/", true},
	    {"ftp://a.bc/x?y=z#f", true},
	    {"ftps://a.bc?q", true},
	    {"http://localhost", true},
	    {"http://LOCALHOST:8000/x", true},
	    {"http://10.0.0.1", true},
	    {"http://10.0.0.1:80/x", true},
	    {"http://[::1]", true},
	    {"http://[fe80::1:2]:8080/x", true},
	    {"http://me@a.bc", true},
	    {"http://me:p%20w@a.bc:1/x", true},
	    {"http://a-b.c-d.ef", true},
	    {"http://a.bc.", true},
	    {"http://a.b1", true},
	    {"http://a.bc/\303\266", true},
	    {"", false},
	    {"a.bc", false},
	    {"//a.bc", false},
	    {"http:/a.bc", false},
	    {"http://", false},
	    {"file:///x", false},
	    {"gopher://a.bc", false},
	    {"javascript:alert(1)", false},
	    {"http://host", false},
	    {"http://host/a.bc", false},
	    {"http://localhos", false},
	    {"http://localhost.", false},
	    {"http://1.2.3.4.", false},
	    {"http://[1:]", false},
	    {"http://[:]", false},
	    {"http://[:1]", true},
	    {"http://me:p%2@a.bc", false},
	    {"http://me:p%2g@a.bc", false},
	    {"http://me%@a.bc", false},
	    {"http://a.b", false},
	    {"http://.bc", false},
	    {"http://a..bc", false},
	    {"http://-a.bc", false},
	    {"http://a-.bc", false},
	    {"http://a_b.cd", false},
	    {"http://\303\266.de", false},
	    {"http://1.2.3", false},
	    {"http://1.2.3.4.5", false},
	    {"http://1.2.3.1234", true}, /* a name, by its looks */
	    {"http://[1]", false},
	    {"http://[::1", false},
	    {"http://[::g]", false},
	    {"http://[::1]x", false},
	    {"http://a.bc:", false},
	    {"http://a.bc:x", false},
	    {"http://a.bc:80x", false},
	    {"http://@@a.bc", false},
	    {"http://a b@a.bc", false},
	    {"http://a.bc/ x", false},
	    {"http://a.bc/x\n", false},
	    {"http://a.bc/\302\240", false},
	    {"http://a.bc/\342\200\203", false},
	    {"http://a.bc#f", false},
	    {" http://a.bc", false},
	    {"http://a.bc ", false},
	};

	expect(address_is_url, samples, N(samples));
	cr_expect_not(address_is_url("http://a.bc/\0x", 14));
	cr_expect_not(address_is_url("http://a.bc/\0", 13));
	cr_expect_not(address_is_url("http://a.bc\0/x", 14));
	cr_expect_not(address_is_url("http://a\0.bc", 12));
}

Test(address, bounds_a_label)
{
	char url[128] = "http://";

	memset(url + 7, 'a', 63);
	(void)strcpy(url + 70, ".bc");
	cr_expect(address_is_url(url, strlen(url)));
	(void)strcpy(url + 70, "a.bc");
	cr_expect_not(address_is_url(url, strlen(url)));
}

Test(address, knows_an_email)
{
	static const struct sample samples[] = {
	    {"me@example.com", true},
	    {"a.b+c@d-e.fg", true},
	    {"me@localhost", true},
	    {"me@[10.0.0.1]", true},
	    {"\"a b\"@example.com", true},
	    {"me@b\303\274cher.de", true},
	    {"", false},
	    {"me", false},
	    {"@example.com", false},
	    {"me@", false},
	    {"me@host", false},
	    {"me@a.b", false},
	    {"me@a.bc.", false},
	    {"me@.bc", false},
	    {"me@a..bc", false},
	    {".me@a.bc", false},
	    {"me.@a.bc", false},
	    {"m..e@a.bc", false},
	    {"m e@a.bc", false},
	    {"me@a.bc\n", false},
	    {"me@a b.cd", false},
	    {"me@a\302\240b.cd", false},
	    {"me@[10.0.0]", false},
	    {"me@[::1]", false},
	    {"a@b@c.de", false},
	    {"\"a\"b\"@c.de", false},
	};

	expect(address_is_email, samples, N(samples));
}
