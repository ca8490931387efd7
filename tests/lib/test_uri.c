/* The request target and the cookie header. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "uri.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct arena *arena;
static struct uri u;

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

TestSuite(uri, .init = setup, .fini = teardown);
TestSuite(uri_cookie, .init = setup, .fini = teardown);

static void
given(const char *target)
{
	cr_assert_eq(
	    uri_parse(&u, arena, target, strlen(target)), ERR_OK, "%s", target);
}

/* The segments, each followed by "|". */
static const char *
path(void)
{
	struct buf b;
	size_t i;

	buf_init(&b, arena, 64);
	for (i = 0; i < u.n_segments; i++)
		buf_printf(&b, "%s|", u.segments[i]);
	return b.p;
}

/* The pairs as name=value, each followed by "|". */
static const char *
query(void)
{
	struct buf b;
	size_t i;

	buf_init(&b, arena, 64);
	for (i = 0; i < u.n_query; i++)
		buf_printf(&b, "%s=%s|", u.query[i].name, u.query[i].value);
	return b.p;
}

Test(uri, splits_the_path_and_then_decodes_each_segment_once)
{
	static const struct {
		const char *target, *path;
	} t[] = {
	    {"", ""},
	    {"/", ""},
	    {"/v1/job", "v1|job|"},
	    {"v1/job", "v1|job|"},
	    {"/v1/job/", "v1|job|"},
	    {"//v1///job//", "v1|job|"},
	    {"/a%20b", "a b|"},
	    {"/a+b", "a+b|"},
	    {"/%2541", "%41|"},
	    {"/%C3%a9", "\xc3\xa9|"},
	    {"/\xc3\xa9", "\xc3\xa9|"},
	    {"/%f0%9f%98%80", "\xf0\x9f\x98\x80|"},
	    {"/a%3fb%26c%23d", "a?b&c#d|"},
	    {"/.../.a/a./a..b", "...|.a|a.|a..b|"},
	    {"/a;b=c", "a;b=c|"},
	    {"*", "*|"},
	};
	size_t i;

	for (i = 0; i < COUNT(t); i++) {
		given(t[i].target);
		cr_expect_str_eq(path(), t[i].path);
		cr_expect_eq(u.n_query, 0, "%s", t[i].target);
	}
}

Test(uri, refuses_a_path_that_could_mean_another_one)
{
	static const char *const t[] = {
	    "/.",
	    "/..",
	    "/a/./b",
	    "/a/../b",
	    "..",
	    "/%2e",
	    "/%2E%2e",
	    "/.%2e/a",
	    "/..?a=b",
	};
	size_t i;

	for (i = 0; i < COUNT(t); i++)
		cr_expect_eq(uri_parse(&u, arena, t[i], strlen(t[i])),
		    ERR_INVALID, "%s", t[i]);
}

Test(uri, knows_no_path_with_a_slash_inside_of_a_segment)
{
	static const char *const t[] = {"/a%2fb", "/a%2Fb", "/%2f"};
	size_t i;

	for (i = 0; i < COUNT(t); i++)
		cr_expect_eq(uri_parse(&u, arena, t[i], strlen(t[i])),
		    ERR_NOTFOUND, "%s", t[i]);
}

static const char *const no_escapes[] = {
    "%",
    "%4",
    "%zz",
    "%4g",
    "%%41",
    "a%",
};

Test(uri, refuses_a_percent_sign_without_an_escape_in_a_path_only)
{
	char target[64];
	size_t i;

	for (i = 0; i < COUNT(no_escapes); i++) {
		(void)snprintf(target, sizeof(target), "/v1/%s", no_escapes[i]);
		cr_expect_eq(uri_parse(&u, arena, target, strlen(target)),
		    ERR_INVALID, "%s", target);
		(void)snprintf(target, sizeof(target), "/v1?x=%s&queue=100%%",
		    no_escapes[i]);
		given(target);
		cr_expect_str_eq(uri_query(&u, "queue"), "100%");
		cr_expect_str_eq(uri_query(&u, "x"),
		    i == 4 ? "%A" : no_escapes[i], "%s", target);
	}
}

/* What no part may hold, wherever it stands. */
static const char *const bad_text[] = {
    "%00",
    "a%00b",
    "%0a",
    "%0D",
    "%1f",
    "%7f",
    "\x01",
    "\t",
    "\x7f",
    "%ff",
    "\xff",
    "%80",
    "%c0%af",
    "%e0%80%af",
    "%c3",
    "%ed%a0%80",
    "%f4%90%80%80",
    "%f8%88%80%80%80",
};

Test(uri, refuses_bad_escapes_controls_and_invalid_utf8_everywhere)
{
	static const char *const where[] = {"/v1/%s", "/%s/v1", "/v1?%s",
	    "/v1?%s=b", "/v1?a=%s", "/v1?a=b&%s=c", "http://h/%s"};
	const char *mark, *target;
	size_t i, j;

	for (i = 0; i < COUNT(bad_text); i++)
		for (j = 0; j < COUNT(where); j++) {
			mark = strstr(where[j], "%s");
			target = arena_printf(arena, "%.*s%s%s",
			    (int)(mark - where[j]), where[j], bad_text[i],
			    mark + 2);
			cr_expect_eq(
			    uri_parse(&u, arena, target, strlen(target)),
			    ERR_INVALID, "%s", target);
		}
}

