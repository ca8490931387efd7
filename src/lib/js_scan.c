/*
 * The strict scan: one pass over the bytes, the open containers on a stack of
 * bits. What passes is safe to give to json-c, which by itself accepts a good
 * deal more.
 */

#include "js_scan.h"

#include <stdbool.h>
#include <string.h>

#include "js_escape.h"
#include "utf8.h"

#define MEMBERS_FIRST 16

struct scan {
	const unsigned char *start, *p, *end;
	struct js_doc *doc;
	struct js_fault *fault;
	size_t cap; /* of doc->members */
	unsigned depth;
	unsigned char is_object[JS_DEPTH_MAX + 1]; /* by depth */
	bool no_memory;
};

static bool
fail(struct scan *s, const char *why)
{
	const unsigned char *p;

	s->fault->offset = (size_t)(s->p - s->start);
	s->fault->line = 1;
	s->fault->column = 1;
	for (p = s->start; p < s->p; p++) {
		s->fault->column++;
		if (*p == '\n') {
			s->fault->line++;
			s->fault->column = 1;
		}
	}
	s->fault->why = why;
	return false;
}

static bool
fail_here(struct scan *s, const char *why)
{
	return fail(s, s->p == s->end ? "unexpected end" : why);
}

static void
skip_space(struct scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' ||
				    *s->p == '\r' || *s->p == '\t'))
		s->p++;
}

/* \uXXXX, with its other half if it is one of a pair; s->p at the 'u'. */
static bool
unicode_escape(struct scan *s, bool key)
{
	int unit = js_escape_unit(s->p + 1, s->end), low;

	if (unit == -1)
		return fail(s, "a bad \\u escape");
	if (unit == 0 && key)
		return fail(s, "a NUL in a key");
	s->p += 5;
	if (unit < 0xd800 || unit > 0xdfff)
		return true;
	low = -1;
	if (unit < 0xdc00 && s->end - s->p >= 6 && s->p[0] == '\\' &&
	    s->p[1] == 'u')
		low = js_escape_unit(s->p + 2, s->end);
	if (low < 0xdc00 || low > 0xdfff)
		return fail(s, "half of a surrogate pair");
	s->p += 6;
	return true;
}

static bool
escape(struct scan *s, bool key)
{
	s->p++; /* the backslash */
	if (s->p == s->end)
		return fail(s, "unexpected end");
	if (*s->p == 'u')
		return unicode_escape(s, key);
	if (*s->p == '\0' || strchr("\"\\/bfnrt", *s->p) == NULL)
		return fail(s, "an unknown escape");
	s->p++;
	return true;
}

/* A string, s->p at its opening quote; afterwards behind the closing one. */
static bool
string(struct scan *s, bool key, bool *escapes)
{
	size_t n;

	*escapes = false;
	for (s->p++;;) {
		while (s->p < s->end && js_escape_plain[*s->p])
			s->p++;
		if (s->p == s->end)
			return fail(s, "unexpected end");
		if (*s->p == '"') {
			s->p++;
			return true;
		}
		if (*s->p == '\\') {
			*escapes = true;
			if (!escape(s, key))
				return false;
		} else if (*s->p < 0x20) {
			return fail(s, "a control character in a string");
		} else {
			if ((n = utf8_len(s->p, s->end)) == 0)
				return fail(s, "invalid UTF-8");
			s->p += n;
		}
	}
}

static bool
digits(struct scan *s)
{
	if (s->p == s->end || *s->p < '0' || *s->p > '9')
		return fail_here(s, "a digit is missing");
	while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
		s->p++;
	return true;
}

static bool
number(struct scan *s)
{
	if (*s->p == '-')
		s->p++;
	if (s->p < s->end && *s->p == '0') {
		s->p++;
		if (s->p < s->end && *s->p >= '0' && *s->p <= '9')
			return fail(s, "a number with a leading zero");
	} else if (!digits(s)) {
		return false;
	}
	if (s->p < s->end && *s->p == '.') {
		s->p++;
		if (!digits(s))
			return false;
	}
	if (s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
		s->p++;
		if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
			s->p++;
		return digits(s);
	}
	return true;
}

static bool
literal(struct scan *s, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n) != 0)
		return fail(s, "an unknown word");
	s->p += n;
	return true;
}

static bool
grow(struct scan *s)
{
	size_t cap = s->cap > 0 ? s->cap * 2 : MEMBERS_FIRST;
	struct js_member *m;

	m = arena_alloc(s->doc->arena, cap * sizeof(*m));
	if (m == NULL) {
		s->no_memory = true;
		return false;
	}
	if (s->doc->n_members > 0)
		memcpy(m, s->doc->members, s->doc->n_members * sizeof(*m));
	s->doc->members = m;
	s->cap = cap;
	return true;
}

/* Note a key of the outermost object; its value follows. */
static bool
note_key(struct scan *s, const unsigned char *quote, bool escapes)
{
	size_t raw_len = (size_t)(s->p - quote), len = raw_len - 2;
	struct js_member *m;
	char *key;

	if (s->doc->n_members == s->cap && !grow(s))
		return false;
	key = arena_dup(s->doc->arena, quote + 1, len);
	if (key == NULL) {
		s->no_memory = true;
		return false;
	}
	if (escapes)
		len = js_escape_decode(key, quote + 1, len);
	m = &s->doc->members[s->doc->n_members++];
	m->key = key;
	m->key_len = len;
	m->raw_key = (struct js_span){(const char *)quote, raw_len};
	return true;
}

