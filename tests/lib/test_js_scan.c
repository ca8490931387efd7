/* The strict scan: what is JSON, where it is none, and the spans of the input.
 */

#include <criterion/criterion.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "js.h"
#include "utf8.h"

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

TestSuite(js_scan, .init = setup, .fini = teardown);

static enum err
scan_bytes(const char *p, size_t len)
{
	fault = (struct js_fault){.why = NULL};
	return js_scan(&doc, arena, p, len, &fault);
}

static enum err
scan(const char *text)
{
	return scan_bytes(text, strlen(text));
}

/* text is JSON. */
static void
given(const char *text)
{
	cr_assert_eq(
	    scan(text), ERR_OK, "%s: %s at %zu", text, fault.why, fault.offset);
}

/* text is none, and shows it at byte offset with a reason that holds part. */
static void
expect_fault(const char *text, size_t offset, const char *part)
{
	cr_expect_eq(scan(text), ERR_INVALID, "%s", text);
	cr_assert_not_null(fault.why, "%s", text);
	cr_expect_not_null(strstr(fault.why, part), "%s: %s", text, fault.why);
	cr_expect_eq(fault.offset, offset, "%s: %zu", text, fault.offset);
}

static void
expect_span(struct js_span s, const char *want)
{
	cr_expect_eq(
	    s.len, strlen(want), "%.*s, not %s", (int)s.len, s.p, want);
	cr_expect_eq(strncmp(s.p, want, s.len), 0, "%.*s, not %s", (int)s.len,
	    s.p, want);
}

Test(js_scan, knows_the_six_kinds_and_drops_white_space_around)
{
	static const struct {
		const char *text, *span;
		enum js_kind kind;
	} t[] = {
	    {"null", "null", JS_NULL},
	    {" true\n", "true", JS_BOOL},
	    {"\tfalse\r\n", "false", JS_BOOL},
	    {"  -1.5e+3 ", "-1.5e+3", JS_NUMBER},
	    {"\"\"", "\"\"", JS_STRING},
	    {" \" a \" ", "\" a \"", JS_STRING},
	    {" [ ] ", "[ ]", JS_ARRAY},
	    {"\r\n{ }\t", "{ }", JS_OBJECT},
	};
	size_t i;

	for (i = 0; i < COUNT(t); i++) {
		given(t[i].text);
		cr_expect_eq(doc.kind, t[i].kind, "%s", t[i].text);
		expect_span(doc.text, t[i].span);
		cr_expect_eq(doc.n_members, 0);
	}
}

/* Documents that are JSON, and that json-c takes too. */
static const char *const good[] = {
    "0",
    "-0",
    "-0.0e-0",
    "10",
    "1E400",
    "0e0",
    "0.10",
    "1e0007",
    "[1,2 , 3]",
    "[[],{},[[]],[{}]]",
    "[\"\",null,true,false,0]",
    "{\"\":{\"\":[]}}",
    "{ \"a\" : 1 , \"b\" : [ ] }",
    "\"/\\/\\\"\\\\\\b\\f\\n\\r\\t\"",
    "\"\\u0000\\u001f\\u007f\\uFFFF\\uabCD\"",
    "\"\\ud83d\\ude00\\uDBFF\\uDFFF\"",
    "\"\x7f\"",
    "\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\"",
    "\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"",
};

Test(js_scan, accepts_all_of_json_and_json_c_agrees)
{
	size_t i;

	for (i = 0; i < COUNT(good); i++) {
		given(good[i]);
		cr_expect_not_null(js_tree(&doc), "%s", good[i]);
	}
}

