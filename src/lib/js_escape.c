/* What stands between the quotes of a JSON string, one way and the other. */

#include "js_escape.h"

#include <endian.h>
#include <stdint.h>
#include <string.h>

const bool js_escape_plain[256] = {
    [0x20] = 1, [0x21] = 1, [0x23 ... 0x5b] = 1, [0x5d ... 0x7f] = 1};

static int
hex_value(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int
js_escape_unit(const unsigned char *p, const unsigned char *end)
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

size_t
js_escape_decode(char *out, const unsigned char *s, size_t len)
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
		c = js_escape_unit(s + 1, end);
		s += 5;
		if (c >= 0xd800 && c <= 0xdfff) {
			c = 0x10000 + (c - 0xd800) * 0x400 +
			    (js_escape_unit(s + 2, end) - 0xdc00);
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
		if (c >= 0x80 || js_escape_plain[c])
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
		if ((unsigned char)*s >= 0x80 ||
		    js_escape_plain[(unsigned char)*s])
			*p++ = *s;
		else
			p += escape_one(p, (unsigned char)*s);
	return (size_t)(p - out);
}