static bool
key(struct scan *s)
{
	const unsigned char *quote = s->p;
	bool escapes;

	if (s->p == s->end || *s->p != '"')
		return fail_here(s, "a key in double quotes is missing");
	if (!string(s, true, &escapes))
		return false;
	if (s->depth == 1 && !note_key(s, quote, escapes))
		return false;
	skip_space(s);
	if (s->p == s->end || *s->p != ':')
		return fail_here(s, "a colon is missing");
	s->p++;
	skip_space(s);
	return true;
}

static bool
scalar(struct scan *s, enum js_kind *kind)
{
	bool escapes;

	switch (*s->p) {
	case '"':
		*kind = JS_STRING;
		return string(s, false, &escapes);
	case 't':
		*kind = JS_BOOL;
		return literal(s, "true");
	case 'f':
		*kind = JS_BOOL;
		return literal(s, "false");
	case 'n':
		*kind = JS_NULL;
		return literal(s, "null");
	case '-':
	case '0' ... '9':
		*kind = JS_NUMBER;
		return number(s);
	default:
		return fail(s, "a value is missing");
	}
}

/* Into a container; *empty if it closes at once. */
static bool
open_container(struct scan *s, bool *empty)
{
	bool object = *s->p == '{';

	*empty = false;
	if (s->depth == JS_DEPTH_MAX)
		return fail(s, "nested deeper than 100");
	s->is_object[++s->depth] = object;
	s->p++;
	skip_space(s);
	*empty = s->p < s->end && *s->p == (object ? '}' : ']');
	if (*empty || !object)
		return true;
	return key(s);
}

/* Record where the value ended that began at start, if it is a member's of the
 * outermost object. */
static void
note_value(struct scan *s, const unsigned char *start, enum js_kind kind)
{
	struct js_member *m;

	if (s->depth != 1 || !s->is_object[1])
		return;
	m = &s->doc->members[s->doc->n_members - 1];
	m->value =
	    (struct js_span){(const char *)start, (size_t)(s->p - start)};
	m->kind = kind;
}

/*
 * After a value: a comma and the next one, or the ends of containers.  *more
 * tells that s->p is at a value again.  outer: where the value of the member in
 * hand of the outermost object began, if that is a container.
 */
static bool
after_value(struct scan *s, const unsigned char *outer, bool *more)
{
	bool object;

	while (s->depth > 0) {
		skip_space(s);
		object = s->is_object[s->depth];
		if (s->p < s->end && *s->p == ',') {
			s->p++;
			skip_space(s);
			*more = true;
			return !object || key(s);
		}
		if (s->p == s->end || *s->p != (object ? '}' : ']'))
			return fail_here(s,
			    object ? "a comma or a closing brace is missing"
				   : "a comma or a closing bracket is missing");
		s->p++;
		s->depth--;
		note_value(s, outer, object ? JS_OBJECT : JS_ARRAY);
	}
	*more = false;
	return true;
}

static bool
value(struct scan *s)
{
	const unsigned char *start, *outer = s->p;
	enum js_kind kind = JS_NULL;
	bool more = true, empty;

	while (more) {
		if (s->p == s->end)
			return fail(s, "unexpected end");
		start = s->p;
		if (s->depth == 1)
			outer = start;
		if (*s->p == '{' || *s->p == '[') {
			if (!open_container(s, &empty))
				return false;
			if (!empty)
				continue;
		} else {
			if (!scalar(s, &kind))
				return false;
			note_value(s, start, kind);
		}
		if (!after_value(s, outer, &more))
			return false;
	}
	return true;
}

enum js_kind
js_scan_kind(unsigned char c)
{
	switch (c) {
	case '{':
		return JS_OBJECT;
	case '[':
		return JS_ARRAY;
	case '"':
		return JS_STRING;
	case 't':
	case 'f':
		return JS_BOOL;
	case 'n':
		return JS_NULL;
	default:
		return JS_NUMBER;
	}
}

enum err
js_scan(struct js_doc *doc, struct arena *a, const char *p, size_t len,
    struct js_fault *fault)
{
	struct scan s = {.start = (const unsigned char *)p,
	    .p = (const unsigned char *)p,
	    .end = (const unsigned char *)p + len,
	    .doc = doc,
	    .fault = fault};
	const unsigned char *first;
	bool good;

	*doc = (struct js_doc){.arena = a};
	skip_space(&s);
	first = s.p;
	good = value(&s);
	doc->text =
	    (struct js_span){(const char *)first, (size_t)(s.p - first)};
	if (good) {
		skip_space(&s);
		if (s.p < s.end)
			good = fail(&s, "something after the value");
	}
	if (s.no_memory)
		return ERR_NOMEM;
	if (!good)
		return ERR_INVALID;
	doc->kind = js_scan_kind(*first);
	return ERR_OK;
}
