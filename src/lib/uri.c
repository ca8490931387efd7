/* The request target and cookies, decoded once. */

#include "uri.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "utf8.h"

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool
has_control(const char *s, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return true;
	return false;
}

/* The len bytes at s without their percent escapes (RFC 3986, section 2.1), as
 * text that holds no control character. */
static enum err
decode(struct arena *a, const char *s, size_t len, bool plus, const char **out)
{
	size_t i, n = 0;
	int hi, lo;
	char *p;

	p = arena_alloc(a, len + 1);
	if (p == NULL)
		return ERR_NOMEM;
	for (i = 0; i < len; i++) {
		if (s[i] == '+' && plus) {
			p[n++] = ' ';
			continue;
		}
		if (s[i] != '%') {
			p[n++] = s[i];
			continue;
		}
		if (len - i < 3 || (hi = hex_value(s[i + 1])) == -1 ||
		    (lo = hex_value(s[i + 2])) == -1) {
			if (!plus)
				return ERR_INVALID;
			p[n++] = s[i]; /* of a query: a percent sign */
			continue;
		}
		p[n++] = (char)(hi * 16 + lo);
		i += 2;
	}
	p[n] = '\0';
	if (has_control(p, n) || !utf8_ok(p, n))
		return ERR_INVALID;
	*out = p;
	return ERR_OK;
}

static size_t
count(const char *s, size_t len, char c)
{
	size_t i, n = 0;

	for (i = 0; i < len; i++)
		n += s[i] == c;
	return n;
}

static enum err
add_segment(struct uri *u, struct arena *a, const char *s, size_t len)
{
	const char *text;

	if (len == 0)
		return ERR_OK;
	if ((len == 1 && s[0] == '.') || (len == 2 && memcmp(s, "..", 2) == 0))
		return ERR_INVALID;
	if ((text = arena_dup(a, s, len)) == NULL)
		return ERR_NOMEM;
	u->segments[u->n_segments++] = text;
	return ERR_OK;
}

static enum err
parse_path(struct uri *u, struct arena *a, const char *s, size_t len)
{
	const char *path;
	size_t n;
	enum err e;

	if ((e = decode(a, s, len, false, &path)) != ERR_OK)
		return e;
	u->segments = arena_alloc(
	    a, (count(path, strlen(path), '/') + 1) * sizeof(*u->segments));
	if (u->segments == NULL)
		return ERR_NOMEM;
	for (;; path += n + 1) {
		n = strcspn(path, "/");
		e = add_segment(u, a, path, n);
		if (e != ERR_OK || path[n] == '\0')
			return e;
	}
}

static enum err
add_pair(struct uri *u, struct arena *a, const char *s, size_t len)
{
	struct uri_pair *pair = &u->query[u->n_query];
	const char *eq = memchr(s, '=', len);
	size_t name_len = eq != NULL ? (size_t)(eq - s) : len;
	enum err e;

	if (len == 0)
		return ERR_OK;
	if ((e = decode(a, s, name_len, true, &pair->name)) != ERR_OK)
		return e;
	pair->value = "";
	if (eq != NULL)
		e = decode(a, eq + 1, len - name_len - 1, true, &pair->value);
	if (e == ERR_OK)
		u->n_query++;
	return e;
}

static enum err
parse_query(struct uri *u, struct arena *a, const char *s, size_t len)
{
	const char *end = s + len, *amp;
	enum err e;

	u->query = arena_alloc(a, (count(s, len, '&') + 1) * sizeof(*u->query));
	if (u->query == NULL)
		return ERR_NOMEM;
	for (;;) {
		amp = memchr(s, '&', (size_t)(end - s));
		e = add_pair(u, a, s, (size_t)((amp != NULL ? amp : end) - s));
		if (e != ERR_OK || amp == NULL)
			return e;
		s = amp + 1;
	}
}

/* An absolute form without its scheme and authority. */
static void
skip_authority(const char **s, size_t *len)
{
	static const char *const schemes[] = {"http://", "https://"};
	size_t i, n;

	for (i = 0; i < 2; i++) {
		n = strlen(schemes[i]);
		if (*len < n || strncasecmp(*s, schemes[i], n) != 0)
			continue;
		while (n < *len && (*s)[n] != '/' && (*s)[n] != '?')
			n++;
		*s += n;
		*len -= n;
		return;
	}
}

