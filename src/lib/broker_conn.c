/* One AMQP connection, on rabbitmq-c. */

#include "broker_conn.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "broker_link.h"
#include "clock.h"

#define CHANNEL BROKER_LINK_CHANNEL
/* Of what the broker may have sent to an idle connection, read at most so much.
 */
#define TICK_FRAMES 32

struct broker_conn {
	amqp_connection_state_t amqp;
	uint64_t seq; /* delivery tag of the last publish */
	struct outgoing *out; /* under way */
	size_t n_out;
	int64_t used_ms;
	bool blocked;
	bool channel_closed;
	char why[BROKER_WHY];
};

struct broker_conn *
broker_conn_open(const struct amqp_addr *addr, const struct broker_options *o,
    int timeout_ms, char why[BROKER_WHY])
{
	int64_t deadline = clock_mono_ms() + timeout_ms;
	struct broker_conn *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		broker_link_why(why, "connect", "out of memory");
		return NULL;
	}
	c->amqp = broker_link_open(addr, o, timeout_ms, why);
	if (c->amqp == NULL) {
		free(c);
		return NULL;
	}
	broker_link_limit(c->amqp, deadline);
	(void)amqp_confirm_select(c->amqp, CHANNEL);
	if (!broker_link_ok(
		why, "ask for confirms", amqp_get_rpc_reply(c->amqp))) {
		broker_conn_close(c, false);
		return NULL;
	}
	amqp_maybe_release_buffers(c->amqp);
	c->used_ms = clock_mono_ms();
	return c;
}

void
broker_conn_close(struct broker_conn *c, bool polite)
{
	broker_link_close(c->amqp, polite);
	free(c);
}

/* As kombu's SimpleQueue declares them: durable, without any argument. */
static bool
declare(struct broker_conn *c, const char *queue, int64_t deadline)
{
	amqp_bytes_t name = amqp_cstring_bytes(queue);

	broker_link_limit(c->amqp, deadline);
	(void)amqp_exchange_declare(c->amqp, CHANNEL, name,
	    amqp_cstring_bytes("direct"), 0, 1, 0, 0, amqp_empty_table);
	if (!broker_link_ok(
		c->why, "declare the exchange", amqp_get_rpc_reply(c->amqp)))
		return false;
	broker_link_limit(c->amqp, deadline);
	(void)amqp_queue_declare(
	    c->amqp, CHANNEL, name, 0, 1, 0, 0, amqp_empty_table);
	if (!broker_link_ok(
		c->why, "declare the queue", amqp_get_rpc_reply(c->amqp)))
		return false;
	broker_link_limit(c->amqp, deadline);
	(void)amqp_queue_bind(
	    c->amqp, CHANNEL, name, name, name, amqp_empty_table);
	return broker_link_ok(
	    c->why, "bind the queue", amqp_get_rpc_reply(c->amqp));
}

static int
send_message(struct broker_conn *c, const struct broker_msg *m)
{
	amqp_table_entry_t header = {
	    .key = amqp_cstring_bytes("x-request-id"),
	    .value = {.kind = AMQP_FIELD_KIND_UTF8,
		.value.bytes = amqp_cstring_bytes(
		    m->request_id == NULL ? "" : m->request_id)},
	};
	bool named = m->request_id != NULL && m->request_id[0] != '\0';
	amqp_basic_properties_t p = {
	    ._flags = AMQP_BASIC_CONTENT_TYPE_FLAG |
		      AMQP_BASIC_CONTENT_ENCODING_FLAG |
		      AMQP_BASIC_HEADERS_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG |
		      AMQP_BASIC_PRIORITY_FLAG | AMQP_BASIC_MESSAGE_ID_FLAG,
	    .content_type = amqp_cstring_bytes("text/plain"),
	    .content_encoding = amqp_cstring_bytes("utf-8"),
	    .headers = {named ? 1 : 0, &header},
	    .delivery_mode = AMQP_DELIVERY_PERSISTENT,
	    .priority = 0,
	    .message_id = amqp_cstring_bytes(m->message_id),
	};
	amqp_bytes_t name = amqp_cstring_bytes(m->queue);
	amqp_bytes_t body = {
	    .len = m->len, .bytes = (void *)(uintptr_t)m->body};

	return amqp_basic_publish(c->amqp, CHANNEL, name, name, 1, 0, &p, body);
}

enum seen { SEEN_OTHER, SEEN_CLOSED };

