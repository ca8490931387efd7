/* Sessions of browsers: read by whoever has the key, changed by nobody. */

#include <criterion/criterion.h>
#include <string.h>

#include "session.h"

#define KEY "a key of thirty-two bytes, or so it is"

static struct arena *arena;

static void
setup(void)
{
	arena = arena_new();
}

static void
teardown(void)
{
	arena_free(arena);
}

TestSuite(session, .init = setup, .fini = teardown);

static const char *
sealed(int64_t until)
{
	const struct session s = {
	    .state = "s", .name = "W\"\xc3\xa9\x62", .until = until};
	const char *text = session_seal(KEY, arena, &s);

	cr_assert_not_null(text);
	return text;
}

Test(session, gives_back_what_was_sealed)
{
	const char *text = sealed(1000);
	struct session s;

	cr_expect_eq(
	    strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			 "0123456789-_."),
	    strlen(text));
	cr_assert(session_open(KEY, arena, text, 999, &s));
	cr_expect_str_eq(s.state, "s");
	cr_expect_str_eq(s.name, "W\"\xc3\xa9\x62");
	cr_expect_null(s.nonce);
	cr_expect_null(s.verifier);
	cr_expect_null(s.client);
	cr_expect_eq(s.until, 1000);
}

Test(session, ends)
{
	struct session s;

	cr_expect(!session_open(KEY, arena, sealed(1000), 1000, &s));
	cr_expect(!session_open(KEY, arena, sealed(0), 0, &s));
}

Test(session, is_nobodys_without_the_key)
{
	struct session s;

	cr_expect(!session_open(KEY "x", arena, sealed(1000), 1, &s));
}

Test(session, cannot_be_changed)
{
	const char *text = sealed(1000);
	char *other = arena_dup(arena, text, strlen(text));
	struct session s;
	size_t i;

	for (i = 0; text[i] != '\0'; i++) {
		other[i] = text[i] == 'A' ? 'B' : 'A';
		cr_expect(!session_open(KEY, arena, other, 1, &s), "%zu", i);
		other[i] = '\0';
		cr_expect(!session_open(KEY, arena, other, 1, &s), "%zu", i);
		other[i] = text[i];
	}
	cr_expect(!session_open(KEY, arena, "", 1, &s));
	cr_expect(!session_open(KEY, arena, ".", 1, &s));
}
