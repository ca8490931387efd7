/* The methods that a publisher and a tap use, each a row of a table. */

#include "fake_methods.h"

#include <stdio.h>
#include <string.h>

#include "fake_conn.h"
#include "fake_publish.h"

static void
note_declared(struct fake_broker *b, const char *line)
{
	unsigned n = b->count[FAKE_DECLARED]++;

	b->declared = wire_grow(b->declared, (n + 1) * sizeof(*b->declared));
	b->declared[n] = strdup(line);
	wire_must(b->declared[n] != NULL, "memory");
}

/* The names of the bits that are set, and whether there are arguments. */
static const char *
flag_words(struct wire_reader *r, const char *const names[5], char out[128])
{
	uint64_t bits = wire_int(r, 1);
	int i;

	out[0] = '\0';
	for (i = 0; i < 5 && names[i] != NULL; i++)
		if ((bits >> i & 1) != 0)
			(void)strcat(strcat(out, " "), names[i]);
	if (wire_int(r, 4) != 0)
		(void)strcat(out, " arguments");
	return out;
}

static void
exchange_declare(struct fake_broker *b, struct fake_conn *c, unsigned channel,
    struct wire_reader *r)
{
	static const char *const names[5] = {
	    "passive", "durable", "auto-delete", "internal", "no-wait"};
	char name[256], type[256], words[128], line[1024];

	wire_skip(r, 2);
	wire_short_string(r, name);
	wire_short_string(r, type);
	(void)snprintf(line, sizeof(line), "exchange %s %s%s", name, type,
	    flag_words(r, names, words));
	note_declared(b, line);
	wire_say(&c->out, channel, 40, 11, "");
}

/* The broker closes the channel, and what was got on it is back. */
static void
not_found(struct fake_broker *b, struct fake_conn *c, unsigned channel,
    int class, int method)
{
	fake_queues_put_back(&b->queues, c->number);
	wire_say(&c->out, channel, 20, 40, "2s22", 404, "NOT_FOUND - no queue",
	    class, method);
}

static void
queue_declare(struct fake_broker *b, struct fake_conn *c, unsigned channel,
    struct wire_reader *r)
{
	static const char *const names[5] = {
	    "passive", "durable", "exclusive", "auto-delete", "no-wait"};
	char name[256], words[128], line[1024];
	struct fake_binding *at;
	bool passive;

	wire_skip(r, 2);
	wire_short_string(r, name);
	passive = r->left > 0 && (*r->p & 1) != 0;
	(void)snprintf(line, sizeof(line), "queue %s%s", name,
	    flag_words(r, names, words));
	note_declared(b, line);
	at = fake_queues_of(&b->queues, name);
	switch (fake_state_act(b, name, FAKE_DECLARING)) {
	case FAKE_REFUSE_DECLARE:
		wire_say(&c->out, channel, 20, 40, "2s22", 406,
		    "PRECONDITION_FAILED - inequivalent arg", 50, 10);
		break;
	case FAKE_CUT_DECLARE:
		fake_conn_end(b, c);
		break;
	case FAKE_HANG_DECLARE:
		break;
	default:
		if (passive && at == NULL)
			not_found(b, c, channel, 50, 10);
		else
			wire_say(&c->out, channel, 50, 11, "s44", name,
			    (int)fake_queues_depth(&b->queues, name, false),
			    at == NULL ? 0 : (int)at->consumers);
	}
}

static void
queue_bind(struct fake_broker *b, struct fake_conn *c, unsigned channel,
    struct wire_reader *r)
{
	static const char *const names[5] = {"no-wait"};
	char words[128], line[1024];
	struct fake_binding new = {0};

	wire_skip(r, 2);
	wire_short_string(r, new.queue);
	wire_short_string(r, new.exchange);
	wire_short_string(r, new.key);
	(void)snprintf(line, sizeof(line), "bind %s %s %s%s", new.queue,
	    new.exchange, new.key, flag_words(r, names, words));
	note_declared(b, line);
	if (fake_queues_route(&b->queues, new.exchange, new.key) == NULL) {
		fake_queues_bind(&b->queues, &new);
	}
	wire_say(&c->out, channel, 50, 21, "");
}

/* The begin of the answer to basic.get, and the rest: the message, whose body is zeros in
 * frames of half the size that is allowed. */
static void
say_taken(struct fake_conn *c, unsigned channel, const struct fake_queued *q,
    bool whole)
{
	static const char zeros[WIRE_FRAME_MAX / 2];
	size_t at, n, left = q->len;

	wire_say(&c->out, channel, 60, 71, "81ss4", q->tag, 0, q->queue,
	    q->queue, 0);
	if (!whole)
		return;
	at = wire_begin(&c->out, WIRE_HEADER, channel);
	wire_add_int(&c->out, 60, 2);
	wire_add_int(&c->out, 0, 2);
	wire_add_int(&c->out, q->len, 8);
	wire_add_int(&c->out, q->id[0] == '\0' ? 0 : FAKE_MESSAGE_ID, 2);
	if (q->id[0] != '\0') {
		wire_add_int(&c->out, strlen(q->id), 1);
		wire_add(&c->out, q->id, strlen(q->id));
	}
	wire_end(&c->out, at);
	for (; left > 0; left -= n) {
		n = left < sizeof(zeros) ? left : sizeof(zeros);
		at = wire_begin(&c->out, WIRE_BODY, channel);
		wire_add(&c->out, zeros, n);
		wire_end(&c->out, at);
	}
}

static void
basic_get(struct fake_broker *b, struct fake_conn *c, unsigned channel,
    struct wire_reader *r)
{
	struct fake_queued *q;
	enum fake_act act;
	char name[256];

