#ifndef AMQP_URI_H
#define AMQP_URI_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

/*
 * Addresses of brokers, as operators write them: the schemes amqp, pyamqp
 * and amqps, percent escapes in user, password and virtual host, IPv6 in
 * brackets, several addresses separated by ";" (the second and later may leave
 * out the scheme, and then also user, password and virtual host, which are the
 * first's).  The virtual host is "/" for no path, "/", "//" and "/%2f"; else
 * the path without its first slash, decoded.  No user: guest; no password:
 * guest; no host: localhost.  Port 5672, for amqps 5671.
 */

#define AMQP_URI_HOSTS_MAX 8

struct amqp_addr {
	char host[256];
	char user[256];
	char password[256];
	char vhost[256];
	int port;
	bool tls;
};

struct amqp_uri {
	struct amqp_addr addrs[AMQP_URI_HOSTS_MAX];
	size_t n;
};

/*
 * Read text, whose empty form means "no broker" and gives n = 0.  ERR_INVALID
 * with the reason (a constant) in *why and the byte where it shows in *offset.
 */
enum err amqp_uri_parse(struct amqp_uri *out, const char *text,
    const char **why, size_t *offset) __attribute__((warn_unused_result));

#endif /* !AMQP_URI_H */
