/* An AMQP connection as both kinds of users need it: reached, logged in, with channel 1. */

#include "broker_link.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"

#define FRAME_MAX 131072
#define CLOSE_WAIT_MS 200

struct timeval
broker_link_time(int64_t ms)
{
	if (ms < 0)
		ms = 0;
	return (struct timeval){
	    .tv_sec = (time_t)(ms / 1000),
	    .tv_usec = (suseconds_t)(ms % 1000 * 1000),
	};
}

void
broker_link_why(char *why, const char *what, const char *text)
{
	(void)snprintf(why, BROKER_WHY, "%s: %s", what, text);
}

void
broker_link_closed(char *why, const char *what, int code, amqp_bytes_t text)
{
	(void)snprintf(why, BROKER_WHY, "%s: %d %.*s", what, code,
	    (int)(text.len > 200 ? 200 : text.len), (const char *)text.bytes);
}

bool
broker_link_ok(char *why, const char *what, amqp_rpc_reply_t r)
{
	const amqp_channel_close_t *ch;
	const amqp_connection_close_t *co;

	if (r.reply_type == AMQP_RESPONSE_NORMAL)
		return true;
	if (r.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION) {
		broker_link_why(why, what, amqp_error_string2(r.library_error));
	} else if (r.reply.id == AMQP_CHANNEL_CLOSE_METHOD) {
		ch = r.reply.decoded;
		broker_link_closed(why, what, ch->reply_code, ch->reply_text);
	} else if (r.reply.id == AMQP_CONNECTION_CLOSE_METHOD) {
		co = r.reply.decoded;
		broker_link_closed(why, what, co->reply_code, co->reply_text);
	} else {
		broker_link_why(why, what, "an unexpected answer");
	}
	return false;
}

static amqp_table_entry_t
flag_entry(const char *name)
{
	return (amqp_table_entry_t){
	    .key = amqp_cstring_bytes(name),
	    .value = {.kind = AMQP_FIELD_KIND_BOOLEAN, .value.boolean = 1},
	};
}

static amqp_rpc_reply_t
login(amqp_connection_state_t c, const struct amqp_addr *addr,
    const struct broker_options *o)
{
	amqp_table_entry_t can[] = {
	    flag_entry("basic.nack"),
	    flag_entry("connection.blocked"),
	    flag_entry("consumer_cancel_notify"),
	    flag_entry("publisher_confirms"),
	};
	amqp_table_entry_t about[] = {
	    {
		.key = amqp_cstring_bytes("capabilities"),
		.value = {.kind = AMQP_FIELD_KIND_TABLE,
		    .value.table = {(int)(sizeof(can) / sizeof(can[0])), can}},
	    },
	    {
		.key = amqp_cstring_bytes("connection_name"),
		.value = {.kind = AMQP_FIELD_KIND_UTF8,
		    .value.bytes = amqp_cstring_bytes(o->name)},
	    },
	};
	amqp_table_t table = {2, about};

	return amqp_login_with_properties(c, addr->vhost, BROKER_LINK_CHANNEL,
	    FRAME_MAX, (int)o->heartbeat_s, &table, AMQP_SASL_METHOD_PLAIN,
	    addr->user, addr->password);
}

static amqp_socket_t *
make_socket(amqp_connection_state_t c, const struct amqp_addr *addr,
    const struct broker_options *o, char *why)
{
	amqp_socket_t *s;
	int e;

	if (!addr->tls) {
		s = amqp_tcp_socket_new(c);
		if (s == NULL)
			broker_link_why(why, "connect", "out of memory");
		return s;
	}
	s = amqp_ssl_socket_new(c);
	if (s == NULL) {
		broker_link_why(why, "TLS", "cannot be set up");
		return NULL;
	}
	amqp_ssl_socket_set_verify_peer(s, 1);
	amqp_ssl_socket_set_verify_hostname(s, 1);
	e = amqp_ssl_socket_set_ssl_versions(s, AMQP_TLSv1_2, AMQP_TLSvLATEST);
	if (e == AMQP_STATUS_OK)
		e = amqp_ssl_socket_set_cacert(s, o->ca_file);
	if (e == AMQP_STATUS_OK)
		return s;
	broker_link_why(why, "AMQP_CA_FILE", amqp_error_string2(e));
	return NULL;
}

/* basic.publish has no time-out of its own: let the kernel end one that the
 * broker does not read (RFC 5482). */
static void
limit_send(amqp_connection_state_t c, unsigned ms)
{
	(void)setsockopt(
	    amqp_get_sockfd(c), IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
}

void
broker_link_limit(amqp_connection_state_t c, int64_t deadline)
{
	struct timeval tv = broker_link_time(deadline - clock_mono_ms());

	if (tv.tv_sec == 0 && tv.tv_usec == 0)
		tv.tv_usec = 1000;
	(void)amqp_set_rpc_timeout(c, &tv);
}

static bool
connect_to(amqp_connection_state_t c, const struct amqp_addr *addr,
    const struct broker_options *o, int timeout_ms, char *why)
{
	int64_t deadline = clock_mono_ms() + timeout_ms;
	struct timeval tv = broker_link_time(timeout_ms);
	amqp_socket_t *s = make_socket(c, addr, o, why);
	int e;

	if (s == NULL)
		return false;
	e = amqp_socket_open_noblock(s, addr->host, addr->port, &tv);
	if (e != AMQP_STATUS_OK) {
		broker_link_why(why, "connect", amqp_error_string2(e));
		return false;
	}
	limit_send(c, o->confirm_timeout_ms);
	tv = broker_link_time(deadline - clock_mono_ms());
	if (tv.tv_sec == 0 && tv.tv_usec == 0)
		tv.tv_usec = 1000;
	(void)amqp_set_handshake_timeout(c, &tv);
	if (!broker_link_ok(why, "log in", login(c, addr, o)))
		return false;
	broker_link_limit(c, deadline);
	(void)amqp_channel_open(c, BROKER_LINK_CHANNEL);
	return broker_link_ok(why, "open a channel", amqp_get_rpc_reply(c));
}

amqp_connection_state_t
broker_link_open(const struct amqp_addr *addr, const struct broker_options *o,
    int timeout_ms, char why[BROKER_WHY])
{
	amqp_connection_state_t c = amqp_new_connection();

	if (c == NULL) {
		broker_link_why(why, "connect", "out of memory");
		return NULL;
	}
	if (!connect_to(c, addr, o, timeout_ms, why)) {
		(void)amqp_destroy_connection(c);
		return NULL;
	}
	return c;
}

void
broker_link_close(amqp_connection_state_t c, bool polite)
{
	if (polite) {
		broker_link_limit(c, clock_mono_ms() + CLOSE_WAIT_MS);
		(void)amqp_connection_close(c, AMQP_REPLY_SUCCESS);
	}
	(void)amqp_destroy_connection(c);
}
