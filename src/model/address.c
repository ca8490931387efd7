/* Each address is cut at its signs first and the parts are judged one by one:
 * linear, and no pattern that may go back. */

#include "address.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define LABEL_MAX 63
#define DIGITS_MAX 3

struct part {
	const char *p;
	size_t len;
};

static bool
is(struct part t, const char *word)
{
	return strlen(word) == t.len && strncasecmp(t.p, word, t.len) == 0;
}

static bool
all(struct part t, int (*good)(int))
{
	size_t i;

	for (i = 0; i < t.len; i++)
		if (!good((unsigned char)t.p[i]))
			return false;
	return true;
}

/* What stands before the first c, or all; the rest goes behind it. */
static struct part
cut(struct part *rest, char c)
{
	const char *at = memchr(rest->p, c, rest->len);
	struct part t = *rest;

	if (at == NULL) {
		rest->p += rest->len;
		rest->len = 0;
		return t;
	}
	t.len = (size_t)(at - t.p);
	rest->p = at + 1;
	rest->len -= t.len + 1;
	return t;
}

static int
ascii_letter(int c)
{
	return isalnum(c) || c == '-';
}

/* Names are written in any script where the client's library would encode them
 * (RFC 5891); which letters a registry takes is not judged. */
static int
any_letter(int c)
{
	return ascii_letter(c) || c >= 0x80;
}

static bool
is_label(struct part t, int (*letter)(int))
{
	return t.len >= 1 && t.len <= LABEL_MAX && t.p[0] != '-' &&
	       t.p[t.len - 1] != '-' && all(t, letter);
}

/* Two labels or more, the last of two characters or more. */
static bool
is_dotted_name(struct part t, int (*letter)(int))
{
	const char *dot = memrchr(t.p, '.', t.len);
	struct part last;

	if (dot == NULL || dot == t.p || dot[-1] == '.')
		return false;
	last.p = dot + 1;
	last.len = t.len - (size_t)(last.p - t.p);
	if (last.len < 2 || !all(last, letter))
		return false;
	for (t.len -= last.len + 1; t.len > 0;)
		if (!is_label(cut(&t, '.'), letter))
			return false;
	return true;
}

static bool
is_ipv4(struct part t)
{
	struct part n;
	int i;

	if (t.len == 0 || t.p[t.len - 1] == '.')
		return false;
	for (i = 0; i < 4; i++) {
		n = cut(&t, '.');
		if (n.len < 1 || n.len > DIGITS_MAX || !all(n, isdigit))
			return false;
	}
	return t.len == 0;
}

static int
ipv6_sign(int c)
{
	return isxdigit(c) || c == ':';
}

/* In brackets: something stands behind the first colon. */
static bool
is_ipv6(struct part t)
{
	const char *colon = memchr(t.p, ':', t.len);

	return colon != NULL && colon + 1 < t.p + t.len && all(t, ipv6_sign);
}

/* Unreserved, sub-delims and the colon (RFC 3986, section 3.2.1). */
static int
user_sign(int c)
{
	return isalnum(c) ||
	       (c != '\0' && strchr("-._~!$&'()*+,;=:", c) != NULL);
}

/* These, and escapes of two digits. */
static bool
is_user(struct part t)
{
	size_t i;

	for (i = 0; i < t.len; i++) {
		if (t.p[i] == '%' && t.len - i > 2 &&
		    isxdigit((unsigned char)t.p[i + 1]) &&
		    isxdigit((unsigned char)t.p[i + 2]))
			i += 2;
		else if (!user_sign((unsigned char)t.p[i]))
			return false;
	}
	return true;
}

static bool
is_port(struct part t)
{
	return t.len == 0 ||
	       (t.len >= 2 && t.p[0] == ':' &&
		   all((struct part){t.p + 1, t.len - 1}, isdigit));
}