Test(js_scan, refuses_what_is_no_json_and_tells_where)
{
	static const struct {
		const char *text;
		size_t offset;
		const char *part;
	} t[] = {
	    {"", 0, "unexpected end"},
	    {" \n", 2, "unexpected end"},
	    {"\xef\xbb\xbf{}", 0, "a value is missing"},
	    {"NaN", 0, "a value is missing"},
	    {"nan", 0, "an unknown word"},
	    {"[Infinity]", 1, "a value is missing"},
	    {"-Infinity", 1, "a digit is missing"},
	    {"nul", 0, "an unknown word"},
	    {"True", 0, "a value is missing"},
	    {"tru", 0, "an unknown word"},
	    {"nullx", 4, "something after"},
	    {"'a'", 0, "a value is missing"},
	    {"{'a':1}", 1, "a key in double quotes"},
	    {"{a:1}", 1, "a key in double quotes"},
	    {"{1:1}", 1, "a key in double quotes"},
	    {"{,}", 1, "a key in double quotes"},
	    {"{\"a\":1,}", 7, "a key in double quotes"},
	    {"{\"a\"}", 4, "a colon"},
	    {"{\"a\" 1}", 5, "a colon"},
	    {"{\"a\":}", 5, "a value is missing"},
	    {"{\"a\":1 \"b\":2}", 7, "a comma or a closing brace"},
	    {"{\"a\":1]", 6, "a comma or a closing brace"},
	    {"{\"a\"::1}", 5, "a value is missing"},
	    {"[1,]", 3, "a value is missing"},
	    {"[,1]", 1, "a value is missing"},
	    {"[1 2]", 3, "a comma or a closing bracket"},
	    {"[1}", 2, "a comma or a closing bracket"},
	    {"]", 0, "a value is missing"},
	    {"01", 1, "a leading zero"},
	    {"-00", 2, "a leading zero"},
	    {"[00]", 2, "a leading zero"},
	    {"+1", 0, "a value is missing"},
	    {".5", 0, "a value is missing"},
	    {"1.", 2, "unexpected end"},
	    {"[1.]", 3, "a digit is missing"},
	    {"[1.e5]", 3, "a digit is missing"},
	    {"[1e]", 3, "a digit is missing"},
	    {"1e+", 3, "unexpected end"},
	    {"[-]", 2, "a digit is missing"},
	    {"--1", 1, "a digit is missing"},
	    {"0x10", 1, "something after"},
	    {"1_000", 1, "something after"},
	    {"{}{}", 2, "something after"},
	    {"[] // note", 3, "something after"},
	    {"/* note */ []", 0, "a value is missing"},
	    {"\"a\nb\"", 2, "a control character"},
	    {"\"a\tb\"", 2, "a control character"},
	    {"\"\x1f\"", 1, "a control character"},
	    {"{\"\x01\":1}", 2, "a control character"},
	    {"\"\\x41\"", 2, "an unknown escape"},
	    {"\"\\'\"", 2, "an unknown escape"},
	    {"\"\\U0041\"", 2, "an unknown escape"},
	    {"\"\\u12\"", 2, "a bad \\u escape"},
	    {"\"\\u12g4\"", 2, "a bad \\u escape"},
	    {"\"\\u+123\"", 2, "a bad \\u escape"},
	    {"[1]\x0b", 3, "something after"},
	    {"[1,\xc2\xa0 2]", 3, "a value is missing"},
	};
	size_t i;

	for (i = 0; i < COUNT(t); i++)
		expect_fault(t[i].text, t[i].offset, t[i].part);
}

Test(js_scan, refuses_utf8_that_no_two_readers_see_alike)
{
	static const char *const bad[] = {
	    "\x80",
	    "\xbf",
	    "\xc0\x80",
	    "\xc0\xaf",
	    "\xc1\xbf",
	    "\xc3",
	    "\xc3(",
	    "\xe0\x80\xaf",
	    "\xe0\x9f\xbf",
	    "\xe2\x82",
	    "\xe2\x82(",
	    "\xed\xa0\x80",
	    "\xed\xbf\xbf",
	    "\xf0\x80\x80\xaf",
	    "\xf0\x8f\xbf\xbf",
	    "\xf0\x9f\x98",
	    "\xf4\x90\x80\x80",
	    "\xf5\x80\x80\x80",
	    "\xf8\x88\x80\x80\x80",
	    "\xfe",
	    "\xff",
	};
	size_t i;

	for (i = 0; i < COUNT(bad); i++) {
		cr_expect_not(utf8_ok(bad[i], strlen(bad[i])), "%zu", i);
		expect_fault(arena_printf(arena, "[\"a%s\"]", bad[i]), 3,
		    "invalid UTF-8");
		expect_fault(arena_printf(arena, "{\"%s\":1}", bad[i]), 2,
		    "invalid UTF-8");
	}
}

Test(js_scan, takes_every_code_point_of_utf8)
{
	static const char text[] =
	    "\x01\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf"
	    "\xee\x80\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf";

	cr_expect(utf8_ok(text, sizeof(text)), "with the NUL");
	cr_expect(utf8_ok("", 0));
	cr_expect_not(utf8_ok(text, sizeof(text) - 2), "cut short");
}

