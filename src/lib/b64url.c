/* Six bits for each character. */

#include "b64url.h"

void
b64url_put(struct buf *b, const void *p, size_t n)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmno"
				     "pqrstuvwxyz0123456789-_";
	const unsigned char *s = p;
	unsigned bits = 0, have = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		bits = (bits << 8 | s[i]) & 0xffff;
		for (have += 8; have >= 6; have -= 6)
			buf_char(b, digits[bits >> (have - 6) & 63]);
	}
	if (have > 0)
		buf_char(b, digits[bits << (6 - have) & 63]);
}

static int
digit_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

enum err
b64url_get(struct arena *a, const char *s, size_t len, const char **out,
    size_t *out_len)
{
	unsigned bits = 0, have = 0;
	size_t i, n = 0;
	char *p;
	int v;

	if (len % 4 == 1)
		return ERR_INVALID;
	if ((p = arena_alloc(a, len / 4 * 3 + 3)) == NULL)
		return ERR_NOMEM;
	for (i = 0; i < len; i++) {
		if ((v = digit_value(s[i])) == -1)
			return ERR_INVALID;
		bits = (bits << 6 | (unsigned)v) & 0xffff;
		if ((have += 6) < 8)
			continue;
		have -= 8;
		p[n++] = (char)(unsigned char)(bits >> have & 0xff);
	}
	if ((bits & ((1U << have) - 1)) != 0)
		return ERR_INVALID;
	p[n] = '\0';
	*out = p;
	*out_len = n;
	return ERR_OK;
}
