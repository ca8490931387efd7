/* The Prefer header. */

#include <criterion/criterion.h>
#include <string.h>

#include "prefer.h"

/* -1: none. */
static int64_t
wait_in(const char *value)
{
	int64_t n = -2;

	return prefer_wait(value, &n) ? n : -1;
}

Test(prefer, finds_wait_among_others)
{
	static const struct {
		const char *value;
		int64_t wait;
	} cases[] = {
	    {"wait=10", 10},
	    {"WAIT=0", 0},
	    {" wait = 7 ", 7},
	    {"respond-async, wait=10", 10},
	    {"wait=10, wait=20", 10},
	    {"handling=lenient;wait=3, wait=5", 5},
	    {"wait=5; foo=\"a,wait=9\"", 5},
	    {"foo=\"a, wait=9\", wait=5", 5},
	    {"foo=\"\\\", wait=9\", wait=5", 5},
	    {",, ,wait=5", 5},
	    {"wait=99999999999999999999", INT32_MAX},
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect_eq(wait_in(cases[i].value), cases[i].wait, "%s: %lld",
		    cases[i].value, (long long)wait_in(cases[i].value));
}

Test(prefer, takes_no_notice_of_what_it_cannot_read)
{
	static const char *const cases[] = {"", "wait", "wait=", "wait=-1",
	    "wait=1.5", "wait=\"5\"", "wait=5s", "waits=5", "foo;wait=5",
	    "foo=\"wait=5", "=5", ";", ",", "wait wait=5", "\"wait=5\""};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect_eq(wait_in(cases[i]), -1, "%s", cases[i]);
}

Test(prefer, reads_digits_alone_as_seconds)
{
	int64_t n = 5;

	cr_expect(prefer_seconds("012", 3, &n) && n == 12);
	cr_expect(!prefer_seconds("", 0, &n));
	cr_expect(!prefer_seconds("+1", 2, &n));
	cr_expect(!prefer_seconds(" 1", 2, &n));
	cr_expect_eq(n, 12);
}