Test(js_scan, refuses_half_of_a_surrogate_pair)
{
	static const struct {
		const char *text;
		size_t offset;
	} t[] = {
	    {"\"\\ud83d\"", 7},
	    {"\"\\ude00\"", 7},
	    {"\"\\ude00\\ud83d\"", 7},
	    {"\"\\ud83d\\ud83d\"", 7},
	    {"\"\\ud83d\\n\"", 7},
	    {"\"\\ud83dx\\ude00\"", 7},
	    {"\"\\ud83d\\ude0\"", 7},
	    {"\"\\uD800\\u0041\"", 7},
	    {"{\"\\udfff\":1}", 8},
	};
	size_t i;

	for (i = 0; i < COUNT(t); i++)
		expect_fault(t[i].text, t[i].offset, "surrogate");
}

Test(js_scan, refuses_a_nul_in_a_key_at_any_depth_but_not_in_a_value)
{
	struct json_object *o;

	expect_fault("{\"a\\u0000b\":1}", 4, "a NUL in a key");
	expect_fault("[{\"\\u0000\":1}]", 4, "a NUL in a key");
	given("{\"a\":\"x\\u0000y\"}");
	o = js_member_tree(&doc, js_find(&doc, "a"));
	cr_expect_eq(json_object_get_string_len(o), 3);
	cr_expect_eq(memcmp(json_object_get_string(o), "x\0y", 3), 0);
}

Test(js_scan, refuses_raw_nul_bytes_everywhere)
{
	static const struct {
		const char *text;
		size_t len, offset;
	} t[] = {
	    {"\0", 1, 0},
	    {"{}\0", 3, 2},
	    {"[1\0]", 4, 2},
	    {"\"a\0b\"", 5, 2},
	    {"{\"a\0b\":1}", 9, 3},
	    {"\"\\\0\"", 4, 2},
	    {"1\0", 2, 1},
	};
	size_t i;

	for (i = 0; i < COUNT(t); i++) {
		cr_expect_eq(
		    scan_bytes(t[i].text, t[i].len), ERR_INVALID, "%zu", i);
		cr_expect_eq(
		    fault.offset, t[i].offset, "%zu: %zu", i, fault.offset);
	}
}

/* depth containers around what is within. */
static const char *
nested(size_t depth, const char *open, const char *within, const char *close)
{
	struct buf b;
	size_t i;

	buf_init(&b, arena, 1024);
	for (i = 0; i < depth; i++)
		buf_str(&b, open);
	buf_str(&b, within);
	for (i = 0; i < depth; i++)
		buf_str(&b, close);
	return b.p;
}

Test(js_scan, takes_values_nested_to_the_limit_and_json_c_agrees)
{
	static const char *const within[] = {"", "1", "\"x\"", "null"};
	size_t i;

	for (i = 0; i < COUNT(within); i++) {
		given(nested(JS_DEPTH_MAX, "[", within[i], "]"));
		cr_expect_not_null(js_tree(&doc), "%s", within[i]);
	}
	given(nested(JS_DEPTH_MAX, "{\"a\":", "1", "}"));
	cr_expect_not_null(js_tree(&doc));
	cr_expect_not_null(js_member_tree(&doc, js_find(&doc, "a")));
	given(nested(JS_DEPTH_MAX / 2, "[{\"a\":", "1", "}]"));
	cr_expect_not_null(js_tree(&doc));
}

Test(js_scan, refuses_values_nested_deeper_than_the_limit)
{
	expect_fault(nested(JS_DEPTH_MAX + 1, "[", "", "]"), JS_DEPTH_MAX,
	    "nested deeper");
	expect_fault(nested(JS_DEPTH_MAX + 1, "{\"a\":", "1", "}"),
	    JS_DEPTH_MAX * 5, "nested deeper");
	expect_fault(
	    nested(100000, "[", "", ""), JS_DEPTH_MAX, "nested deeper");
}

Test(js_scan, counts_depth_and_not_the_number_of_containers)
{
	struct buf b;
	int i;

	buf_init(&b, arena, 4096);
	buf_str(&b, "[{}");
	for (i = 0; i < 1000; i++)
		buf_str(&b, ",[[]],{\"a\":{}}");
	buf_char(&b, ']');
	given(b.p);
	cr_expect_eq(json_object_array_length(js_tree(&doc)), 2001);
}

