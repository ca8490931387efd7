/* Members and values of what was scanned. */

#include <criterion/criterion.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "js.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct arena *arena;
static struct js_doc doc;
static struct js_fault fault;

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

TestSuite(js, .init = setup, .fini = teardown);

/* text is JSON. */
static void
given(const char *text)
{
	cr_assert_eq(js_scan(&doc, arena, text, strlen(text), &fault), ERR_OK,
	    "%s: %s at %zu", text, fault.why, fault.offset);
}

static void
expect_span(struct js_span s, const char *want)
{
	cr_expect_eq(
	    s.len, strlen(want), "%.*s, not %s", (int)s.len, s.p, want);
	cr_expect_eq(strncmp(s.p, want, s.len), 0, "%.*s, not %s", (int)s.len,
	    s.p, want);
}

Test(js, leaves_the_last_of_repeated_members_in_their_order)
{
	given("{\"b\":1,\"a\":2,\"b\":3,\"c\":4,\"\\u0061\":5}");
	cr_assert_eq(js_last_wins(&doc), ERR_OK);
	cr_assert_eq(doc.n_members, 3);
	cr_expect_eq(doc.members[0].value.p[0], '3');
	cr_expect_eq(doc.members[1].value.p[0], '4');
	cr_expect_eq(doc.members[2].value.p[0], '5');
	given("{}");
	cr_assert_eq(js_last_wins(&doc), ERR_OK);
	cr_expect_eq(doc.n_members, 0);
}

Test(js, finds_the_last_of_repeated_keys_as_json_c_does)
{
	struct json_object *o;

	given("{\"a\":1,\"b\":2,\"\\u0061\":3,\"A\":4}");
	cr_expect_eq(doc.n_members, 4, "repeats are kept");
	expect_span(js_find(&doc, "a")->value, "3");
	cr_expect_null(js_find(&doc, "c"));
	cr_expect_null(js_find(&doc, ""));
	o = json_object_object_get(js_tree(&doc), "a");
	cr_expect_eq(json_object_get_int(o), 3);
}

Test(js, keeps_numbers_byte_for_byte)
{
	static const char *const t[] = {
	    "18446744073709551616",
	    "-9223372036854775809",
	    "123456789012345678901234567890123456789012345678901234567890",
	    "1.10",
	    "1.000000000000000000000000000000000000001",
	    "1E+0400",
	    "-0",
	    "0.0e-0",
	};
	size_t i;

	for (i = 0; i < COUNT(t); i++) {
		given(arena_printf(arena, "{\"n\": %s }", t[i]));
		expect_span(js_find(&doc, "n")->value, t[i]);
		cr_expect_eq(js_find(&doc, "n")->kind, JS_NUMBER);
	}
}

Test(js, gives_scalars_to_json_c_whole)
{
	given(" 1234 ");
	cr_expect_eq(json_object_get_int(js_tree(&doc)), 1234);
	given("-1.5");
	cr_expect_eq(json_object_get_double(js_tree(&doc)), -1.5);
	given("true");
	cr_expect(json_object_get_boolean(js_tree(&doc)));
	given("\"\\ud83d\\ude00\"");
	cr_expect_str_eq(
	    json_object_get_string(js_tree(&doc)), "\xf0\x9f\x98\x80");
}

Test(js, makes_the_tree_once_and_null_for_null)
{
	struct json_object *o;

	given("{\"a\":[1,null],\"b\":null,\"c\":12}");
	o = js_tree(&doc);
	cr_assert_not_null(o);
	cr_expect_eq(js_tree(&doc), o);
	cr_expect_null(js_member_tree(&doc, js_find(&doc, "b")));
	o = js_member_tree(&doc, js_find(&doc, "c"));
	cr_expect_eq(json_object_get_int(o), 12);
	o = js_member_tree(&doc, js_find(&doc, "a"));
	cr_expect_eq(json_object_array_length(o), 2);
	cr_expect_null(json_object_array_get_idx(o, 1));
	given("null");
	cr_expect_null(js_tree(&doc));
}

static void
expect_elements(const char *text, const char *want)
{
	struct js_span rest;
	struct js_member m;
	char got[256] = "";

	cr_assert_eq(js_scan(&doc, arena, text, strlen(text), &fault), ERR_OK);
	rest = doc.text;
	while (js_element(&rest, &m))
		(void)snprintf(got + strlen(got), sizeof(got) - strlen(got),
		    "%d:%.*s|", (int)m.kind, (int)m.value.len, m.value.p);
	cr_expect_str_eq(got, want, "%s: %s", text, got);
}

Test(js, gives_the_elements_of_an_array_one_after_the_other)
{
	expect_elements("[]", "");
	expect_elements("[ \n]", "");
	expect_elements("[1]", "2:1|");
	expect_elements("[ 1 ,-2.5e3\t, \"a\" ]", "2:1|2:-2.5e3|3:\"a\"|");
	expect_elements("[[],[1,[2]],{}]", "4:[]|4:[1,[2]]|5:{}|");
	expect_elements("[[[]]]", "4:[[]]|");
	expect_elements("[{\"]\":[\"}\"]},true,false,null]",
	    "5:{\"]\":[\"}\"]}|1:true|1:false|0:null|");
	expect_elements(
	    "[\"\\\\\",\"\\\"]\",\",\"]", "3:\"\\\\\"|3:\"\\\"]\"|3:\",\"|");
}

Test(js, decodes_a_string_value)
{
	static const char text[] = "{\"a\":\"x\\u0000\\ud83d\\ude00\\n\"}";
	const char *s;
	size_t len = 0;

	cr_assert_eq(js_scan(&doc, arena, text, strlen(text), &fault), ERR_OK);
	s = js_string(arena, js_find(&doc, "a"), &len);
	cr_expect_eq(len, 7);
	cr_expect_eq(memcmp(s, "x\0\xf0\x9f\x98\x80\n", 8), 0);
}

Test(js, decodes_a_string_where_it_stands)
{
	char text[] = "{\"a\":\"x\\u0000\\ud83d\\ude00\\n\",\"b\":\"plain\"}";
	const struct js_member *m;
	const char *s;
	size_t n;

	cr_assert_eq(
	    js_scan(&doc, arena, text, sizeof(text) - 1, &fault), ERR_OK);
	m = js_find(&doc, "a");
	s = js_string_in_place(m, &n);
	cr_expect_eq(n, 7);
	cr_expect_eq(memcmp(s, "x\0\xf0\x9f\x98\x80\n", 8), 0);
	s = js_string_in_place(js_find(&doc, "b"), &n);
	cr_expect_eq(n, 5);
	cr_expect_str_eq(s, "plain");
}
