/*
 * The strict scan: one pass over the bytes, the open containers on a stack of
 * bits. What passes is safe to give to json-c, which by itself accepts a good
 * deal more.
 */

#include "js.h"

#include <endian.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

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

/* What may stand in a string as it is: not '"', '\\', controls, nor beyond
 * ASCII. */
static const bool plain[256] = {
    [0x20] = 1, [0x21] = 1, [0x23 ... 0x5b] = 1, [0x5d ... 0x7f] = 1};

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

/*
 * The length of the UTF-8 sequence at p, 0 if it is none (RFC 3629, section 4:
 * the second byte alone tells overlong forms, surrogates and what lies above
 * U+10FFFF).
 */
static size_t
utf8_len(const unsigned char *p, const unsigned char *end)
{
	size_t n, i;
	unsigned char low = 0x80, high = 0xbf;

	if (*p < 0x80)
		return 1;
	if (*p >= 0xc2 && *p <= 0xdf)
		n = 2;
	else if (*p >= 0xe0 && *p <= 0xef)
		n = 3;
	else if (*p >= 0xf0 && *p <= 0xf4)
		n = 4;
	else
		return 0;
	if ((size_t)(end - p) < n)
		return 0;
	if (*p == 0xe0)
		low = 0xa0;
	else if (*p == 0xed)
		high = 0x9f;
	else if (*p == 0xf0)
		low = 0x90;
	else if (*p == 0xf4)
		high = 0x8f;
	if (p[1] < low || p[1] > high)
		return 0;
	for (i = 2; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

bool
js_utf8_ok(const char *s, size_t len)
{
	const unsigned char *p = (const unsigned char *)s, *end = p + len;
	size_t n;

	while (p < end) {
		if ((n = utf8_len(p, end)) == 0)
			return false;
		p += n;
	}
	return true;
}

static int
hex_value(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The four hexadecimal digits at p; -1 if they are not. */
static int
code_unit(const unsigned char *p, const unsigned char *end)
{
	int i, v, unit = 0;

	if (end - p < 4)
		return -1;
	for (i = 0; i < 4; i++) {
		if ((v = hex_value(p[i])) == -1)
			return -1;
		unit = unit * 16 + v;
	}
	return unit;
}

/* \uXXXX, with its other half if it is one of a pair; s->p at the 'u'. */
static bool
unicode_escape(struct scan *s, bool key)
{
	int unit = code_unit(s->p + 1, s->end), low;

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
		low = code_unit(s->p + 2, s->end);
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
		while (s->p < s->end && plain[*s->p])
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

/* Decode the escapes of the len bytes at s, which the scan has accepted. */
static size_t
decode(char *out, const unsigned char *s, size_t len)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const unsigned char *end = s + len;
	size_t n = 0;
	long c;

	while (s < end) {
		if (*s != '\\') {
			out[n++] = (char)*s++;
			continue;
		}
		if (*++s != 'u') {
			out[n++] = to[strchr(from, *s++) - from];
			continue;
		}
		c = code_unit(s + 1, end);
		s += 5;
		if (c >= 0xd800 && c <= 0xdfff) {
			c = 0x10000 + (c - 0xd800) * 0x400 +
			    (code_unit(s + 2, end) - 0xdc00);
			s += 6;
		}
		if (c < 0x80) {
			out[n++] = (char)c;
			continue;
		}
		if (c < 0x800) {
			out[n++] = (char)(0xc0 | (c >> 6));
		} else {
			if (c < 0x10000) {
				out[n++] = (char)(0xe0 | (c >> 12));
			} else {
				out[n++] = (char)(0xf0 | (c >> 18));
				out[n++] = (char)(0x80 | ((c >> 12) & 0x3f));
			}
			out[n++] = (char)(0x80 | ((c >> 6) & 0x3f));
		}
		out[n++] = (char)(0x80 | (c & 0x3f));
	}
	out[n] = '\0';
	return n;
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
		len = decode(key, quote + 1, len);
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

static enum js_kind
kind_of(unsigned char c)
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
	doc->kind = kind_of(*first);
	return ERR_OK;
}

const struct js_member *
js_find(const struct js_doc *doc, const char *key)
{
	size_t i, len = strlen(key);

	for (i = doc->n_members; i > 0; i--)
		if (doc->members[i - 1].key_len == len &&
		    memcmp(doc->members[i - 1].key, key, len) == 0)
			return &doc->members[i - 1];
	return NULL;
}

static int
by_key_and_place(const void *a, const void *b)
{
	const struct js_member *x = *(const struct js_member *const *)a;
	const struct js_member *y = *(const struct js_member *const *)b;
	int order = strcmp(x->key, y->key);

	return order != 0 ? order : (x > y) - (x < y);
}

enum err
js_last_wins(struct js_doc *in)
{
	const struct js_member **sorted;
	size_t i, n = in->n_members, kept = 0;

	sorted = arena_alloc(in->arena, (n + 1) * sizeof(struct js_member *));
	if (sorted == NULL)
		return ERR_NOMEM;
	for (i = 0; i < n; i++)
		sorted[i] = &in->members[i];
	qsort(sorted, n, sizeof(struct js_member *), by_key_and_place);
	for (i = 0; i + 1 < n; i++)
		if (strcmp(sorted[i]->key, sorted[i + 1]->key) == 0)
			in->members[sorted[i] - in->members].raw_key.p = NULL;
	for (i = 0; i < n; i++)
		if (in->members[i].raw_key.p != NULL)
			in->members[kept++] = in->members[i];
	in->n_members = kept;
	return ERR_OK;
}

static void
put_tree(void *p)
{
	(void)json_object_put(p);
}

/* json-c's value of text the scan has accepted. */
static struct json_object *
tree_of(struct arena *a, const char *p, size_t len)
{
	struct json_tokener *t;
	struct json_object *o;

	t = json_tokener_new_ex(JS_DEPTH_MAX + 1);
	if (t == NULL)
		return NULL;
	json_tokener_set_flags(
	    t, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	o = json_tokener_parse_ex(t, p, (int)len);
	/* A number may go on: only the NUL says that it does not. */
	if (o == NULL && json_tokener_get_error(t) == json_tokener_continue)
		o = json_tokener_parse_ex(t, "", 1);
	json_tokener_free(t);
	if (o != NULL && !arena_defer(a, put_tree, o))
		return NULL;
	return o;
}

struct json_object *
js_tree(struct js_doc *doc)
{
	if (doc->tree == NULL)
		doc->tree = tree_of(doc->arena, doc->text.p, doc->text.len);
	return doc->tree;
}

struct json_object *
js_member_tree(struct js_doc *doc, const struct js_member *m)
{
	return tree_of(doc->arena, m->value.p, m->value.len);
}

const char *
js_string(struct arena *a, const struct js_member *m, size_t *len)
{
	char *p = arena_alloc(a, m->value.len);

	if (p == NULL)
		return NULL;
	*len = m->value.len - 2;
	if (memchr(m->value.p, '\\', m->value.len) == NULL)
		memcpy(p, m->value.p + 1, *len);
	else
		*len = decode(p, (const unsigned char *)m->value.p + 1, *len);
	p[*len] = '\0';
	return p;
}

const char *
js_text(struct arena *a, const struct js_doc *doc, const char *key)
{
	const struct js_member *m = js_find(doc, key);
	const char *s;
	size_t len;

	if (m == NULL || m->kind != JS_STRING)
		return NULL;
	s = js_string(a, m, &len);
	return s != NULL && strlen(s) == len ? s : NULL;
}

const char *
js_string_in_place(const struct js_member *m, size_t *len)
{
	char *p = (char *)m->value.p + 1;

	*len = m->value.len - 2;
	if (memchr(p, '\\', *len) != NULL)
		*len = decode(p, (const unsigned char *)p, *len);
	p[*len] = '\0';
	return p;
}

/* The length of the value at p, which was scanned before. */
static size_t
value_len(const char *p, const char *end)
{
	const char *s = p;
	size_t depth = 0;
	bool quoted = false;

	for (; s < end; s++) {
		if (quoted) {
			if (*s == '\\')
				s++;
			else if (*s == '"')
				quoted = false;
		} else if (*s == '"') {
			quoted = true;
		} else if (*s == '[' || *s == '{') {
			depth++;
		} else if (depth > 0 && (*s == ']' || *s == '}')) {
			depth--;
		} else if (depth == 0 && strchr(",] \t\r\n", *s) != NULL) {
			break;
		}
	}
	return (size_t)(s - p);
}

bool
js_element(struct js_span *rest, struct js_member *out)
{
	const char *p = rest->p, *end = p + rest->len;

	/* Behind an element there is a comma, a space or the end: this is the
	 * array's own bracket. */
	if (*p == '[')
		p++;
	while (p < end && strchr(", \t\r\n", *p) != NULL)
		p++;
	if (p == end || *p == ']')
		return false;
	*out = (struct js_member){
	    .value = {p, value_len(p, end)},
	    .kind = kind_of((unsigned char)*p),
	};
	p += out->value.len;
	*rest = (struct js_span){p, (size_t)(end - p)};
	return true;
}

static size_t
escape_one(char *out, unsigned char c)
{
	static const char names[] = "btn?fr", hex[] = "0123456789abcdef";

	out[0] = '\\';
	if (c == '"' || c == '\\') {
		out[1] = (char)c;
		return 2;
	}
	if (c >= '\b' && c <= '\r' && c != '\v') {
		out[1] = names[c - '\b'];
		return 2;
	}
	out[1] = 'u';
	out[2] = out[3] = '0';
	out[4] = hex[c >> 4];
	out[5] = hex[c & 15];
	return 6;
}

void
js_put_string(struct buf *b, const char *s, size_t len)
{
	char escaped[JS_ESCAPED_MAX];
	size_t i, from = 0;
	unsigned char c;

	buf_char(b, '"');
	for (i = 0; i < len; i++) {
		c = (unsigned char)s[i];
		if (c >= 0x80 || plain[c])
			continue;
		buf_add(b, s + from, i - from);
		from = i + 1;
		buf_add(b, escaped, escape_one(escaped, c));
	}
	buf_add(b, s + from, len - from);
	buf_char(b, '"');
}

#define BYTES(c) (UINT64_C(0x0101010101010101) * (c))

/*
 * The top bit of each of eight bytes that may not stand in a string as it is.  A term
 * has it of a byte that, itself below 0x80, is below 0x20 or is the one sought; what a
 * borrow adds stands above a true one, so the lowest is true.
 */
static uint64_t
specials(uint64_t w)
{
	uint64_t quote = w ^ BYTES('"'), slash = w ^ BYTES('\\');

	return (((w - BYTES(0x20)) & ~w) | ((quote - BYTES(1)) & ~quote) |
		   ((slash - BYTES(1)) & ~slash)) &
	       BYTES(0x80);
}

/* The first byte of eight is the lowest. */
static uint64_t
load(const char *s)
{
	uint64_t w;

	memcpy(&w, s, sizeof(w));
	return le64toh(w);
}

size_t
js_escape(char *out, const char *s, size_t len)
{
	const char *end = s + len;
	char *p = out;
	uint64_t hits;
	size_t n;

	while (end - s >= 8) {
		hits = specials(load(s));
		/* Where one stops short, the rest is written over. */
		memcpy(p, s, 8);
		n = hits == 0 ? 8 : (size_t)__builtin_ctzll(hits) / 8;
		s += n;
		p += n;
		if (hits != 0)
			p += escape_one(p, (unsigned char)*s++);
	}
	for (; s < end; s++)
		if ((unsigned char)*s >= 0x80 || plain[(unsigned char)*s])
			*p++ = *s;
		else
			p += escape_one(p, (unsigned char)*s);
	return (size_t)(p - out);
}
