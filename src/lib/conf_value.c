/* Literals, read without running anything. */

#include "conf_value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ITEMS_MAX 256
#define DEPTH_MAX 2 /* flat lists; a list within one is refused */

unsigned
conf_text_column(const struct conf_text *t)
{
	return (unsigned)(t->p - t->line_start) + 1;
}

static bool
fail(struct conf_text *t, const char *why)
{
	t->why = why;
	return false;
}

/* One character on, counting lines. */
static void
next(struct conf_text *t)
{
	if (*t->p++ == '\n') {
		t->line++;
		t->line_start = t->p;
	}
}

static bool
at(const struct conf_text *t, const char *word)
{
	size_t n = strlen(word);

	return (size_t)(t->end - t->p) >= n && memcmp(t->p, word, n) == 0;
}

void
conf_text_skip(struct conf_text *t, bool lines)
{
	while (t->p < t->end) {
		if (*t->p == '#')
			while (t->p < t->end && *t->p != '\n')
				t->p++;
		else if (*t->p == ' ' || *t->p == '\t' || *t->p == '\r')
			t->p++;
		else if (*t->p == '\n' && lines)
			next(t);
		else if (at(t, "\\\n")) {
			t->p++;
			next(t);
		} else {
			return;
		}
	}
}

static void
put_utf8(struct buf *b, unsigned long c)
{
	if (c < 0x80) {
		buf_char(b, (char)c);
		return;
	}
	if (c < 0x800) {
		buf_char(b, (char)(0xc0 | (c >> 6)));
	} else {
		if (c < 0x10000) {
			buf_char(b, (char)(0xe0 | (c >> 12)));
		} else {
			buf_char(b, (char)(0xf0 | (c >> 18)));
			buf_char(b, (char)(0x80 | ((c >> 12) & 0x3f)));
		}
		buf_char(b, (char)(0x80 | ((c >> 6) & 0x3f)));
	}
	buf_char(b, (char)(0x80 | (c & 0x3f)));
}

/* Up to max digits of base at t->p, at least min. */
static bool
code(struct conf_text *t, int base, size_t min, size_t max, unsigned long *out)
{
	static const char all[] = "0123456789abcdefABCDEF";
	char digits[9];
	size_t n = 0;

	while (n < max && t->p + n < t->end && t->p[n] != '\0' &&
	       memchr(all, t->p[n], base == 8 ? 8 : 22) != NULL) {
		digits[n] = t->p[n];
		n++;
	}
	if (n < min)
		return false;
	digits[n] = '\0';
	*out = strtoul(digits, NULL, base);
	t->p += n;
	return true;
}

