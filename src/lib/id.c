/* UUIDs, read leniently and kept in one spelling. */

#include "id.h"

#include <string.h>
#include <uuid/uuid.h>

#define HEX_DIGITS 32

void
id_make(struct id *out)
{
	uuid_t u;

	uuid_generate_random(u);
	uuid_unparse_lower(u, out->text);
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
