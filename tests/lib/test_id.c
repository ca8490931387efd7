/* UUIDs: many spellings in, one out. */

#include <criterion/criterion.h>
#include <string.h>

#include "id.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define CANONICAL "01234567-89ab-cdef-0123-456789abcdef"
#define DIGITS "0123456789abcdef0123456789abcdef"

static void
expect_canonical(const char *text)
{
	struct id id = {"untouched"};

	cr_expect(id_parse(text, strlen(text), &id), "%s", text);
	cr_expect_str_eq(id.text, CANONICAL);
}

static void
expect_refusal(const char *text, size_t len)
{
	struct id id = {"untouched"};

	cr_expect_not(id_parse(text, len, &id), "%s", text);
	cr_expect_str_eq(id.text, "untouched");
}

Test(id, keeps_every_spelling_of_a_uuid_as_one)
{
	static const char *const t[] = {
	    CANONICAL,
	    "01234567-89AB-CDEF-0123-456789ABCDEF",
	    "01234567-89aB-Cdef-0123-456789AbCdEf",
	    DIGITS,
	    "0123456789ABCDEF0123456789ABCDEF",
	    "{" CANONICAL "}",
	    "{" DIGITS "}",
	    "urn:uuid:" CANONICAL,
	    "urn:" CANONICAL,
	    "uuid:" CANONICAL,
	    "urn:uuid:{" CANONICAL "}",
	    "uuid:{" DIGITS "}",
	    "0-1-2-3-4-5-6-7-8-9-a-b-c-d-e-f-0123456789abcdef",
	    "-" DIGITS "-",
	    "----01234567--89abcdef0123456789abcdef",
	};
	size_t i;

	for (i = 0; i < COUNT(t); i++)
		expect_canonical(t[i]);
}

Test(id, does_not_look_at_version_and_variant)
{
	static const char *const t[] = {
	    "00000000-0000-0000-0000-000000000000",
	    "ffffffff-ffff-ffff-ffff-ffffffffffff",
	};
	struct id id;
	size_t i;

	for (i = 0; i < COUNT(t); i++) {
		cr_assert(id_parse(t[i], ID_LEN, &id));
		cr_expect_str_eq(id.text, t[i]);
	}
}

Test(id, refuses_what_is_no_uuid_and_leaves_the_result_alone)
{
	static const char *const t[] = {
	    "",
	    "-",
	    "{}",
	    "{",
	    "}",
	    "urn:",
	    "urn:uuid:",
	    "0123456789abcdef0123456789abcde",
	    DIGITS "0",
	    "g123456789abcdef0123456789abcdef",
	    "{" CANONICAL,
	    CANONICAL "}",
	    "{{" CANONICAL "}}",
	    "(" CANONICAL ")",
	    "{urn:uuid:" CANONICAL "}",
	    "uuid:urn:" CANONICAL,
	    "urn:uuid:uuid:" CANONICAL,
	    "URN:UUID:" CANONICAL,
	    " " CANONICAL,
	    CANONICAL " ",
	    CANONICAL "\n",
	    "0x" DIGITS,
	    "../../../../../../../../etc/passwd",
	    "0123456789abcdef0123456789abcd\xc3\xa9",
	};
	size_t i;

	for (i = 0; i < COUNT(t); i++)
		expect_refusal(t[i], strlen(t[i]));
}

Test(id, sees_a_nul_among_the_bytes)
{
	expect_refusal(DIGITS "\0", 33);
	expect_refusal("0123456789abcdef\0000123456789abcdef", 33);
}

Test(id, reads_no_byte_beyond_the_length)
{
	struct id id;

	expect_refusal(DIGITS, 31);
	expect_refusal("{" DIGITS "}", 33);
	cr_assert(id_parse(DIGITS "ff", 32, &id));
	cr_expect_str_eq(id.text, CANONICAL);
}

Test(id, makes_random_ones_of_version_4_in_the_kept_spelling)
{
	struct id made[64], read;
	size_t i, j;

	for (i = 0; i < COUNT(made); i++) {
		id_make(&made[i]);
		cr_expect_eq(made[i].text[14], '4', "version");
		cr_expect_not_null(strchr("89ab", made[i].text[19]), "variant");
		cr_assert(id_parse(made[i].text, ID_LEN, &read));
		cr_expect_str_eq(made[i].text, read.text);
		for (j = 0; j < i; j++)
			cr_expect_str_neq(made[i].text, made[j].text);
	}
}