	wire_skip(r, 2);
	wire_short_string(r, name);
	act = fake_state_act(b, name, FAKE_TAKING);
	if (act == FAKE_REFUSE_TAKE) {
		fake_queues_put_back(&b->queues, c->number);
		wire_say(&c->out, channel, 20, 40, "2s22", 403,
		    "ACCESS_REFUSED", 60, 70);
		return;
	}
	if (act == FAKE_CUT_TAKE) {
		fake_conn_end(b, c);
		return;
	}
	if (fake_queues_of(&b->queues, name) == NULL) {
		not_found(b, c, channel, 60, 70);
		return;
	}
	q = fake_queues_first(&b->queues, name);
	if (q == NULL) {
		wire_say(&c->out, channel, 60, 72, "s", "");
		return;
	}
	q->holder = c->number;
	q->tag = ++c->taken;
	b->count[FAKE_TAKEN]++;
	say_taken(c, channel, q, act != FAKE_HANG_TAKE);
}

static void
basic_ack(struct fake_broker *b, struct fake_conn *c, unsigned channel,
    struct wire_reader *r)
{
	uint64_t tag = wire_int(r, 8);

	(void)channel;
	fake_queues_settle(
	    &b->queues, c->number, tag, (wire_int(r, 1) & 1) != 0, true);
}

static void
basic_nack(struct fake_broker *b, struct fake_conn *c, unsigned channel,
    struct wire_reader *r)
{
	uint64_t tag = wire_int(r, 8), bits = wire_int(r, 1);

	(void)channel;
	fake_queues_settle(
	    &b->queues, c->number, tag, (bits & 1) != 0, (bits & 2) == 0);
}

static void
start_ok(struct fake_broker *b, struct fake_conn *c, unsigned channel,
    struct wire_reader *r)
{
	(void)channel;
	(void)r;
	if (b->manners == FAKE_REFUSES_LOGIN)
		fake_conn_end(b, c);
	else
		wire_say(&c->out, 0, 10, 30, "242", 2047, WIRE_FRAME_MAX, 60);
}

static void
connection_open(struct fake_broker *b, struct fake_conn *c, unsigned channel,
    struct wire_reader *r)
{
	(void)channel;
	(void)r;
	c->logged_in = true;
	b->count[FAKE_LOGGED_IN]++;
	wire_say(&c->out, 0, 10, 41, "s", "");
}

/* The client ends the connection once it has the answer. */
static void
connection_close(struct fake_broker *b, struct fake_conn *c, unsigned channel,
    struct wire_reader *r)
{
	(void)channel;
	(void)r;
	b->count[FAKE_LEFT]++;
	wire_say(&c->out, 0, 10, 51, "");
}

static void
channel_open(struct fake_broker *b, struct fake_conn *c, unsigned channel,
    struct wire_reader *r)
{
	(void)b;
	(void)r;
	wire_say(&c->out, channel, 20, 11, "S", "");
}

static void
confirm_select(struct fake_broker *b, struct fake_conn *c, unsigned channel,
    struct wire_reader *r)
{
	(void)b;
	(void)r;
	wire_say(&c->out, channel, 85, 11, "");
}

static void
nothing(struct fake_broker *b, struct fake_conn *c, unsigned channel,
    struct wire_reader *r)
{
	(void)b;
	(void)c;
	(void)channel;
	(void)r;
}

static const struct method {
	unsigned class, method;
	void (*fn)(struct fake_broker *b, struct fake_conn *c, unsigned channel,
	    struct wire_reader *r);
} methods[] = {
    {10, 11, start_ok},
    {10, 31, nothing}, /* tune-ok */
    {10, 40, connection_open},
    {10, 50, connection_close},
    {10, 51, nothing}, /* close-ok */
    {20, 10, channel_open},
    {20, 41, nothing}, /* close-ok */
    {40, 10, exchange_declare},
    {50, 10, queue_declare},
    {50, 20, queue_bind},
    {60, 40, fake_publish_begin},
    {60, 70, basic_get},
    {60, 80, basic_ack},
    {60, 120, basic_nack},
    {85, 10, confirm_select},
};

static void
take_method(struct fake_broker *b, struct fake_conn *c, unsigned channel,
    struct wire_reader *r)
{
	unsigned class = (unsigned)wire_int(r, 2);
	unsigned method = (unsigned)wire_int(r, 2);
	size_t i;

	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (methods[i].class == class && methods[i].method == method) {
			methods[i].fn(b, c, channel, r);
			return;
		}
	}
	wire_must(false, "a method it does not know");
}

void
fake_methods_frame(struct fake_broker *b, struct fake_conn *c, unsigned type,
    unsigned channel, struct wire_reader *r)
{
	switch (type) {
	case WIRE_METHOD:
		take_method(b, c, channel, r);
		break;
	case WIRE_HEADER:
		wire_must(c->msg != NULL, "a header without a message");
		fake_publish_header(b, c, r);
		break;
	case WIRE_BODY:
		wire_must(c->msg != NULL, "a body without a message");
		fake_publish_body(b, c, r);
		break;
	case WIRE_HEARTBEAT:
		b->count[FAKE_HEARTBEATS]++;
		wire_end(&c->out, wire_begin(&c->out, WIRE_HEARTBEAT, 0));
		break;
	default:
		wire_must(false, "a frame it does not know");
	}
}

void
fake_methods_blocked(struct fake_conn *c)
{
	if (!c->told)
		wire_say(&c->out, 0, 10, 60, "s", "low on memory");
	c->told = true;
}
