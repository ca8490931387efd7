/* The literals of a configuration, one by itself. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "conf_value.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct arena *arena;

static void
setup(void)
{
	arena = arena_new();
	cr_assert_not_null(arena);
}

static void
teardown(void)
{
	arena_free(arena);
}

TestSuite(conf_value, .init = setup, .fini = teardown);

/* One literal by itself. */
static bool
literal(const char *text, struct conf_value *v)
{
	struct conf_text t = {text, text + strlen(text), text, 1, arena, NULL};

	return conf_value_read(&t, v) && t.p == t.end;
}

static void
expect_text(const char *text, const char *want)
{
	struct conf_value v;

	cr_assert(literal(text, &v), "%s", text);
	cr_expect_eq(v.type, VALUE_STR, "%s", text);
	cr_expect_str_eq(v.text, want);
	cr_expect_eq(v.len, strlen(want));
}

Test(conf_value, reads_strings_in_one_and_three_quotes_of_either_kind)
{
	static const char *const t[][2] = {
	    {"'a'", "a"},
	    {"\"a\"", "a"},
	    {"''", ""},
	    {"\"\"", ""},
	    {"'a\"b'", "a\"b"},
	    {"\"a'b\"", "a'b"},
	    {"'''a'''", "a"},
	    {"\"\"\"a\"\"\"", "a"},
	    {"''''''", ""},
	    {"'''a\nb'''", "a\nb"},
	    {"'''a'b''c'''", "a'b''c"},
	    {"\"\"\"a'''b\"\"\"", "a'''b"},
	    {"'a # no comment'", "a # no comment"},
	    {"'\xc3\xa9'", "\xc3\xa9"},
	};
	size_t i;

	for (i = 0; i < COUNT(t); i++)
		expect_text(t[i][0], t[i][1]);
}

Test(conf_value, reads_the_escapes_of_python)
{
	static const char *const t[][2] = {
	    {"'\\\\\\'\\\"'", "\\'\""},
	    {"'\\a\\b\\f\\n\\r\\t\\v'", "\a\b\f\n\r\t\v"},
	    {"'\\x41\\x7e'", "A~"},
	    {"'\\xe9\\u00e9\\U000000E9'", "\xc3\xa9\xc3\xa9\xc3\xa9"},
	    {"'\\u20ac\\U0001f600'", "\xe2\x82\xac\xf0\x9f\x98\x80"},
	    {"'\\101\\1012\\7x\\400'", "AA2\ax\xc4\x80"},
	    {"'\\d\\.\\8'", "\\d\\.\\8"},
	    {"'a\\\nb'", "ab"},
	    {"'''a\\\nb\nc'''", "ab\nc"},
	};
	size_t i;

	for (i = 0; i < COUNT(t); i++)
		expect_text(t[i][0], t[i][1]);
}

Test(conf_value, reads_the_prefixes_r_and_u)
{
	static const char *const t[][2] = {
	    {"r'\\n\\x41\\'", NULL},
	    {"r'\\n\\x41'", "\\n\\x41"},
	    {"R\"a\\\"b\"", "a\\\"b"},
	    {"r'''\\'''", NULL},
	    {"r'''\\''''", "\\'"},
	    {"u'\\u00e9'", "\xc3\xa9"},
	    {"U\"\"\"a\"\"\"", "a"},
	    {"ur'a'", NULL},
	    {"b'a'", NULL},
	    {"f'a'", NULL},
	    {"r 'a'", NULL},
	    {"r", NULL},
	};
	struct conf_value v;
	size_t i;

	for (i = 0; i < COUNT(t); i++)
		if (t[i][1] != NULL)
			expect_text(t[i][0], t[i][1]);
		else
			cr_expect_not(literal(t[i][0], &v), "%s", t[i][0]);
}

Test(conf_value, joins_adjacent_strings)
{
	static const char *const t[][2] = {
	    {"'a' 'b'", "ab"},
	    {"'a'\"b\"", "ab"},
	    {"'a' r'\\n' u'\\n'", "a\\n\n"},
	    {"'a' \\\n  'b'", "ab"},
	    {"'' '''x''' ''", "x"},
	};
	struct conf_value v;
	size_t i;

	for (i = 0; i < COUNT(t); i++)
		expect_text(t[i][0], t[i][1]);
	cr_expect_not(literal("'a'\n'b'", &v), "but not over a line's end");
	cr_assert(literal("['a'\n'b' # note\n'c', 'd']", &v), "save in a list");
	cr_assert_eq(v.n_items, 2);
	cr_expect_str_eq(v.items[0].text, "abc");
	cr_expect_str_eq(v.items[1].text, "d");
}