/* A backslash and what it stands for; t->p behind the backslash. */
static bool
escape(struct conf_text *t, struct buf *b)
{
	static const char from[] = "\\'\"abfnrtv", to[] = "\\'\"\a\b\f\n\r\t\v";
	unsigned long c;
	const char *found;
	bool good = true;

	if (t->p == t->end)
		return fail(t, "the string is not closed");
	if (*t->p == '\n') {
		next(t); /* the line goes on */
		return true;
	}
	found = *t->p != '\0' ? strchr(from, *t->p) : NULL;
	if (found != NULL) {
		buf_char(b, to[found - from]);
		t->p++;
		return true;
	}
	if (*t->p >= '0' && *t->p <= '7') {
		good = code(t, 8, 1, 3, &c);
	} else if (*t->p == 'x' || *t->p == 'u' || *t->p == 'U') {
		static const char kinds[] = "xuU";
		static const size_t lengths[] = {2, 4, 8};
		size_t n = lengths[strchr(kinds, *t->p) - kinds];

		t->p++;
		good = code(t, 16, n, n, &c);
	} else {
		/* Python leaves an unknown escape as it stands. */
		buf_char(b, '\\');
		return true;
	}
	if (!good || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return fail(t, "a bad escape in the string");
	if (c == 0)
		return fail(t, "a NUL in the string");
	put_utf8(b, c);
	return true;
}

/* One string literal, t->p at its prefix or quote; its text goes to b. */
static bool
one_string(struct conf_text *t, struct buf *b)
{
	bool raw = false;
	char quote[4] = "";
	size_t n;

	for (; *t->p != '\'' && *t->p != '"'; t->p++)
		raw = raw || *t->p == 'r' || *t->p == 'R';
	memset(quote, *t->p, 3);
	n = at(t, quote) ? 3 : 1;
	quote[n] = '\0';
	t->p += n;
	while (!at(t, quote)) {
		if (t->p == t->end || (n == 1 && *t->p == '\n'))
			return fail(t, "the string is not closed");
		if (*t->p == '\\' && !raw) {
			t->p++;
			if (!escape(t, b))
				return false;
			continue;
		}
		if (*t->p == '\\' && t->p + 1 < t->end && t->p[1] != '\n')
			buf_char(b, *t->p++);
		buf_char(b, *t->p);
		next(t);
	}
	t->p += n;
	return true;
}

/* Is a string here: a quote, or r, u before one? */
static bool
at_string(const struct conf_text *t)
{
	const char *p = t->p;

	if (p < t->end && *p != '\0' && strchr("rRuU", *p) != NULL)
		p++;
	return p < t->end && (*p == '\'' || *p == '"');
}

static bool
read_string(struct conf_text *t, struct conf_value *out, bool lines)
{
	struct buf b;

	buf_init(&b, t->arena, 64);
	do {
		if (!one_string(t, &b))
			return false;
		conf_text_skip(t, lines);
	} while (at_string(t));
	if (!buf_ok(&b))
		return fail(t, "out of memory");
	out->type = VALUE_STR;
	out->text = b.p;
	out->len = b.len;
	return true;
}

static bool
read_int(struct conf_text *t, struct conf_value *out)
{
	char digits[32];
	size_t n = 0;
	const char *p = t->p;

	if (*p == '-' || *p == '+')
		digits[n++] = *p++;
	for (; p < t->end && n < sizeof(digits) - 1; p++) {
		if (*p == '_' && p + 1 < t->end && p > t->p && p[-1] >= '0' &&
		    p[-1] <= '9')
			continue;
		if (*p < '0' || *p > '9')
			break;
		digits[n++] = *p;
	}
	digits[n] = '\0';
	errno = 0;
	out->type = VALUE_INT;
	out->n = strtoll(digits, NULL, 10);
	if (n == 0 || p[-1] < '0' || p[-1] > '9' || errno == ERANGE)
		return fail(t, "not a whole decimal number");
	t->p = p;
	return true;
}

static bool
read_word(struct conf_text *t, struct conf_value *out)
{
	static const struct {
		const char *word;
		enum conf_value_type type;
		int64_t n;
	} words[] = {{"True", VALUE_BOOL, 1}, {"False", VALUE_BOOL, 0},
	    {"None", VALUE_NONE, 0}};
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!at(t, words[i].word))
			continue;
		out->type = words[i].type;
		out->n = words[i].n;
		t->p += strlen(words[i].word);
		return true;
	}
	return fail(t, "not a literal");
}

static bool read_value(
    struct conf_text *t, struct conf_value *out, unsigned depth);

/* A list or a tuple; one value in parentheses without a comma is that value. */
static bool
read_list(struct conf_text *t, struct conf_value *out, unsigned depth)
{
	char close = *t->p == '[' ? ']' : ')';
	bool comma = false;
	struct conf_value lone;

	if (depth == DEPTH_MAX)
		return fail(t, "a list within a list");
	out->type = VALUE_LIST;
	out->items = arena_alloc(t->arena, ITEMS_MAX * sizeof(*out->items));
	if (out->items == NULL)
		return fail(t, "out of memory");
	t->p++;
	for (;;) {
		conf_text_skip(t, true);
		if (t->p < t->end && *t->p == close)
			break;
		if (out->n_items == ITEMS_MAX)
			return fail(t, "more than 256 items");
		if (!read_value(t, &out->items[out->n_items], depth))
			return false;
		out->n_items++;
		conf_text_skip(t, true);
		if (t->p < t->end && *t->p == ',') {
			comma = true;
			t->p++;
		} else if (t->p == t->end || *t->p != close) {
			return fail(t, "the list is not closed");
		}
	}
	t->p++;
	if (close == ')' && out->n_items == 1 && !comma) {
		lone = out->items[0];
		*out = lone;
	}
	return true;
}

static bool
read_value(struct conf_text *t, struct conf_value *out, unsigned depth)
{
	*out = (struct conf_value){.type = VALUE_NONE};
	if (t->p == t->end || *t->p == '\n')
		return fail(t, "the value is missing");
	if (at_string(t))
		return read_string(t, out, depth > 0);
	if (*t->p == '[' || *t->p == '(')
		return read_list(t, out, depth + 1);
	if ((*t->p >= '0' && *t->p <= '9') || *t->p == '-' || *t->p == '+')
		return read_int(t, out);
	return read_word(t, out);
}

bool
conf_value_read(struct conf_text *t, struct conf_value *out)
{
	return read_value(t, out, 0);
}
