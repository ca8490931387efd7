/* Buffers of bytes, with integers in network order. */

#include "wire.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
wire_must(bool ok, const char *what)
{
	if (ok)
		return;
	(void)fprintf(stderr, "fake broker: %s: %s\n", what, strerror(errno));
	abort();
}

void *
wire_grow(void *p, size_t n)
{
	void *q = realloc(p, n);

	wire_must(q != NULL, "memory");
	return q;
}

void
wire_add(struct wire_bytes *b, const void *p, size_t n)
{
	if (n == 0)
		return;
	b->p = wire_grow(b->p, b->len + n);
	(void)memcpy(b->p + b->len, p, n);
	b->len += n;
}

void
wire_drop(struct wire_bytes *b, size_t n)
{
	b->len -= n;
	if (b->len > 0 && n > 0)
		(void)memmove(b->p, b->p + n, b->len);
}

void
wire_clear(struct wire_bytes *b)
{
	free(b->p);
	*b = (struct wire_bytes){NULL, 0};
}

void
wire_add_int(struct wire_bytes *b, uint64_t v, int n)
{
	uint8_t c;

	while (n-- > 0) {
		c = (uint8_t)(v >> (8 * n));
		wire_add(b, &c, 1);
	}
}

uint64_t
wire_int(struct wire_reader *r, size_t n)
{
	uint64_t v = 0;

	for (; n > 0 && r->left > 0; n--, r->p++, r->left--)
		v = v << 8 | *r->p;
	return v;
}

void
wire_skip(struct wire_reader *r, size_t n)
{
	n = n < r->left ? n : r->left;
	r->p += n;
	r->left -= n;
}

void
wire_text(struct wire_reader *r, size_t n, char out[256])
{
	size_t m = n < r->left ? n : r->left;

	m = m < 255 ? m : 255;
	if (m > 0)
		(void)memcpy(out, r->p, m);
	out[m] = '\0';
	wire_skip(r, n);
}

void
wire_short_string(struct wire_reader *r, char out[256])
{
	wire_text(r, (size_t)wire_int(r, 1), out);
}

void
wire_table(struct wire_reader *r, char *out, size_t room)
{
	size_t len = (size_t)wire_int(r, 4), n = 0;
	struct wire_reader t = {r->p, len < r->left ? len : r->left};
	char name[256], value[256];

	out[0] = '\0';
	wire_skip(r, len);
	while (t.left > 0 && n < room) {
		wire_short_string(&t, name);
		(void)strcpy(value, "?");
		if (wire_int(&t, 1) == 'S')
			wire_text(&t, (size_t)wire_int(&t, 4), value);
		else
			t.left = 0;
		n += (size_t)snprintf(out + n, room - n, "%s=%s;", name, value);
	}
}

size_t
wire_begin(struct wire_bytes *out, enum wire_frame type, unsigned channel)
{
	size_t at = out->len;

	wire_add_int(out, type, 1);
	wire_add_int(out, channel, 2);
	wire_add_int(out, 0, 4);
	return at;
}

void
wire_end(struct wire_bytes *out, size_t at)
{
	size_t size = out->len - at - (WIRE_FRAME_EXTRA - 1);
	int i;

	for (i = 0; i < 4; i++)
		out->p[at + 3 + (size_t)i] = (uint8_t)(size >> (24 - 8 * i));
	wire_add_int(out, WIRE_FRAME_END, 1);
}

void
wire_say(struct wire_bytes *out, unsigned channel, unsigned class,
    unsigned method, const char *types, ...)
{
	size_t at = wire_begin(out, WIRE_METHOD, channel);
	const char *s;
	va_list ap;

	wire_add_int(out, class, 2);
	wire_add_int(out, method, 2);
	va_start(ap, types);
	for (; *types != '\0'; types++) {
		if (*types == 't') {
			wire_add_int(out, 0, 4);
		} else if (*types == '8') {
			wire_add_int(out, va_arg(ap, uint64_t), 8);
		} else if (*types == 's' || *types == 'S') {
			s = va_arg(ap, const char *);
			wire_add_int(out, strlen(s), *types == 's' ? 1 : 4);
			wire_add(out, s, strlen(s));
		} else {
			wire_add_int(
			    out, (uint64_t)va_arg(ap, int), *types - '0');
		}
	}
	va_end(ap);
	wire_end(out, at);
}
