/* Read by hand, each once from left to right. */

#include "format.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static bool
is_label_char(char c)
{
	return isalnum((unsigned char)c) || c == '-';
}

/* Labels with dots between, the last of two characters or more; a dot may end it. */
static bool
is_domain(const char *s, size_t len)
{
	size_t i, start = 0, labels = 0;

	if (len > 0 && s[len - 1] == '.')
		len--;
	for (i = 0; i <= len; i++) {
		if (i < len && s[i] != '.') {
			if (!is_label_char(s[i]))
				return false;
			continue;
		}
		if (i == start || i - start > 63)
			return false;
		if (i < len && (s[start] == '-' || s[i - 1] == '-'))
			return false;
		labels++;
		if (i == len)
			return labels >= 2 && i - start >= 2;
		start = i + 1;
	}
	return false;
}

static bool
is_ipv4(const char *s, size_t len)
{
	size_t i, digits = 0, dots = 0;

	for (i = 0; i < len; i++) {
		if (isdigit((unsigned char)s[i])) {
			if (++digits > 3)
				return false;
		} else if (s[i] == '.' && digits > 0) {
			digits = 0;
			dots++;
		} else {
			return false;
		}
	}
	return dots == 3 && digits > 0;
}

static bool
is_ipv6(const char *s, size_t len)
{
	size_t i, colons = 0;

	if (len < 4 || s[0] != '[' || s[len - 1] != ']')
		return false;
	for (i = 1; i < len - 1; i++) {
		if (s[i] == ':')
			colons++;
		else if (!isxdigit((unsigned char)s[i]))
			return false;
	}
	return colons > 0;
}

static bool
is_host(const char *s, size_t len)
{
	return (len == 9 && strncasecmp(s, "localhost", 9) == 0) ||
	       is_ipv4(s, len) || is_ipv6(s, len) || is_domain(s, len);
}

/* The length of "scheme://", 0 for another. */
static size_t
scheme_len(const char *s)
{
	static const char *const schemes[] = {
	    "http://", "https://", "ftp://", "ftps://"};
	size_t i;

	for (i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (strncasecmp(s, schemes[i], strlen(schemes[i])) == 0)
			return strlen(schemes[i]);
	return 0;
}

size_t
format_url_origin(const char *s)
{
	size_t n = scheme_len(s);

	return n + strcspn(s + n, "/?#");
}

/* user:password@host:port, without what is optional. */
static bool
is_authority(const char *s, size_t len)
{
	const char *at = memrchr(s, '@', len), *p;
	size_t i;

	if (at != NULL) {
		if (at == s || *s == ':')
			return false;
		for (p = s; p < at; p++)
			if (*p == '@' || isspace((unsigned char)*p))
				return false;
		len -= (size_t)(at + 1 - s);
		s = at + 1;
	}
	for (i = len; i > 0 && isdigit((unsigned char)s[i - 1]); i--)
		;
	if (i > 0 && i < len && s[i - 1] == ':')
		len = i - 1;
	return is_host(s, len);
}

bool
format_url(const char *s, size_t len)
{
	size_t start, end, i;

	if (strlen(s) != len || (start = scheme_len(s)) == 0)
		return false;
	end = format_url_origin(s);
	for (i = end; i < len; i++)
		if (isspace((unsigned char)s[i]))
			return false;
	return s[end] != '#' && is_authority(s + start, end - start);
}