Test(conf_value, refuses_strings_that_are_none)
{
	static const char *const t[] = {
	    "'",
	    "'a",
	    "'a\"",
	    "'a\nb'",
	    "'''a''",
	    "'a\\",
	    "'a\\'",
	    "'\\x4'",
	    "'\\x'",
	    "'\\xg1'",
	    "'\\u123'",
	    "'\\U0001f60'",
	    "'\\U00110000'",
	    "'\\Uffffffff'",
	    "'\\ud800'",
	    "'\\udfff'",
	    "'\\0'",
	    "'\\x00'",
	    "'\\u0000'",
	    "'\\000'",
	};
	struct conf_value v;
	size_t i;

	for (i = 0; i < COUNT(t); i++)
		cr_expect_not(literal(t[i], &v), "%s", t[i]);
}

Test(conf_value, reads_whole_decimal_numbers)
{
	static const struct {
		const char *text;
		int64_t n;
	} t[] = {
	    {"0", 0},
	    {"5", 5},
	    {"-7", -7},
	    {"+7", 7},
	    {"1_000_000", 1000000},
	    {"9223372036854775807", INT64_MAX},
	    {"-9_223_372_036_854_775_808", INT64_MIN},
	};
	struct conf_value v;
	size_t i;

	for (i = 0; i < COUNT(t); i++) {
		cr_assert(literal(t[i].text, &v), "%s", t[i].text);
		cr_expect_eq(v.type, VALUE_INT);
		cr_expect_eq(v.n, t[i].n, "%s", t[i].text);
	}
}

Test(conf_value, refuses_numbers_that_are_none)
{
	static const char *const t[] = {"-", "+", "--1", "- 1", "1_", "1__0",
	    "_1", "-_1", "0x10", "0b1", "1.5", "1e3", "1L", "1 2", "5 * 1024",
	    "9223372036854775808", "-9223372036854775809",
	    "00000000000000000000000000000000000000005",
	    "99999999999999999999999999999999999999999999"};
	struct conf_value v;
	size_t i;

	for (i = 0; i < COUNT(t); i++)
		cr_expect_not(literal(t[i], &v), "%s", t[i]);
}

Test(conf_value, reads_the_words_of_python)
{
	static const char *const bad[] = {"true", "false", "none", "null",
	    "Tru", "Truest", "None1", "True False", "", " ", "=", "*"};
	struct conf_value v;
	size_t i;

	cr_assert(literal("True", &v));
	cr_expect(v.type == VALUE_BOOL && v.n == 1);
	cr_assert(literal("False", &v));
	cr_expect(v.type == VALUE_BOOL && v.n == 0);
	cr_assert(literal("None", &v));
	cr_expect_eq(v.type, VALUE_NONE);
	for (i = 0; i < COUNT(bad); i++)
		cr_expect_not(literal(bad[i], &v), "%s", bad[i]);
}

Test(conf_value, reads_flat_lists_and_tuples_over_several_lines)
{
	static const struct {
		const char *text;
		size_t n;
	} t[] = {
	    {"[]", 0},
	    {"()", 0},
	    {"[ \n ]", 0},
	    {"[1]", 1},
	    {"(1,)", 1},
	    {"['a', 'b']", 2},
	    {"['a', 'b',]", 2},
	    {"[ # note\n 1, # more ]\n -2,\n\n True, None\n, 'x' ]", 5},
	};
	struct conf_value v;
	size_t i;

	for (i = 0; i < COUNT(t); i++) {
		cr_assert(literal(t[i].text, &v), "%s", t[i].text);
		cr_expect_eq(v.type, VALUE_LIST);
		cr_expect_eq(v.n_items, t[i].n, "%s", t[i].text);
	}
	cr_expect_eq(v.items[1].n, -2);
	cr_expect_str_eq(v.items[4].text, "x");
}

Test(conf_value, takes_one_value_in_parentheses_for_itself)
{
	struct conf_value v;

	cr_assert(literal("('a'\n 'b')", &v));
	cr_expect_eq(v.type, VALUE_STR);
	cr_expect_str_eq(v.text, "ab");
	cr_assert(literal("( 5 )", &v));
	cr_expect(v.type == VALUE_INT && v.n == 5);
	cr_assert(literal("[5]", &v));
	cr_expect_eq(v.type, VALUE_LIST);
}

Test(conf_value, refuses_lists_that_are_none)
{
	static const char *const t[] = {"[", "(", "[1", "[1,", "[,]", "[1,,2]",
	    "[1 2]", "[1)", "(1]", "[[]]", "[(1)]", "]", "{}", "{'a': 1}",
	    "[a]", "['a]", "[1 # ]"};
	struct conf_value v;
	size_t i;

	for (i = 0; i < COUNT(t); i++)
		cr_expect_not(literal(t[i], &v), "%s", t[i]);
}

Test(conf_value, takes_256_items_and_no_more)
{
	struct conf_value v;
	struct buf b;
	int i;

	buf_init(&b, arena, 1024);
	buf_char(&b, '[');
	for (i = 0; i < 256; i++)
		buf_str(&b, "1,");
	cr_assert(literal(arena_printf(arena, "%s]", b.p), &v));
	cr_expect_eq(v.n_items, 256);
	cr_expect_not(literal(arena_printf(arena, "%s1]", b.p), &v));
}
