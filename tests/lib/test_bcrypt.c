/* Secrets as bcrypt hashes. */

#include <criterion/criterion.h>
#include <string.h>
#include <time.h>

#include "bcrypt.h"

#define SECRET "correct horse battery"

/* Of SECRET at cost 4, which is quick. */
static const char cheap[] =
    "$2b$04$abcdefghijklmnopqrstuuqREtd3VJD2QVZbuFskFSLk6eRIrQoOS";

static long
cpu_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

Test(bcrypt, verifies_what_it_has_hashed_and_nothing_else)
{
	char one[BCRYPT_LEN + 1], two[BCRYPT_LEN + 1];

	cr_assert_eq(bcrypt_hash(SECRET, one), ERR_OK);
	cr_assert_eq(bcrypt_hash(SECRET, two), ERR_OK);
	cr_expect_eq(strncmp(one, "$2b$12$", 7), 0, "%s", one);
	cr_expect_str_neq(one, two);
	cr_expect(bcrypt_verify(SECRET, one));
	cr_expect_not(bcrypt_verify(SECRET "x", one));
}

Test(bcrypt, verifies_hashes_of_other_programs)
{
	char hash[BCRYPT_LEN + 1];
	const char *kind;

	(void)strcpy(hash, cheap);
	for (kind = "aby"; *kind != '\0'; kind++) {
		hash[2] = *kind;
		cr_expect(bcrypt_verify(SECRET, hash), "%s", hash);
	}
	cr_expect_not(bcrypt_verify(SECRET "x", cheap));
}

/* Vectors of Openwall's crypt_blowfish, with bytes that a signed char gets wrong. */
Test(bcrypt, verifies_published_vectors)
{
	static const char *const good[][2] = {
	    {"U*U",
		"$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"},
	    {"U*U*",
		"$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK"},
	    {"\xff\xff\xa3",
		"$2y$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e"},
	    {"\xff\xff\xa3",
		"$2b$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e"},
	};
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		cr_expect(
		    bcrypt_verify(good[i][0], good[i][1]), "%s", good[i][1]);
}

Test(bcrypt, refuses_what_is_no_hash)
{
	char hash[BCRYPT_LEN + 1];

	cr_expect_not(bcrypt_verify(SECRET, NULL));
	cr_expect_not(bcrypt_verify(SECRET, ""));
	cr_expect_not(bcrypt_verify(SECRET, "$6$salt$hash"));
	/* Made by the fault that $2y$ was made to avoid. */
	cr_expect_not(bcrypt_verify("\xa3",
	    "$2x$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e"));
	/* So dear that it would not end. */
	(void)strcpy(hash, cheap);
	memcpy(hash + 4, "31", 2);
	cr_expect_not(bcrypt_verify(SECRET, hash));
}

/* Else the time of a refusal would tell whether a client exists. */
Test(bcrypt, refuses_a_cheap_hash_or_none_as_slowly_as_its_own)
{
	char own[BCRYPT_LEN + 1];
	long start, whole, none, less;

	cr_assert_eq(bcrypt_hash(SECRET, own), ERR_OK);
	start = cpu_ms();
	cr_expect_not(bcrypt_verify("another secret", own));
	whole = cpu_ms() - start;
	start = cpu_ms();
	cr_expect_not(bcrypt_verify("another secret", NULL));
	none = cpu_ms() - start;
	start = cpu_ms();
	cr_expect_not(bcrypt_verify("another secret", cheap));
	less = cpu_ms() - start;
	/* A hash of cost 11 would be half of it. */
	cr_expect(none * 4 > whole * 3, "%ld of %ld ms", none, whole);
	cr_expect(less * 4 > whole * 3, "%ld of %ld ms", less, whole);
}