Test(js_scan, refuses_every_document_that_was_cut_short)
{
	static const char text[] =
	    "{\"a\\n\\u00e9\": [1.5e+3, true, null, false, {\"b\": \"\\ud83d"
	    "\\ude00\xf0\x9f\x98\x80\"}], \"c\": {}}";
	size_t n;
	char *cut;

	given(text);
	for (n = 0; n < sizeof(text) - 1; n++) {
		/* On its own memory, so that a sanitizer sees a byte too many.
		 */
		cut = malloc(n + 1);
		memcpy(cut, text, n);
		cr_expect_eq(scan_bytes(cut, n), ERR_INVALID, "%zu", n);
		cr_expect_leq(fault.offset, n, "%zu", n);
		free(cut);
	}
}

Test(js_scan, counts_lines_and_bytes_of_the_fault_from_one)
{
	static const struct {
		const char *text;
		unsigned line, column;
	} t[] = {
	    {"", 1, 1},
	    {"x", 1, 1},
	    {"  x", 1, 3},
	    {"\nx", 2, 1},
	    {"\r\n\r\n x", 3, 2},
	    {"{\"a\":\n\n  'b'}", 3, 3},
	    {"[\"\xc3\xa9\", x]", 1, 8},
	    {"[1,\n2", 2, 2},
	    {"[1,\n2,\n", 3, 1},
	};
	size_t i;

	for (i = 0; i < COUNT(t); i++) {
		cr_expect_eq(scan(t[i].text), ERR_INVALID);
		cr_expect_eq(fault.line, t[i].line, "%zu: %u", i, fault.line);
		cr_expect_eq(
		    fault.column, t[i].column, "%zu: %u", i, fault.column);
	}
}

Test(js_scan, gives_the_members_of_the_outermost_object_as_spans_in_order)
{
	static const struct {
		const char *key, *raw, *value;
		enum js_kind kind;
	} want[] = {
	    {"n", "\"n\"", "-1.50e+007", JS_NUMBER},
	    {"", "\"\"", "null", JS_NULL},
	    {"s", "\"s\"", "\" \\u0041 \"", JS_STRING},
	    {"o", "\"o\"", "{ \"n\" : [ {} ] }", JS_OBJECT},
	    {"a", "\"a\"", "[ 1, {\"n\":2}, [] ]", JS_ARRAY},
	    {"e", "\"e\"", "{ }", JS_OBJECT},
	    {"f", "\"f\"", "[]", JS_ARRAY},
	    {"t", "\"t\"", "true", JS_BOOL},
	    {"q\"\n\xc3\xa9\xf0\x9f\x98\x80/",
		"\"q\\\"\\n\\u00e9\\uD83D\\ude00\\/\"", "false", JS_BOOL},
	    {"\xe2\x82\xac", "\"\\u20AC\"", "0", JS_NUMBER},
	};
	size_t i;

	given(" { \"n\" : -1.50e+007 , \"\":null,\"s\":\" \\u0041 \","
	      "\"o\": { \"n\" : [ {} ] } ,\n\"a\":[ 1, {\"n\":2}, [] ],"
	      "\"e\":{ },\"f\":[],\"t\":true\t,"
	      "\"q\\\"\\n\\u00e9\\uD83D\\ude00\\/\":false,\"\\u20AC\":0 } ");
	cr_assert_eq(doc.n_members, COUNT(want));
	for (i = 0; i < COUNT(want); i++) {
		cr_expect_str_eq(doc.members[i].key, want[i].key);
		cr_expect_eq(doc.members[i].key_len, strlen(want[i].key));
		expect_span(doc.members[i].raw_key, want[i].raw);
		expect_span(doc.members[i].value, want[i].value);
		cr_expect_eq(doc.members[i].kind, want[i].kind, "%zu", i);
	}
}

Test(js_scan, notes_no_members_but_the_outermost_objects)
{
	given("[{\"a\":1},{\"b\":{\"c\":2}}]");
	cr_expect_eq(doc.n_members, 0);
	given("{\"a\":{\"b\":1,\"c\":{\"d\":2}}}");
	cr_expect_eq(doc.n_members, 1);
	cr_expect_null(js_find(&doc, "b"));
}

Test(js_scan, has_room_for_as_many_members_as_come)
{
	struct buf b;
	int i;

	buf_init(&b, arena, 4096);
	for (i = 0; i < 5000; i++)
		buf_printf(&b, "%c\"k%d\":%d", i == 0 ? '{' : ',', i, i);
	buf_char(&b, '}');
	given(b.p);
	cr_assert_eq(doc.n_members, 5000);
	expect_span(js_find(&doc, "k0")->value, "0");
	expect_span(js_find(&doc, "k4999")->value, "4999");
}