/* host[:port] */
static bool
is_host(struct part t)
{
	struct part host;
	const char *end;

	if (t.len > 0 && t.p[0] == '[') {
		end = memchr(t.p, ']', t.len);
		if (end == NULL)
			return false;
		host = (struct part){t.p + 1, (size_t)(end - t.p) - 1};
		t.len -= host.len + 2;
		t.p = end + 1;
		return is_ipv6(host) && is_port(t);
	}
	end = memchr(t.p, ':', t.len);
	host = (struct part){t.p, end != NULL ? (size_t)(end - t.p) : t.len};
	t.p += host.len;
	t.len -= host.len;
	if (!is_port(t))
		return false;
	if (is(host, "localhost") || is_ipv4(host))
		return true;
	/* A name may end in the dot of the root. */
	if (host.len > 1 && host.p[host.len - 1] == '.')
		host.len--;
	return is_dotted_name(host, ascii_letter);
}

/* ASCII, its separators, and Unicode's. */
size_t
address_space_len(const char *p, size_t len)
{
	static const char *const wide[] = {"\302\205", "\302\240",
	    "\341\232\200", "\342\200\250", "\342\200\251", "\342\200\257",
	    "\342\201\237", "\343\200\200"};
	unsigned char c = (unsigned char)*p;
	size_t i, n;

	if (isspace(c) || (c >= 0x1c && c <= 0x1f))
		return 1;
	if (c < 0x80)
		return 0;
	for (i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
		n = strlen(wide[i]);
		if (n <= len && memcmp(p, wide[i], n) == 0)
			return n;
	}
	/* U+2000 to U+200A. */
	return len >= 3 && memcmp(p, "\342\200", 2) == 0 &&
		       (unsigned char)p[2] >= 0x80 &&
		       (unsigned char)p[2] <= 0x8a
		   ? 3
		   : 0;
}

bool
address_has_space(const char *s, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (address_space_len(s + i, len - i) > 0)
			return true;
	return false;
}

static size_t
scheme_len(const char *s, size_t len)
{
	static const char *const schemes[] = {
	    "http://", "https://", "ftp://", "ftps://"};
	size_t i, n;

	for (i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		n = strlen(schemes[i]);
		if (n <= len && strncasecmp(s, schemes[i], n) == 0)
			return n;
	}
	return 0;
}

bool
address_is_url(const char *s, size_t len)
{
	size_t n = scheme_len(s, len), i;
	struct part host, user;

	if (n == 0)
		return false;
	for (i = n; i < len && s[i] != '/' && s[i] != '?'; i++)
		;
	host = (struct part){s + n, i - n};
	if (memchr(host.p, '@', host.len) != NULL) {
		user = cut(&host, '@');
		if (!is_user(user))
			return false;
	}
	return is_host(host) && !address_has_space(s + i, len - i) &&
	       memchr(s + i, '\0', len - i) == NULL;
}

/* Visible signs of RFC 5322, section 3.2.3, and letters of any script. */
static int
local_sign(int c)
{
	return isalnum(c) || c >= 0x80 ||
	       (c != '\0' && strchr("!#$%&'*+-/=?^_`{}|~", c) != NULL);
}

static int
quoted_sign(int c)
{
	return c >= 0x20 && c != 0x7f && c != '"' && c != '\\';
}

static bool
is_local(struct part t)
{
	struct part word;

	if (t.len >= 2 && t.p[0] == '"' && t.p[t.len - 1] == '"')
		return all((struct part){t.p + 1, t.len - 2}, quoted_sign);
	if (t.len == 0 || t.p[t.len - 1] == '.')
		return false;
	while (t.len > 0) {
		word = cut(&t, '.');
		if (word.len == 0 || !all(word, local_sign))
			return false;
	}
	return true;
}

bool
address_is_email(const char *s, size_t len)
{
	const char *at = memrchr(s, '@', len);
	struct part domain;

	if (at == NULL || !is_local((struct part){s, (size_t)(at - s)}))
		return false;
	domain.p = at + 1;
	domain.len = len - (size_t)(domain.p - s);
	if (domain.len > 2 && domain.p[0] == '[' &&
	    domain.p[domain.len - 1] == ']')
		return is_ipv4((struct part){domain.p + 1, domain.len - 2});
	return is(domain, "localhost") ||
	       (is_dotted_name(domain, any_letter) &&
		   !address_has_space(domain.p, domain.len));
}
