/* Strings written as JSON. */

#include <criterion/criterion.h>
#include <json-c/json.h>
#include <string.h>

#include "js.h"
#include "js_escape.h"

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

TestSuite(js_escape, .init = setup, .fini = teardown);

/* text is JSON. */
static void
given(const char *text)
{
	cr_assert_eq(js_scan(&doc, arena, text, strlen(text), &fault), ERR_OK,
	    "%s: %s at %zu", text, fault.why, fault.offset);
}

Test(js_escape, writes_strings_that_it_reads_as_they_were)
{
	static const struct {
		const char *s;
		size_t len;
		const char *want;
	} t[] = {
	    {"", 0, "\"\""},
	    {"plain / text'", 13, "\"plain / text'\""},
	    {"\"\\", 2, "\"\\\"\\\\\""},
	    {"\n\t\r\b\f", 5, "\"\\n\\t\\r\\b\\f\""},
	    {"a\0b", 3, "\"a\\u0000b\""},
	    {"\x1f\x7f\x0b", 3, "\"\\u001f\x7f\\u000b\""},
	    {"\xc3\xa9\xf0\x9f\x98\x80", 6, "\"\xc3\xa9\xf0\x9f\x98\x80\""},
	};
	struct json_object *o;
	struct buf b;
	size_t i;

	for (i = 0; i < COUNT(t); i++) {
		buf_init(&b, arena, 1);
		js_put_string(&b, t[i].s, t[i].len);
		cr_assert(buf_ok(&b));
		cr_expect_str_eq(b.p, t[i].want);
		given(b.p);
		o = js_tree(&doc);
		cr_expect_eq(
		    (size_t)json_object_get_string_len(o), t[i].len, "%zu", i);
		cr_expect_eq(
		    memcmp(json_object_get_string(o), t[i].s, t[i].len), 0);
	}
}

/* Every byte at every place among eight and beyond, against the plain writer. */
Test(js_escape, escapes_a_piece_as_it_writes_a_string)
{
	char text[24], out[sizeof(text) * JS_ESCAPED_MAX];
	struct buf b;
	size_t n, at;
	int c;

	for (c = 0; c < 256; c++)
		for (at = 0; at < sizeof(text); at++) {
			memset(text, 'a', sizeof(text));
			text[at] = (char)c;
			buf_init(&b, arena, 64);
			js_put_string(&b, text, sizeof(text));
			n = js_escape(out, text, sizeof(text));
			cr_assert_eq(n, b.len - 2);
			cr_assert_eq(memcmp(out, b.p + 1, n), 0);
		}
	memset(text, 0, sizeof(text));
	cr_expect_eq(js_escape(out, text, sizeof(text)), sizeof(out));
	cr_expect_eq(js_escape(out, "", 0), 0);
}