enum err
uri_parse(struct uri *u, struct arena *a, const char *target, size_t len)
{
	const char *mark;
	size_t path_len;
	enum err e;

	*u = (struct uri){.n_segments = 0};
	mark = len > 0 ? memchr(target, '#', len) : NULL;
	if (mark != NULL)
		len = (size_t)(mark - target);
	skip_authority(&target, &len);
	mark = len > 0 ? memchr(target, '?', len) : NULL;
	path_len = mark != NULL ? (size_t)(mark - target) : len;
	e = parse_path(u, a, target, path_len);
	if (e == ERR_OK && mark != NULL)
		e = parse_query(u, a, mark + 1, len - path_len - 1);
	return e;
}

const char *
uri_query(const struct uri *u, const char *name)
{
	size_t i;

	for (i = 0; i < u->n_query; i++)
		if (strcmp(u->query[i].name, name) == 0)
			return u->query[i].value;
	return NULL;
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char **
uri_query_all(const struct uri *u, struct arena *a, const char *name, size_t *n)
{
	const char **values;
	size_t i, all = 0;

	values = arena_alloc(a, (u->n_query + 1) * sizeof(*values));
	if (values == NULL)
		return NULL;
	for (i = 0; i < u->n_query; i++)
		if (strcmp(u->query[i].name, name) == 0)
			values[all++] = u->query[i].value;
	qsort(values, all, sizeof(*values), by_text);
	for (i = *n = 0; i < all; i++)
		if (*n == 0 || strcmp(values[*n - 1], values[i]) != 0)
			values[(*n)++] = values[i];
	return values;
}

static bool
is_octal(const char *s)
{
	return s[0] >= '0' && s[0] <= '3' && s[1] >= '0' && s[1] <= '7' &&
	       s[2] >= '0' && s[2] <= '7';
}

/* What stands between the quotes at s, up to the closing one. */
static const char *
unquote(struct arena *a, const char *s, const char **end)
{
	size_t n = 0;
	char *p;

	*end = s;
	p = arena_alloc(a, strlen(s) + 1);
	if (p == NULL)
		return NULL;
	for (; *s != '\0' && *s != '"'; s++) {
		if (*s != '\\') {
			p[n++] = *s;
		} else if (is_octal(s + 1)) {
			p[n++] = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 +
					s[3] - '0');
			s += 3;
		} else if (s[1] != '\0') {
			p[n++] = *++s;
		}
	}
	p[n] = '\0';
	*end = s;
	/* A quote that never ends, or a NUL that would cut the name short. */
	if (*s != '"' || strlen(p) != n)
		return NULL;
	return p;
}

const char *
uri_cookie(struct arena *a, const char *header, const char *name)
{
	size_t n = strlen(name), len;
	const char *value, *end;
	bool found;

	while (*header != '\0') {
		header += strspn(header, " \t;");
		found = strncmp(header, name, n) == 0 && header[n] == '=';
		header += strcspn(header, "=;");
		if (*header != '=')
			continue;
		header++;
		if (*header == '"') {
			value = unquote(a, header + 1, &end);
			header = end;
		} else {
			len = strcspn(header, ";");
			end = header + len;
			while (len > 0 && (header[len - 1] == ' ' ||
					      header[len - 1] == '\t'))
				len--;
			value = found ? arena_dup(a, header, len) : NULL;
			header = end;
		}
		if (found)
			return value != NULL &&
				       !has_control(value, strlen(value)) &&
				       utf8_ok(value, strlen(value))
				   ? value
				   : NULL;
		header += strcspn(header, ";");
	}
	return NULL;
}

/* Characters that need no quotes (RFC 6265, section 4.1.1, without those that
 * clients quote all the same). */
static bool
is_plain(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	       (c >= 'a' && c <= 'z') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~:", c) != NULL);
}

const char *
uri_cookie_quote(struct arena *a, const char *value)
{
	const unsigned char *p = (const unsigned char *)value;
	struct buf b;

	while (is_plain(*p))
		p++;
	if (*p == '\0' && value[0] != '\0')
		return value;
	buf_init(&b, a, strlen(value) + 16);
	buf_char(&b, '"');
	for (p = (const unsigned char *)value; *p != '\0'; p++) {
		if (*p == '"' || *p == '\\')
			buf_printf(&b, "\\%c", *p);
		else if (*p < 0x20 || *p >= 0x7f || *p == ',' || *p == ';')
			buf_printf(&b, "\\%03o", (unsigned)*p);
		else
			buf_char(&b, (char)*p);
	}
	buf_char(&b, '"');
	return buf_ok(&b) ? b.p : NULL;
}

size_t
uri_origin(const char *url)
{
	static const char *const schemes[] = {"http://", "https://"};
	size_t i, n, host;

	for (i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		n = strlen(schemes[i]);
		if (strncasecmp(url, schemes[i], n) != 0)
			continue;
		host = strcspn(url + n, "/?#");
		return host > 0 ? n + host : 0;
	}
	return 0;
}
