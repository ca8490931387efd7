/* A message comes as a method, a header and parts of its body. */

#include "fake_publish.h"

#include <stdlib.h>
#include <string.h>

#include "fake_conn.h"

void
fake_publish_free(struct fake_msg *m)
{
	if (m != NULL)
		free(m->body);
	free(m);
}

void
fake_publish_begin(struct fake_broker *b, struct fake_conn *c, unsigned channel,
    struct wire_reader *r)
{
	struct fake_msg *m = calloc(1, sizeof(*m));
	uint64_t bits;

	(void)b;
	(void)channel;
	wire_must(m != NULL, "memory");
	fake_publish_free(c->msg);
	c->msg = m;
	c->headed = false;
	wire_skip(r, 2);
	wire_short_string(r, m->exchange);
	wire_short_string(r, m->routing_key);
	bits = wire_int(r, 1);
	m->mandatory = (bits & 1) != 0;
	m->immediate = (bits & 2) != 0;
	m->connection = c->number;
}

static void
confirm(struct fake_conn *c, uint64_t tag, bool multiple)
{
	wire_say(&c->out, 1, 60, 80, "81", tag, (int)multiple);
}

void
fake_publish_release(struct fake_broker *b, struct fake_conn *c)
{
	size_t i;

	for (i = 0; i < c->n_held; i++)
		confirm(c, c->held[i], false);
	b->count[FAKE_HELD] -= (unsigned)c->n_held;
	c->n_held = 0;
}

static void
hold(struct fake_broker *b, struct fake_conn *c)
{
	wire_must(c->n_held < FAKE_HELD_MAX, "too many held");
	c->held[c->n_held++] = c->tag;
	b->count[FAKE_HELD]++;
}

static void
give_back(struct fake_conn *c, const struct fake_msg *m)
{
	size_t at;

	wire_say(&c->out, 1, 60, 50, "2sss", 312, "NO_ROUTE", m->exchange,
	    m->routing_key);
	at = wire_begin(&c->out, WIRE_HEADER, 1);
	wire_add_int(&c->out, 60, 2);
	wire_add_int(&c->out, 0, 2);
	wire_add_int(&c->out, m->len, 8);
	wire_add_int(&c->out, FAKE_MESSAGE_ID, 2);
	wire_add_int(&c->out, strlen(m->message_id), 1);
	wire_add(&c->out, m->message_id, strlen(m->message_id));
	wire_end(&c->out, at);
	if (m->len == 0)
		return;
	at = wire_begin(&c->out, WIRE_BODY, 1);
	wire_add(&c->out, m->body, m->len);
	wire_end(&c->out, at);
}

static void
act_on(struct fake_broker *b, struct fake_conn *c, struct fake_msg *m,
    enum fake_act act)
{
	switch (act) {
	case FAKE_NO_CONFIRM:
		break;
	case FAKE_HOLD:
		hold(b, c);
		break;
	case FAKE_RELEASE:
		fake_publish_release(b, c);
		break;
	case FAKE_NACK:
		wire_say(&c->out, 1, 60, 120, "81", c->tag, 0);
		break;
	case FAKE_CLOSE_CHANNEL:
		wire_say(&c->out, 1, 20, 40, "2s22", 406, "PRECONDITION_FAILED",
		    60, 40);
		break;
	case FAKE_CLOSE_CONNECTION:
		wire_say(
		    &c->out, 0, 10, 50, "2s22", 541, "INTERNAL_ERROR", 60, 40);
		break;
	case FAKE_CUT:
		fake_conn_end(b, c);
		break;
	case FAKE_DIE:
		fake_conn_stop(b);
		break;
	default:
		if (!m->routed && m->mandatory)
			give_back(c, m);
		confirm(c, c->tag, act == FAKE_CONFIRM_ALL);
	}
}

/* A message has come whole. */
static void
take(struct fake_broker *b, struct fake_conn *c)
{
	unsigned n = b->count[FAKE_MESSAGES]++;
	struct fake_msg *m = c->msg;
	enum fake_act act = fake_state_act(b, m->routing_key, FAKE_PUBLISHING);
	const struct fake_binding *to =
	    fake_queues_route(&b->queues, m->exchange, m->routing_key);

	c->msg = NULL;
	c->tag++;
	m->routed = act != FAKE_RETURN && act != FAKE_NACK && to != NULL;
	if (m->routed)
		fake_queues_add(&b->queues, to->queue, m->message_id, m->len);
	b->messages = wire_grow(b->messages, (n + 1) * sizeof(*b->messages));
	b->messages[n] = m;
	act_on(b, c, m, act);
}

void
fake_publish_header(
    struct fake_broker *b, struct fake_conn *c, struct wire_reader *r)
{
	struct fake_msg *m = c->msg;

	wire_skip(r, 4);
	c->expected = wire_int(r, 8);
	wire_must(c->expected < (1u << 28), "a body too long");
	m->body = wire_grow(NULL, (size_t)c->expected + 1);
	m->body[c->expected] = '\0';
	m->properties = (unsigned)wire_int(r, 2);
	if ((m->properties & FAKE_CONTENT_TYPE) != 0)
		wire_short_string(r, m->content_type);
	if ((m->properties & FAKE_CONTENT_ENCODING) != 0)
		wire_short_string(r, m->content_encoding);
	if ((m->properties & FAKE_HEADERS) != 0)
		wire_table(r, m->headers, sizeof(m->headers));
	if ((m->properties & FAKE_DELIVERY_MODE) != 0)
		m->delivery_mode = (unsigned)wire_int(r, 1);
	if ((m->properties & FAKE_PRIORITY) != 0)
		m->priority = (unsigned)wire_int(r, 1);
	if ((m->properties & FAKE_MESSAGE_ID) != 0)
		wire_short_string(r, m->message_id);
	c->headed = true;
	if (c->expected == 0)
		take(b, c);
}

void
fake_publish_body(
    struct fake_broker *b, struct fake_conn *c, struct wire_reader *r)
{
	struct fake_msg *m = c->msg;

	wire_must(
	    c->headed && r->left <= c->expected - m->len, "a body too long");
	(void)memcpy(m->body + m->len, r->p, r->left);
	m->len += r->left;
	if (m->len == c->expected)
		take(b, c);
}
