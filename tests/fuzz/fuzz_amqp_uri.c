/*
 * Broker addresses.  What is accepted has whole parts within their bounds, and
 * written out again in full it reads as the same; what is refused says why, at
 * a byte of the text.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "amqp_uri.h"

#define NEED(what)                                                             \
	do {                                                                   \
		if (!(what))                                                   \
			abort();                                               \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every byte of s as a percent escape. */
static char *
put_escaped(char *out, const char *s)
{
	for (; *s != '\0'; s++)
		out += sprintf(out, "%%%02x", (unsigned char)*s);
	return out;
}

static char *
put_addr(char *out, const struct amqp_addr *a)
{
	bool v6 = strchr(a->host, ':') != NULL;

	out += sprintf(out, "%s://", a->tls ? "amqps" : "amqp");
	out = put_escaped(out, a->user);
	*out++ = ':';
	out = put_escaped(out, a->password);
	out += sprintf(
	    out, "@%s%s%s:%d/", v6 ? "[" : "", a->host, v6 ? "]" : "", a->port);
	return put_escaped(out, a->vhost);
}

static bool
whole(const char *s, size_t size)
{
	return memchr(s, '\0', size) != NULL;
}

static void
check_addr(const struct amqp_addr *a)
{
	NEED(whole(a->host, sizeof(a->host)) && a->host[0] != '\0');
	NEED(whole(a->user, sizeof(a->user)) && a->user[0] != '\0');
	NEED(whole(a->password, sizeof(a->password)));
	NEED(whole(a->vhost, sizeof(a->vhost)));
	NEED(a->port >= 1 && a->port <= 65535);
}

static void
check_again(const struct amqp_uri *uri)
{
	static char text[AMQP_URI_HOSTS_MAX * (4 * 256 * 3 + 32)];
	struct amqp_uri again;
	const char *why;
	size_t i, offset;
	char *end = text;

	for (i = 0; i < uri->n; i++) {
		if (i > 0)
			*end++ = ';';
		end = put_addr(end, &uri->addrs[i]);
	}
	*end = '\0';
	NEED(amqp_uri_parse(&again, text, &why, &offset) == ERR_OK);
	NEED(again.n == uri->n);
	for (i = 0; i < uri->n; i++) {
		const struct amqp_addr *a = &uri->addrs[i],
				       *b = &again.addrs[i];

		NEED(strcmp(a->host, b->host) == 0);
		NEED(strcmp(a->user, b->user) == 0);
		NEED(strcmp(a->password, b->password) == 0);
		NEED(strcmp(a->vhost, b->vhost) == 0);
		NEED(a->port == b->port && a->tls == b->tls);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct amqp_uri uri;
	const char *why = NULL;
	size_t offset = SIZE_MAX, i;
	char *text = strndup((const char *)data, size);

	NEED(text != NULL);
	if (amqp_uri_parse(&uri, text, &why, &offset) == ERR_OK) {
		NEED(uri.n <= AMQP_URI_HOSTS_MAX);
		NEED((uri.n == 0) == (text[0] == '\0'));
		for (i = 0; i < uri.n; i++)
			check_addr(&uri.addrs[i]);
		check_again(&uri);
	} else {
		NEED(why != NULL && uri.n == 0);
		NEED(offset <= strlen(text));
	}
	free(text);
	return 0;
}