Test(uri, sees_a_nul_among_the_bytes)
{
	cr_expect_eq(uri_parse(&u, arena, "/a\0b", 4), ERR_INVALID);
	cr_expect_eq(uri_parse(&u, arena, "/a\0", 3), ERR_INVALID);
	cr_expect_eq(uri_parse(&u, arena, "/a?b\0=c", 7), ERR_INVALID);
}

Test(uri, reads_no_byte_beyond_the_length)
{
	cr_assert_eq(uri_parse(&u, arena, "/ab?c=d", 3), ERR_OK);
	cr_expect_str_eq(path(), "ab|");
	cr_expect_eq(uri_parse(&u, arena, "/a%41", 4), ERR_INVALID);
	cr_assert_eq(uri_parse(&u, arena, "/..", 1), ERR_OK);
	cr_expect_eq(u.n_segments, 0);
}

Test(uri, splits_the_query_and_then_decodes_each_part_once)
{
	static const struct {
		const char *query, *pairs;
	} t[] = {
	    {"", ""},
	    {"a", "a=|"},
	    {"a=", "a=|"},
	    {"=a", "=a|"},
	    {"=", "=|"},
	    {"a=b", "a=b|"},
	    {"a=b=c", "a=b=c|"},
	    {"a=1&b=2&a=3", "a=1|b=2|a=3|"},
	    {"&&a=1&&b=2&", "a=1|b=2|"},
	    {"a+b=c+d", "a b=c d|"},
	    {"a%2Bb=c%2bd", "a+b=c+d|"},
	    {"a%3Db=c%26d", "a=b=c&d|"},
	    {"a=%2541", "a=%41|"},
	    {"a=%C3%A9", "a=\xc3\xa9|"},
	    {"a=b?c=d", "a=b?c=d|"},
	    {"a=../%2f/.", "a=..///.|"},
	    {"a=1;b=2", "a=1;b=2|"},
	};
	size_t i;

	for (i = 0; i < COUNT(t); i++) {
		given(arena_printf(arena, "/x/?%s", t[i].query));
		cr_expect_str_eq(query(), t[i].pairs);
		cr_expect_str_eq(path(), "x|");
	}
}

Test(uri, gives_the_first_value_of_a_repeated_name)
{
	given("/x?a=1&b&a=2&%61=3");
	cr_expect_str_eq(uri_query(&u, "a"), "1");
	cr_expect_str_eq(uri_query(&u, "b"), "");
	cr_expect_null(uri_query(&u, "c"));
	cr_expect_null(uri_query(&u, "A"));
	cr_expect_null(uri_query(&u, ""));
	cr_expect_eq(u.n_query, 4);
}

Test(uri, reads_an_absolute_form_from_its_path_on)
{
	static const struct {
		const char *target, *path, *query;
	} t[] = {
	    {"http://host/a/b?c=d", "a|b|", "c=d|"},
	    {"https://host:443/a", "a|", ""},
	    {"HTTP://host/a", "a|", ""},
	    {"http://u:p@[::1]:8/a", "a|", ""},
	    {"http://host", "", ""},
	    {"http://", "", ""},
	    {"http://host?a=b/c", "", "a=b/c|"},
	    {"/http://host/a", "http:|host|a|", ""},
	    {"ftp://host/a", "ftp:|host|a|", ""},
	    {"http:/a", "http:|a|", ""},
	};
	size_t i;

	for (i = 0; i < COUNT(t); i++) {
		given(t[i].target);
		cr_expect_str_eq(path(), t[i].path);
		cr_expect_str_eq(query(), t[i].query);
	}
}

Test(uri, drops_a_fragment_before_it_looks_for_anything_else)
{
	static const struct {
		const char *target, *path, *query;
	} t[] = {
	    {"/a?b=c#d", "a|", "b=c|"},
	    {"/a#b?c=d", "a|", ""},
	    {"/a#%zz/..", "a|", ""},
	    {"#/a", "", ""},
	    {"http://host#a/b?c", "", ""},
	};
	size_t i;

	for (i = 0; i < COUNT(t); i++) {
		given(t[i].target);
		cr_expect_str_eq(path(), t[i].path);
		cr_expect_str_eq(query(), t[i].query);
	}
}

Test(uri, has_room_for_as_many_parts_as_come)
{
	struct buf b;
	size_t i;

	buf_init(&b, arena, 8);
	for (i = 0; i < 3000; i++)
		buf_str(&b, "/s");
	buf_char(&b, '?');
	for (i = 0; i < 3000; i++)
		buf_str(&b, "&q=1");
	cr_assert_eq(uri_parse(&u, arena, b.p, b.len), ERR_OK);
	cr_expect_eq(u.n_segments, 3000);
	cr_expect_eq(u.n_query, 3000);
}