/* A confirm or a nack.  One of a former message, late after the broker was
 * blocked, is about none of these. */
static void
decide(struct broker_conn *c, uint64_t tag, amqp_boolean_t multiple, bool ack)
{
	struct outgoing *o;
	size_t i;

	for (i = 0; i < c->n_out; i++) {
		o = &c->out[i];
		if (o->fate != FATE_OPEN ||
		    (o->tag != tag &&
			(!multiple || (tag != 0 && o->tag > tag))))
			continue;
		if (!ack)
			o->fate = FATE_REFUSED;
		else
			o->fate = o->returned ? FATE_RETURNED : FATE_CONFIRMED;
	}
}

/* The header of a message that comes back, before its confirm: which of them it
 * is.  Were it none, none could be taken to have arrived. */
static void
see_returned(struct broker_conn *c, const amqp_basic_properties_t *p)
{
	const char *id;
	bool known = false;
	size_t i;

	for (i = 0; i < c->n_out; i++) {
		id = c->out[i].msg->message_id;
		if (c->out[i].fate == FATE_OPEN &&
		    (p->_flags & AMQP_BASIC_MESSAGE_ID_FLAG) != 0 &&
		    p->message_id.len == strlen(id) &&
		    memcmp(p->message_id.bytes, id, p->message_id.len) == 0)
			known = c->out[i].returned = true;
	}
	for (i = 0; i < c->n_out && !known; i++)
		c->out[i].returned = true;
}

static enum seen
see_method(struct broker_conn *c, const amqp_method_t *m)
{
	const amqp_basic_ack_t *ack = m->decoded;
	const amqp_basic_nack_t *nack = m->decoded;
	const amqp_basic_return_t *ret = m->decoded;
	const amqp_channel_close_t *ch = m->decoded;
	const amqp_connection_close_t *co = m->decoded;

	switch (m->id) {
	case AMQP_BASIC_ACK_METHOD:
		decide(c, ack->delivery_tag, ack->multiple, true);
		return SEEN_OTHER;
	case AMQP_BASIC_NACK_METHOD:
		broker_link_why(c->why, "publish", "the broker refused it");
		decide(c, nack->delivery_tag, nack->multiple, false);
		return SEEN_OTHER;
	case AMQP_BASIC_RETURN_METHOD:
		broker_link_closed(
		    c->why, "returned", ret->reply_code, ret->reply_text);
		return SEEN_OTHER;
	case AMQP_CONNECTION_BLOCKED_METHOD:
		c->blocked = true;
		return SEEN_OTHER;
	case AMQP_CONNECTION_UNBLOCKED_METHOD:
		c->blocked = false;
		return SEEN_OTHER;
	case AMQP_CHANNEL_CLOSE_METHOD:
		c->channel_closed = true;
		broker_link_closed(c->why, "the broker closed the channel",
		    ch->reply_code, ch->reply_text);
		return SEEN_CLOSED;
	case AMQP_CONNECTION_CLOSE_METHOD:
		broker_link_closed(c->why, "the broker closed the connection",
		    co->reply_code, co->reply_text);
		return SEEN_CLOSED;
	default:
		return SEEN_OTHER;
	}
}

/* The body of a returned message comes in frames of its own, and is passed
 * over. */
static int
next_frame(struct broker_conn *c, int64_t wait_ms, enum seen *seen)
{
	struct timeval tv = broker_link_time(wait_ms);
	amqp_frame_t f;
	int e = amqp_simple_wait_frame_noblock(c->amqp, &f, &tv);

	*seen = SEEN_OTHER;
	if (e == AMQP_STATUS_OK && f.frame_type == AMQP_FRAME_METHOD)
		*seen = see_method(c, &f.payload.method);
	else if (e == AMQP_STATUS_OK && f.frame_type == AMQP_FRAME_HEADER)
		see_returned(c, f.payload.properties.decoded);
	return e;
}

static bool
any(const struct broker_conn *c, enum fate fate)
{
	size_t i;

	for (i = 0; i < c->n_out; i++)
		if (c->out[i].fate == fate)
			return true;
	return false;
}

