/* Broker addresses, read from left to right, no byte twice. */

#include "amqp_uri.h"

#include <string.h>
#include <strings.h>

#define PORT_AMQP 5672
#define PORT_AMQPS 5671

static const struct scheme {
	const char *text;
	bool tls;
} schemes[] = {
    {"amqp://", false},
    {"pyamqp://", false},
    {"amqps://", true},
};

struct reader {
	const char *start;
	const char *at;
	const char *end; /* of this address: a ";" or the end of the text */
	const char *why;
};

static bool
fail(struct reader *r, const char *at, const char *why)
{
	r->at = at;
	r->why = why;
	return false;
}

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The bytes from p up to end, percent escapes decoded (RFC 3986, section 2.1).
 */
static bool
decode(struct reader *r, char *out, size_t size, const char *p, const char *end)
{
	const char *from;
	size_t n = 0;
	int c;

	for (; p < end; p++) {
		from = p;
		c = (unsigned char)*p;
		if (c == '%') {
			if (end - p < 3 || hex(p[1]) < 0 || hex(p[2]) < 0)
				return fail(r, p, "a bad percent escape");
			c = hex(p[1]) * 16 + hex(p[2]);
			p += 2;
		}
		if (c < ' ' || c == 0x7f)
			return fail(r, from, "a control character");
		if (n + 1 >= size)
			return fail(r, from, "more than 255 bytes in one part");
		out[n++] = (char)c;
	}
	out[n] = '\0';
	return true;
}

static bool
read_scheme(
    struct reader *r, struct amqp_addr *a, const struct amqp_addr *first)
{
	size_t i, n;

	for (i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		n = strlen(schemes[i].text);
		if ((size_t)(r->end - r->at) < n ||
		    strncasecmp(r->at, schemes[i].text, n) != 0)
			continue;
		r->at += n;
		a->tls = schemes[i].tls;
		(void)strcpy(a->user, "guest");
		(void)strcpy(a->password, "guest");
		(void)strcpy(a->vhost, "/");
		return true;
	}
	if (first == NULL || memmem(r->at, (size_t)(r->end - r->at), "://", 3))
		return fail(
		    r, r->at, "no scheme amqp://, pyamqp:// or amqps://");
	*a = *first;
	return true;
}

/* user[:password]@, if it is there; authority is where its last byte was. */
static bool
read_user(struct reader *r, struct amqp_addr *a, const char *authority_end)
{
	const char *at = memrchr(r->at, '@', (size_t)(authority_end - r->at));
	const char *colon;

	if (at == NULL)
		return true;
	colon = memchr(r->at, ':', (size_t)(at - r->at));
	if (!decode(
		r, a->user, sizeof(a->user), r->at, colon == NULL ? at : colon))
		return false;
	(void)strcpy(a->password, "guest");
	if (colon != NULL &&
	    !decode(r, a->password, sizeof(a->password), colon + 1, at))
		return false;
	if (a->user[0] == '\0')
		return fail(r, r->at, "an empty user name");
	r->at = at + 1;
	return true;
}

static bool
read_host(struct reader *r, struct amqp_addr *a, const char *end)
{
	static const char in_name[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
	static const char in_v6[] = "0123456789abcdefABCDEF:.";
	const char *p = r->at, *stop, *allowed = in_name;
	size_t n, i;

	if (p < end && *p == '[') {
		p++;
		allowed = in_v6;
		stop = memchr(p, ']', (size_t)(end - p));
		if (stop == NULL)
			return fail(r, r->at, "no \"]\" after an IPv6 address");
		r->at = stop + 1;
	} else {
		stop = memchr(p, ':', (size_t)(end - p));
		if (stop == NULL)
			stop = end;
		r->at = stop;
	}
	n = (size_t)(stop - p);
	for (i = 0; i < n; i++)
		if (p[i] == '\0' || strchr(allowed, p[i]) == NULL)
			return fail(r, p + i, "a character that no host has");
	if (n >= sizeof(a->host))
		return fail(r, p, "a host of more than 255 bytes");
	if (n == 0 && allowed == in_v6)
		return fail(r, p, "an empty IPv6 address");
	memcpy(a->host, n == 0 ? "localhost" : p, n == 0 ? 9 : n);
	a->host[n == 0 ? 9 : n] = '\0';
	return true;
}

static bool
read_port(struct reader *r, struct amqp_addr *a, const char *end)
{
	int port = 0;

	a->port = a->tls ? PORT_AMQPS : PORT_AMQP;
	if (r->at == end)
		return true;
	if (*r->at != ':')
		return fail(r, r->at, "something between host and port");
	if (++r->at == end)
		return fail(r, r->at, "no port after \":\"");
	for (; r->at < end; r->at++) {
		if (*r->at < '0' || *r->at > '9')
			return fail(r, r->at, "a port that is no number");
		port = port * 10 + (*r->at - '0');
		if (port > 65535)
			return fail(r, r->at, "a port above 65535");
	}
	if (port == 0)
		return fail(r, r->at - 1, "port 0");
	a->port = port;
	return true;
}

static bool
read_vhost(struct reader *r, struct amqp_addr *a)
{
	const char *query;

	if (r->at == r->end)
		return true;
	query = memchr(r->at, '?', (size_t)(r->end - r->at));
	if (query != NULL)
		return fail(
		    r, query, "options, which are settings of their own");
	if (++r->at == r->end) {
		(void)strcpy(a->vhost, "/");
		return true;
	}
	return decode(r, a->vhost, sizeof(a->vhost), r->at, r->end);
}

static bool
read_addr(struct reader *r, struct amqp_addr *a, const struct amqp_addr *first)
{
	const char *end;

	if (r->at == r->end)
		return fail(r, r->at, "an empty address");
	if (!read_scheme(r, a, first))
		return false;
	end = r->at + strcspn(r->at, "/?;");
	if (end > r->end)
		end = r->end;
	return read_user(r, a, end) && read_host(r, a, end) &&
	       read_port(r, a, end) && read_vhost(r, a);
}

enum err
amqp_uri_parse(
    struct amqp_uri *out, const char *text, const char **why, size_t *offset)
{
	struct reader r = {.start = text, .at = text};

	memset(out, 0, sizeof(*out));
	while (*r.at != '\0') {
		r.end = r.at + strcspn(r.at, ";");
		if (out->n == AMQP_URI_HOSTS_MAX)
			(void)fail(&r, r.at, "more than eight addresses");
		else if (read_addr(&r, &out->addrs[out->n],
			     out->n == 0 ? NULL : &out->addrs[0]))
			out->n++;
		if (r.why != NULL) {
			*why = r.why;
			*offset = (size_t)(r.at - r.start);
			out->n = 0;
			return ERR_INVALID;
		}
		r.at = *r.end == ';' ? r.end + 1 : r.end;
	}
	return ERR_OK;
}
