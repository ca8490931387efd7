/* A tap: passive declarations, basic.get, and what becomes of what was got. */

#include "broker_tap.h"

#include <stdlib.h>
#include <string.h>

#include "broker_link.h"
#include "clock.h"

/* Of what the broker may have sent meanwhile, read at most so much at a time. */
#define TICK_FRAMES 32

struct broker_tap {
	amqp_connection_state_t amqp;
	int64_t op_ms; /* for one operation */
	char why[BROKER_WHY];
};

enum err
broker_tap_open(struct broker_tap **out, struct broker *b)
{
	size_t i, first;
	const struct broker_options *o = broker_options(b, &first);
	struct broker_tap *t = calloc(1, sizeof(*t));

	*out = NULL;
	if (t == NULL)
		return ERR_NOMEM;
	t->op_ms = o->confirm_timeout_ms;
	for (i = 0; i < o->uri->n && t->amqp == NULL; i++)
		t->amqp =
		    broker_link_open(&o->uri->addrs[(first + i) % o->uri->n], o,
			(int)o->connect_timeout_ms, t->why);
	if (t->amqp == NULL) {
		free(t);
		return ERR_BROKER;
	}
	*out = t;
	return ERR_OK;
}

void
broker_tap_close(struct broker_tap *t)
{
	if (t == NULL)
		return;
	broker_link_close(t->amqp, false);
	free(t);
}

static enum err
lost(struct broker_tap *t, const char *what, int status)
{
	broker_link_why(t->why, what, amqp_error_string2(status));
	return ERR_BROKER;
}

bool
broker_tap_alive(struct broker_tap *t)
{
	int i, e = AMQP_STATUS_OK;
	struct timeval tv;
	amqp_frame_t f;

	for (i = 0; i < TICK_FRAMES && e == AMQP_STATUS_OK; i++) {
		tv = broker_link_time(0);
		e = amqp_simple_wait_frame_noblock(t->amqp, &f, &tv);
		/* Nobody has asked for anything, so this is the end. */
		if (e == AMQP_STATUS_OK && f.frame_type == AMQP_FRAME_METHOD &&
		    (f.payload.method.id == AMQP_CHANNEL_CLOSE_METHOD ||
			f.payload.method.id == AMQP_CONNECTION_CLOSE_METHOD)) {
			broker_link_why(t->why, "idle", "the broker closed it");
			return false;
		}
	}
	if (e != AMQP_STATUS_OK && e != AMQP_STATUS_TIMEOUT)
		return lost(t, "idle", e) == ERR_OK;
	amqp_maybe_release_buffers(t->amqp);
	return true;
}

/* The broker has closed the channel: agree, and open it anew. */
static enum err
channel_anew(struct broker_tap *t)
{
	amqp_channel_close_ok_t ok = {0};
	int e = amqp_send_method(
	    t->amqp, BROKER_LINK_CHANNEL, AMQP_CHANNEL_CLOSE_OK_METHOD, &ok);

	if (e != AMQP_STATUS_OK)
		return lost(t, "open a channel", e);
	broker_link_limit(t->amqp, clock_mono_ms() + t->op_ms);
	(void)amqp_channel_open(t->amqp, BROKER_LINK_CHANNEL);
	return broker_link_ok(
		   t->why, "open a channel", amqp_get_rpc_reply(t->amqp))
		   ? ERR_OK
		   : ERR_BROKER;
}

/* What an RPC that did not end well means. */
static enum err
failed(struct broker_tap *t, const char *what, amqp_rpc_reply_t r)
{
	const amqp_channel_close_t *close = r.reply.decoded;
	bool not_found;
	enum err e;

	(void)broker_link_ok(t->why, what, r);
	if (r.reply_type != AMQP_RESPONSE_SERVER_EXCEPTION ||
	    r.reply.id != AMQP_CHANNEL_CLOSE_METHOD)
		return ERR_BROKER;
	not_found = close->reply_code == AMQP_NOT_FOUND;
	if ((e = channel_anew(t)) != ERR_OK)
		return e;
	return not_found ? ERR_NOTFOUND : ERR_CONFLICT;
}