static enum sent
wait_confirms(struct broker_conn *c, int64_t deadline)
{
	enum seen seen;
	int e;

	while (any(c, FATE_OPEN)) {
		e = next_frame(c, deadline - clock_mono_ms(), &seen);
		if (e == AMQP_STATUS_TIMEOUT) {
			broker_link_why(
			    c->why, "publish", "no confirm in time");
			return SENT_UNKNOWN;
		}
		if (e != AMQP_STATUS_OK) {
			broker_link_why(
			    c->why, "publish", amqp_error_string2(e));
			return SENT_UNKNOWN;
		}
		if (c->blocked)
			return SENT_BLOCKED;
		if (seen == SEEN_CLOSED)
			return c->channel_closed ? SENT_CLOSED : SENT_UNKNOWN;
	}
	return any(c, FATE_REFUSED) || any(c, FATE_RETURNED) ? SENT_REFUSED
							     : SENT_CONFIRMED;
}

/* Let the kernel send together what belongs together. */
static void
cork(struct broker_conn *c, int on)
{
	if (c->n_out > 1)
		(void)setsockopt(amqp_get_sockfd(c->amqp), IPPROTO_TCP,
		    TCP_CORK, &on, sizeof(on));
}

/* Those that are open, or came back. */
static enum sent
send_all(struct broker_conn *c)
{
	struct outgoing *o;
	bool some = false;
	size_t i;
	int e;

	for (i = 0; i < c->n_out; i++) {
		o = &c->out[i];
		if (o->fate != FATE_OPEN && o->fate != FATE_RETURNED)
			continue;
		e = send_message(c, o->msg);
		if (e != AMQP_STATUS_OK) {
			broker_link_why(c->why, "send", amqp_error_string2(e));
			return some ? SENT_UNKNOWN : SENT_NOT;
		}
		some = true;
		o->tag = ++c->seq;
		o->fate = FATE_OPEN;
		o->returned = false;
	}
	return SENT_CONFIRMED;
}

static enum sent
publish_once(struct broker_conn *c, int64_t deadline)
{
	enum sent s;

	cork(c, 1);
	s = send_all(c);
	cork(c, 0);
	return s == SENT_CONFIRMED ? wait_confirms(c, deadline) : s;
}

/* Nothing of what is open was sent yet. */
static enum sent
declare_failed(struct broker_conn *c)
{
	amqp_rpc_reply_t r = amqp_get_rpc_reply(c->amqp);

	if (r.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION &&
	    r.reply.id == AMQP_CHANNEL_CLOSE_METHOD)
		return SENT_CLOSED;
	if (r.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION &&
	    r.library_error == AMQP_STATUS_TIMEOUT)
		return SENT_UNKNOWN;
	return SENT_NOT;
}

static enum sent
declare_and_publish(struct broker_conn *c, bool *declared, int64_t deadline)
{
	const char *queue = c->out[0].msg->queue;
	enum sent s;

	/* It would read nothing of it, and tell no more. */
	if (c->blocked)
		return SENT_BLOCKED;
	if (!*declared && !declare(c, queue, deadline))
		return declare_failed(c);
	s = publish_once(c, deadline);
	if (s == SENT_REFUSED && any(c, FATE_RETURNED)) {
		/* Somebody has deleted the queue since. */
		*declared = false;
		if (!declare(c, queue, deadline))
			return declare_failed(c);
		s = publish_once(c, deadline);
	}
	*declared = s == SENT_CONFIRMED;
	return s;
}

enum sent
broker_conn_publish(struct broker_conn *c, struct outgoing *out, size_t n,
    bool *declared, int64_t deadline_ms)
{
	enum sent s;

	c->out = out;
	c->n_out = n;
	s = declare_and_publish(c, declared, deadline_ms);
	c->n_out = 0;
	amqp_maybe_release_buffers(c->amqp);
	c->used_ms = clock_mono_ms();
	return s;
}

bool
broker_conn_tick(struct broker_conn *c)
{
	enum seen seen;
	int i, e = AMQP_STATUS_OK;

	for (i = 0; i < TICK_FRAMES && e == AMQP_STATUS_OK; i++) {
		e = next_frame(c, 0, &seen);
		if (seen == SEEN_CLOSED)
			return false;
	}
	if (e != AMQP_STATUS_OK && e != AMQP_STATUS_TIMEOUT) {
		broker_link_why(c->why, "idle", amqp_error_string2(e));
		return false;
	}
	amqp_maybe_release_buffers(c->amqp);
	return true;
}

bool
broker_conn_blocked(const struct broker_conn *c)
{
	return c->blocked;
}

int64_t
broker_conn_used(const struct broker_conn *c)
{
	return c->used_ms;
}

const char *
broker_conn_why(const struct broker_conn *c)
{
	return c->why;
}
