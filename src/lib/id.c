/* UUIDs, read leniently and kept in one spelling. */

#include "id.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define HEX_DIGITS 32
#define BYTES (HEX_DIGITS / 2)

/* RFC 9562, section 5.4.  Not libuuid, which costs five more system calls. */
void
id_make(struct id *out)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char u[BYTES];
	char *p = out->text;
	size_t i;

	/* So few bytes come whole, or there is no source of them at all. */
	if (getrandom(u, sizeof(u), 0) != (ssize_t)sizeof(u))
		abort();
	u[6] = (unsigned char)((u[6] & 0x0f) | 0x40);
	u[8] = (unsigned char)((u[8] & 0x3f) | 0x80);
	for (i = 0; i < sizeof(u); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = hex[u[i] >> 4];
		*p++ = hex[u[i] & 0x0f];
	}
	*p = '\0';
}

/* Past prefix if s begins with it. */
static void
skip_prefix(const char **s, size_t *len, const char *prefix)
{
	size_t n = strlen(prefix);

	if (*len >= n && memcmp(*s, prefix, n) == 0) {
		*s += n;
		*len -= n;
	}
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c;
	if (c >= 'a' && c <= 'f')
		return c;
	return c >= 'A' && c <= 'F' ? c - 'A' + 'a' : -1;
}

bool
id_parse(const char *s, size_t len, struct id *out)
{
	char text[ID_LEN + 1];
	size_t i, n = 0, digits = 0;
	int c;

	skip_prefix(&s, &len, "urn:");
	skip_prefix(&s, &len, "uuid:");
	if (len >= 2 && s[0] == '{' && s[len - 1] == '}') {
		s++;
		len -= 2;
	}
	for (i = 0; i < len; i++) {
		if (s[i] == '-')
			continue;
		if ((c = hex_digit(s[i])) == -1 || digits == HEX_DIGITS)
			return false;
		if (digits == 8 || digits == 12 || digits == 16 || digits == 20)
			text[n++] = '-';
		text[n++] = (char)c;
		digits++;
	}
	if (digits != HEX_DIGITS)
		return false;
	text[n] = '\0';
	memcpy(out->text, text, sizeof(text));
	return true;
}