enum err
broker_tap_look(struct broker_tap *t, const char *queue, int64_t *messages,
    int64_t *consumers)
{
	amqp_queue_declare_ok_t *ok;
	enum err e = ERR_OK;

	broker_link_limit(t->amqp, clock_mono_ms() + t->op_ms);
	ok = amqp_queue_declare(t->amqp, BROKER_LINK_CHANNEL,
	    amqp_cstring_bytes(queue), 1, 1, 0, 0, amqp_empty_table);
	if (ok != NULL) {
		*messages = ok->message_count;
		*consumers = ok->consumer_count;
	} else {
		e = failed(t, "look at the queue", amqp_get_rpc_reply(t->amqp));
	}
	amqp_maybe_release_buffers(t->amqp);
	return e;
}

static void
read_id(struct broker_taken *out, const amqp_basic_properties_t *p)
{
	size_t n = p->message_id.len;

	if ((p->_flags & AMQP_BASIC_MESSAGE_ID_FLAG) == 0 ||
	    n >= sizeof(out->id) || memchr(p->message_id.bytes, 0, n) != NULL)
		return;
	memcpy(out->id, p->message_id.bytes, n);
	out->id[n] = '\0';
}

/* The header and the body that follow get-ok; the library's own call for that has no
 * time-out.  A long one may take longer than one operation, as long as it goes on. */
static enum err
read_message(struct broker_tap *t, struct broker_taken *out)
{
	bool headed = false;
	uint64_t left = 1;
	struct timeval tv;
	amqp_frame_t f;
	int e;

	while (left > 0) {
		tv = broker_link_time(t->op_ms);
		e = amqp_simple_wait_frame_noblock(t->amqp, &f, &tv);
		if (e != AMQP_STATUS_OK)
			return lost(t, "take a message", e);
		if (f.frame_type == AMQP_FRAME_HEADER && !headed) {
			headed = true;
			left = f.payload.properties.body_size;
			read_id(out, f.payload.properties.decoded);
		} else if (f.frame_type == AMQP_FRAME_BODY && headed &&
			   f.payload.body_fragment.len <= left) {
			left -= f.payload.body_fragment.len;
			/* A long one need not be kept whole. */
			amqp_maybe_release_buffers_on_channel(
			    t->amqp, BROKER_LINK_CHANNEL);
		} else if (f.frame_type != AMQP_FRAME_METHOD ||
			   f.channel == BROKER_LINK_CHANNEL ||
			   f.payload.method.id ==
			       AMQP_CONNECTION_CLOSE_METHOD) {
			broker_link_why(
			    t->why, "take a message", "an unexpected answer");
			return ERR_BROKER;
		}
	}
	return ERR_OK;
}

enum err
broker_tap_take(struct broker_tap *t, const char *queue,
    struct broker_taken *out, bool *gone)
{
	const amqp_basic_get_ok_t *ok;
	amqp_rpc_reply_t r;
	enum err e;

	*out = (struct broker_taken){.tag = 0};
	*gone = false;
	broker_link_limit(t->amqp, clock_mono_ms() + t->op_ms);
	r = amqp_basic_get(
	    t->amqp, BROKER_LINK_CHANNEL, amqp_cstring_bytes(queue), 0);
	if (r.reply_type != AMQP_RESPONSE_NORMAL) {
		e = failed(t, "take a message", r);
		*gone = e == ERR_NOTFOUND;
	} else if (r.reply.id == AMQP_BASIC_GET_OK_METHOD) {
		ok = r.reply.decoded;
		out->tag = ok->delivery_tag;
		e = read_message(t, out);
	} else {
		e = ERR_NOTFOUND;
	}
	amqp_maybe_release_buffers(t->amqp);
	return e;
}

enum err
broker_tap_drop(struct broker_tap *t, uint64_t tag)
{
	int e = amqp_basic_ack(t->amqp, BROKER_LINK_CHANNEL, tag, 0);

	return e == AMQP_STATUS_OK ? ERR_OK : lost(t, "drop a message", e);
}

enum err
broker_tap_put_back(struct broker_tap *t, uint64_t tag)
{
	int e = amqp_basic_nack(t->amqp, BROKER_LINK_CHANNEL, tag, 1, 1);

	return e == AMQP_STATUS_OK ? ERR_OK : lost(t, "put back messages", e);
}

const char *
broker_tap_why(const struct broker_tap *t)
{
	return t->why;
}