Test(uri_cookie, finds_the_value_under_its_whole_name)
{
	static const struct {
		const char *header, *value;
	} t[] = {
	    {"", NULL},
	    {";;", NULL},
	    {"agent", NULL},
	    {"agent=", ""},
	    {"agent=a1", "a1"},
	    {"x=1; agent=a1", "a1"},
	    {"x=1;agent=a1", "a1"},
	    {"  agent=a1  ; y=2", "a1"},
	    {"agent=a b", "a b"},
	    {"agent=a=b", "a=b"},
	    {"agent=a; agent=b", "a"},
	    {"agent;agent=b", "b"},
	    {"xagent=1; agentx=2", NULL},
	    {"AGENT=a", NULL},
	    {"x=agent=1", NULL},
	    {"x=\"; agent=no\"; agent=yes", "yes"},
	    {"x=\"\\\"; agent=no\"; agent=yes", "yes"},
	    {"agent=%41", "%41"},
	    {"agent=\xc3\xa9", "\xc3\xa9"},
	};
	const char *v;
	size_t i;

	for (i = 0; i < COUNT(t); i++) {
		v = uri_cookie(arena, t[i].header, "agent");
		cr_expect_eq(v != NULL, t[i].value != NULL, "%s", t[i].header);
		if (v != NULL && t[i].value != NULL)
			cr_expect_str_eq(v, t[i].value);
	}
}

Test(uri_cookie, decodes_a_quoted_value)
{
	static const struct {
		const char *header, *value;
	} t[] = {
	    {"a=\"\"", ""},
	    {"a=\"x y\"", "x y"},
	    {"a=\"x;y\"; b=1", "x;y"},
	    {"a=\"\\\"\\\\\"", "\"\\"},
	    {"a=\"\\303\\251\"", "\xc3\xa9"},
	    {"a=\"\\054\\073\"", ",;"},
	    {"a=\"\\9\\08\"", "908"},
	    {"a=\"\\400\"", "400"},
	    {"a=\"\\\\303\"", "\\303"},
	};
	const char *v;
	size_t i;

	for (i = 0; i < COUNT(t); i++) {
		v = uri_cookie(arena, t[i].header, "a");
		cr_assert_not_null(v, "%s", t[i].header);
		cr_expect_str_eq(v, t[i].value);
	}
}

Test(uri_cookie, gives_nothing_for_a_value_that_is_no_text)
{
	static const char *const t[] = {"a=\"x", "a=\"", "a=\"x\\", "a=\"x\\\"",
	    "a=\"\\000\"", "a=\"x\\000y\"", "a=\"\\012\"", "a=\"\\177\"",
	    "a=\"\\377\"", "a=\"\\303\"", "a=\xff", "a=x\ty", "a=\x01"};
	size_t i;

	for (i = 0; i < COUNT(t); i++)
		cr_expect_null(uri_cookie(arena, t[i], "a"), "%s", t[i]);
}

Test(uri_cookie, quotes_what_clients_would_quote)
{
	static const struct {
		const char *value, *quoted;
	} t[] = {
	    {"agent-1_x.y~z", "agent-1_x.y~z"},
	    {"!#$%&'*+-.^_`|~:", "!#$%&'*+-.^_`|~:"},
	    {"", "\"\""},
	    {"a b", "\"a b\""},
	    {"a,b;c", "\"a\\054b\\073c\""},
	    {"\"\\", "\"\\\"\\\\\""},
	    {"\xc3\xa9", "\"\\303\\251\""},
	    {"a/b@c", "\"a/b@c\""},
	};
	size_t i;

	for (i = 0; i < COUNT(t); i++)
		cr_expect_str_eq(
		    uri_cookie_quote(arena, t[i].value), t[i].quoted);
}

Test(uri_cookie, reads_what_it_has_quoted)
{
	static const char *const t[] = {"", "a", "\\", "\"", "\\303", "; b=c",
	    " a ", "a\xc3\xa9\xf0\x9f\x98\x80", "=", "a=b", "%41", "\\\""};
	const char *header, *v;
	size_t i;

	for (i = 0; i < COUNT(t); i++) {
		header = arena_printf(
		    arena, "x=1; name=%s; y=2", uri_cookie_quote(arena, t[i]));
		v = uri_cookie(arena, header, "name");
		cr_assert_not_null(v, "%s", header);
		cr_expect_str_eq(v, t[i]);
	}
}

Test(uri, gives_all_values_of_a_name_once)
{
	const char **values;
	size_t n;

	cr_assert_eq(uri_parse(&u, arena, "/x?q=b&r=z&q=a&q=b&q", 20), ERR_OK);
	values = uri_query_all(&u, arena, "q", &n);
	cr_assert_eq(n, 3);
	cr_expect_str_eq(values[0], "");
	cr_expect_str_eq(values[1], "a");
	cr_expect_str_eq(values[2], "b");
	values = uri_query_all(&u, arena, "none", &n);
	cr_assert_not_null(values);
	cr_expect_eq(n, 0);
}
