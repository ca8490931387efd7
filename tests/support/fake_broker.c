/* An AMQP server that does as it is told.  One lock for everything: the thread
 * lets go of it only while it polls. */

#include "fake_broker.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#define CONNS_MAX 128
#define HELD_MAX 64
#define QUEUES_MAX 64
#define ORDERS_MAX 16
#define FRAME_MAX 131072
#define FRAME_EXTRA 8 /* type, channel, size; and the end */
#define FRAME_END 0xce

enum frame_type { METHOD = 1, HEADER = 2, BODY = 3, HEARTBEAT = 8 };

struct bytes {
	uint8_t *p;
	size_t len;
};

struct conn {
	int fd; /* -1: a free place */
	unsigned number; /* from 1 */
	bool greeted;
	bool logged_in;
	bool told; /* connection.blocked */
	bool stalled; /* a message of it is not read while blocked */
	struct bytes in, out;
	uint64_t tag; /* of the last message */
	uint64_t taken; /* of the last message that it got */
	uint64_t held[HELD_MAX];
	size_t n_held;
	struct fake_msg *msg; /* under way */
	uint64_t expected; /* bytes of its body */
	bool headed; /* its header is there */
};

struct order {
	char queue[256]; /* "": all others */
	enum fake_act act;
	unsigned left; /* FAKE_ALWAYS: no end */
};

/* A message on a queue. */
struct queued {
	char queue[256];
	char id[256];
	size_t len;
	unsigned holder; /* the connection that has got it; 0: none */
	uint64_t tag;
	bool gone;
};

struct binding {
	unsigned consumers;
	char queue[256];
	char exchange[256];
	char key[256];
};

struct fake_broker {
	pthread_t thread;
	pthread_mutex_t lock;
	int wake; /* eventfd */
	int holder; /* keeps the port while nobody listens */
	int listener; /* -1: stopped */
	int port;
	bool ending;
	bool blocked;
	enum fake_manners manners;
	struct conn conns[CONNS_MAX];
	struct order orders[ORDERS_MAX];
	size_t n_orders;
	struct binding bindings[QUEUES_MAX];
	size_t n_bindings;
	unsigned count[FAKE__MAX];
	struct fake_msg **messages;
	struct queued **queued;
	size_t n_queued;
	char **declared;
};

static void
must(bool ok, const char *what)
{
	if (ok)
		return;
	(void)fprintf(stderr, "fake broker: %s: %s\n", what, strerror(errno));
	abort();
}

static void *
grow(void *p, size_t n)
{
	void *q = realloc(p, n);

	must(q != NULL, "memory");
	return q;
}

static void
add(struct bytes *b, const void *p, size_t n)
{
	if (n == 0)
		return;
	b->p = grow(b->p, b->len + n);
	(void)memcpy(b->p + b->len, p, n);
	b->len += n;
}

/* Take n bytes off the front. */
static void
drop(struct bytes *b, size_t n)
{
	b->len -= n;
	if (b->len > 0 && n > 0)
		(void)memmove(b->p, b->p + n, b->len);
}

static void
clear(struct bytes *b)
{
	free(b->p);
	*b = (struct bytes){NULL, 0};
}

/* v as an integer of n bytes in network order. */
static void
add_int(struct bytes *b, uint64_t v, int n)
{
	uint8_t c;

	while (n-- > 0) {
		c = (uint8_t)(v >> (8 * n));
		add(b, &c, 1);
	}
}

/* What is left of a frame to be read; beyond its end all is 0. */
struct reader {
	const uint8_t *p;
	size_t left;
};

static uint64_t
get_int(struct reader *r, size_t n)
{
	uint64_t v = 0;

	for (; n > 0 && r->left > 0; n--, r->p++, r->left--)
		v = v << 8 | *r->p;
	return v;
}

static void
skip(struct reader *r, size_t n)
{
	n = n < r->left ? n : r->left;
	r->p += n;
	r->left -= n;
}

/* The next n bytes as a string, cut if need be. */
static void
get_text(struct reader *r, size_t n, char out[256])
{
	size_t m = n < r->left ? n : r->left;

	m = m < 255 ? m : 255;
	if (m > 0)
		(void)memcpy(out, r->p, m);
	out[m] = '\0';
	skip(r, n);
}

static void
get_short_string(struct reader *r, char out[256])
{
	get_text(r, (size_t)get_int(r, 1), out);
}

/* A table as "name=value;", for values that are strings. */
static void
get_table(struct reader *r, char *out, size_t room)
{
	size_t len = (size_t)get_int(r, 4), n = 0;
	struct reader t = {r->p, len < r->left ? len : r->left};
	char name[256], value[256];

	out[0] = '\0';
	skip(r, len);
	while (t.left > 0 && n < room) {
		get_short_string(&t, name);
		(void)strcpy(value, "?");
		if (get_int(&t, 1) == 'S')
			get_text(&t, (size_t)get_int(&t, 4), value);
		else
			t.left = 0;
		n += (size_t)snprintf(out + n, room - n, "%s=%s;", name, value);
	}
}

static size_t
begin_frame(struct conn *c, enum frame_type type, unsigned channel)
{
	size_t at = c->out.len;

	add_int(&c->out, type, 1);
	add_int(&c->out, channel, 2);
	add_int(&c->out, 0, 4);
	return at;
}

static void
end_frame(struct conn *c, size_t at)
{
	size_t size = c->out.len - at - (FRAME_EXTRA - 1);
	int i;

	for (i = 0; i < 4; i++)
		c->out.p[at + 3 + (size_t)i] = (uint8_t)(size >> (24 - 8 * i));
	add_int(&c->out, FRAME_END, 1);
}

/* Send a method with arguments as types tells: '1', '2', '4' int, so many
 * bytes; '8' uint64_t; 's' and 'S' a short and a long string; 't' no table. */
static void
say(struct conn *c, unsigned channel, unsigned class, unsigned method,
    const char *types, ...)
{
	size_t at = begin_frame(c, METHOD, channel);
	const char *s;
	va_list ap;

	add_int(&c->out, class, 2);
	add_int(&c->out, method, 2);
	va_start(ap, types);
	for (; *types != '\0'; types++) {
		if (*types == 't') {
			add_int(&c->out, 0, 4);
		} else if (*types == '8') {
			add_int(&c->out, va_arg(ap, uint64_t), 8);
		} else if (*types == 's' || *types == 'S') {
			s = va_arg(ap, const char *);
			add_int(&c->out, strlen(s), *types == 's' ? 1 : 4);
			add(&c->out, s, strlen(s));
		} else {
			add_int(
			    &c->out, (uint64_t)va_arg(ap, int), *types - '0');
		}
	}
	va_end(ap);
	end_frame(c, at);
}

static void
free_msg(struct fake_msg *m)
{
	if (m != NULL)
		free(m->body);
	free(m);
}

/* At once, though the thread may hold it in its poll. */
static void
close_socket(int fd)
{
	(void)shutdown(fd, SHUT_RDWR);
	(void)close(fd);
}

/* What the connection has got, up to the tag, is the queue's again, or gone. */
static void
settle(struct fake_broker *b, const struct conn *c, uint64_t tag, bool multiple,
    bool gone)
{
	struct queued *q;
	size_t i;

	for (i = 0; i < b->n_queued; i++) {
		q = b->queued[i];
		if (q->holder != c->number ||
		    (q->tag != tag && (!multiple || q->tag > tag)))
			continue;
		q->holder = 0;
		q->gone |= gone; /* a queue deleted since takes nothing back */
	}
}

static void
put_back_all(struct fake_broker *b, const struct conn *c)
{
	settle(b, c, UINT64_MAX, true, false);
}

static void
end_conn(struct fake_broker *b, struct conn *c)
{
	if (c->fd == -1)
		return;
	close_socket(c->fd);
	put_back_all(b, c);
	clear(&c->in);
	clear(&c->out);
	free_msg(c->msg);
	b->count[FAKE_OPEN]--;
	b->count[FAKE_HELD] -= (unsigned)c->n_held;
	*c = (struct conn){.fd = -1};
}

/* Send what there is to say, as far as the client reads. */
static void
flush(struct fake_broker *b, struct conn *c)
{
	ssize_t n;

	while (c->fd != -1 && c->out.len > 0) {
		n = send(
		    c->fd, c->out.p, c->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0)
			drop(&c->out, (size_t)n);
		else if (errno == EAGAIN)
			return;
		else if (errno != EINTR)
			end_conn(b, c);
	}
}

static void
cut_all(struct fake_broker *b)
{
	size_t i;

	for (i = 0; i < CONNS_MAX; i++)
		end_conn(b, &b->conns[i]);
}

static void
stop(struct fake_broker *b)
{
	if (b->listener != -1)
		close_socket(b->listener);
	b->listener = -1;
	cut_all(b);
}

/* What orders are for. */
enum when { PUBLISHING, DECLARING, TAKING };

static enum when
when_of(enum fake_act act)
{
	if (act >= FAKE_REFUSE_TAKE)
		return TAKING;
	return act >= FAKE_REFUSE_DECLARE ? DECLARING : PUBLISHING;
}

static struct order *
order_of(struct fake_broker *b, const char *queue)
{
	size_t i;

	for (i = 0; i < b->n_orders; i++)
		if (strcmp(b->orders[i].queue, queue) == 0)
			return &b->orders[i];
	return NULL;
}

/* What to do for queue now. */
static enum fake_act
next_act(struct fake_broker *b, const char *queue, enum when when)
{
	struct order *o = order_of(b, queue);
	enum fake_act act;

	if (o == NULL)
		o = order_of(b, "");
	if (o == NULL || when_of(o->act) != when)
		return FAKE_CONFIRM;
	act = o->act;
	if (o->left != FAKE_ALWAYS && --o->left == 0)
		o->act = FAKE_CONFIRM;
	return act;
}

static struct binding *
route(struct fake_broker *b, const char *exchange, const char *key)
{
	size_t i;

	for (i = 0; i < b->n_bindings; i++)
		if (strcmp(b->bindings[i].exchange, exchange) == 0 &&
		    strcmp(b->bindings[i].key, key) == 0)
			return &b->bindings[i];
	return NULL;
}

static void
note_declared(struct fake_broker *b, const char *line)
{
	unsigned n = b->count[FAKE_DECLARED]++;

	b->declared = grow(b->declared, (n + 1) * sizeof(*b->declared));
	b->declared[n] = strdup(line);
	must(b->declared[n] != NULL, "memory");
}

/* The names of the bits that are set, and whether there are arguments. */
static const char *
flag_words(struct reader *r, const char *const names[5], char out[128])
{
	uint64_t bits = get_int(r, 1);
	int i;

	out[0] = '\0';
	for (i = 0; i < 5 && names[i] != NULL; i++)
		if ((bits >> i & 1) != 0)
			(void)strcat(strcat(out, " "), names[i]);
	if (get_int(r, 4) != 0)
		(void)strcat(out, " arguments");
	return out;
}

static void
exchange_declare(
    struct fake_broker *b, struct conn *c, unsigned channel, struct reader *r)
{
	static const char *const names[5] = {
	    "passive", "durable", "auto-delete", "internal", "no-wait"};
	char name[256], type[256], words[128], line[1024];

	skip(r, 2);
	get_short_string(r, name);
	get_short_string(r, type);
	(void)snprintf(line, sizeof(line), "exchange %s %s%s", name, type,
	    flag_words(r, names, words));
	note_declared(b, line);
	say(c, channel, 40, 11, "");
}

static struct binding *
queue_of(struct fake_broker *b, const char *queue)
{
	size_t i;

	for (i = 0; i < b->n_bindings; i++)
		if (strcmp(b->bindings[i].queue, queue) == 0)
			return &b->bindings[i];
	return NULL;
}

/* Messages of the queue, also those that somebody has got. */
static unsigned
depth(struct fake_broker *b, const char *queue, bool all)
{
	const struct queued *q;
	unsigned n = 0;
	size_t i;

	for (i = 0; i < b->n_queued; i++) {
		q = b->queued[i];
		n += !q->gone && (all || q->holder == 0) &&
		     strcmp(q->queue, queue) == 0;
	}
	return n;
}

/* The broker closes the channel, and what was got on it is back. */
static void
not_found(struct fake_broker *b, struct conn *c, unsigned channel, int class,
    int method)
{
	put_back_all(b, c);
	say(c, channel, 20, 40, "2s22", 404, "NOT_FOUND - no queue", class,
	    method);
}

static void
enqueue(struct fake_broker *b, const char *queue, const char *id, size_t len)
{
	struct queued *q = calloc(1, sizeof(*q));

	must(q != NULL, "memory");
	(void)snprintf(q->queue, sizeof(q->queue), "%s", queue);
	(void)snprintf(q->id, sizeof(q->id), "%s", id);
	q->len = len;
	b->queued = grow(b->queued, (b->n_queued + 1) * sizeof(*b->queued));
	b->queued[b->n_queued++] = q;
}

static void
queue_declare(
    struct fake_broker *b, struct conn *c, unsigned channel, struct reader *r)
{
	static const char *const names[5] = {
	    "passive", "durable", "exclusive", "auto-delete", "no-wait"};
	char name[256], words[128], line[1024];
	struct binding *at;
	bool passive;

	skip(r, 2);
	get_short_string(r, name);
	passive = r->left > 0 && (*r->p & 1) != 0;
	(void)snprintf(line, sizeof(line), "queue %s%s", name,
	    flag_words(r, names, words));
	note_declared(b, line);
	at = queue_of(b, name);
	switch (next_act(b, name, DECLARING)) {
	case FAKE_REFUSE_DECLARE:
		say(c, channel, 20, 40, "2s22", 406,
		    "PRECONDITION_FAILED - inequivalent arg", 50, 10);
		break;
	case FAKE_CUT_DECLARE:
		end_conn(b, c);
		break;
	case FAKE_HANG_DECLARE:
		break;
	default:
		if (passive && at == NULL)
			not_found(b, c, channel, 50, 10);
		else
			say(c, channel, 50, 11, "s44", name,
			    (int)depth(b, name, false),
			    at == NULL ? 0 : (int)at->consumers);
	}
}

static void
queue_bind(
    struct fake_broker *b, struct conn *c, unsigned channel, struct reader *r)
{
	static const char *const names[5] = {"no-wait"};
	char words[128], line[1024];
	struct binding new = {0};

	skip(r, 2);
	get_short_string(r, new.queue);
	get_short_string(r, new.exchange);
	get_short_string(r, new.key);
	(void)snprintf(line, sizeof(line), "bind %s %s %s%s", new.queue,
	    new.exchange, new.key, flag_words(r, names, words));
	note_declared(b, line);
	if (route(b, new.exchange, new.key) == NULL) {
		must(b->n_bindings < QUEUES_MAX, "too many queues");
		b->bindings[b->n_bindings++] = new;
	}
	say(c, channel, 50, 21, "");
}

static void
basic_publish(
    struct fake_broker *b, struct conn *c, unsigned channel, struct reader *r)
{
	struct fake_msg *m = calloc(1, sizeof(*m));
	uint64_t bits;

	(void)b;
	(void)channel;
	must(m != NULL, "memory");
	free_msg(c->msg);
	c->msg = m;
	c->headed = false;
	skip(r, 2);
	get_short_string(r, m->exchange);
	get_short_string(r, m->routing_key);
	bits = get_int(r, 1);
	m->mandatory = (bits & 1) != 0;
	m->immediate = (bits & 2) != 0;
	m->connection = c->number;
}

/* The begin of the answer to basic.get, and the rest: the message, whose body is zeros in
 * frames of half the size that is allowed. */
static void
say_taken(struct conn *c, unsigned channel, const struct queued *q, bool whole)
{
	static const char zeros[FRAME_MAX / 2];
	size_t at, n, left = q->len;

	say(c, channel, 60, 71, "81ss4", q->tag, 0, q->queue, q->queue, 0);
	if (!whole)
		return;
	at = begin_frame(c, HEADER, channel);
	add_int(&c->out, 60, 2);
	add_int(&c->out, 0, 2);
	add_int(&c->out, q->len, 8);
	add_int(&c->out, q->id[0] == '\0' ? 0 : FAKE_MESSAGE_ID, 2);
	if (q->id[0] != '\0') {
		add_int(&c->out, strlen(q->id), 1);
		add(&c->out, q->id, strlen(q->id));
	}
	end_frame(c, at);
	for (; left > 0; left -= n) {
		n = left < sizeof(zeros) ? left : sizeof(zeros);
		at = begin_frame(c, BODY, channel);
		add(&c->out, zeros, n);
		end_frame(c, at);
	}
}

static void
basic_get(
    struct fake_broker *b, struct conn *c, unsigned channel, struct reader *r)
{
	struct queued *q = NULL;
	enum fake_act act;
	char name[256];
	size_t i;

	skip(r, 2);
	get_short_string(r, name);
	act = next_act(b, name, TAKING);
	if (act == FAKE_REFUSE_TAKE) {
		put_back_all(b, c);
		say(c, channel, 20, 40, "2s22", 403, "ACCESS_REFUSED", 60, 70);
		return;
	}
	if (act == FAKE_CUT_TAKE) {
		end_conn(b, c);
		return;
	}
	if (queue_of(b, name) == NULL) {
		not_found(b, c, channel, 60, 70);
		return;
	}
	for (i = 0; i < b->n_queued && q == NULL; i++)
		if (!b->queued[i]->gone && b->queued[i]->holder == 0 &&
		    strcmp(b->queued[i]->queue, name) == 0)
			q = b->queued[i];
	if (q == NULL) {
		say(c, channel, 60, 72, "s", "");
		return;
	}
	q->holder = c->number;
	q->tag = ++c->taken;
	b->count[FAKE_TAKEN]++;
	say_taken(c, channel, q, act != FAKE_HANG_TAKE);
}

static void
basic_ack(
    struct fake_broker *b, struct conn *c, unsigned channel, struct reader *r)
{
	uint64_t tag = get_int(r, 8);

	(void)channel;
	settle(b, c, tag, (get_int(r, 1) & 1) != 0, true);
}

static void
basic_nack(
    struct fake_broker *b, struct conn *c, unsigned channel, struct reader *r)
{
	uint64_t tag = get_int(r, 8), bits = get_int(r, 1);

	(void)channel;
	settle(b, c, tag, (bits & 1) != 0, (bits & 2) == 0);
}

static void
confirm(struct conn *c, uint64_t tag, bool multiple)
{
	say(c, 1, 60, 80, "81", tag, (int)multiple);
}

static void
release(struct fake_broker *b, struct conn *c)
{
	size_t i;

	for (i = 0; i < c->n_held; i++)
		confirm(c, c->held[i], false);
	b->count[FAKE_HELD] -= (unsigned)c->n_held;
	c->n_held = 0;
}

static void
hold(struct fake_broker *b, struct conn *c)
{
	must(c->n_held < HELD_MAX, "too many held");
	c->held[c->n_held++] = c->tag;
	b->count[FAKE_HELD]++;
}

static void
give_back(struct conn *c, const struct fake_msg *m)
{
	size_t at;

	say(c, 1, 60, 50, "2sss", 312, "NO_ROUTE", m->exchange, m->routing_key);
	at = begin_frame(c, HEADER, 1);
	add_int(&c->out, 60, 2);
	add_int(&c->out, 0, 2);
	add_int(&c->out, m->len, 8);
	add_int(&c->out, FAKE_MESSAGE_ID, 2);
	add_int(&c->out, strlen(m->message_id), 1);
	add(&c->out, m->message_id, strlen(m->message_id));
	end_frame(c, at);
	if (m->len == 0)
		return;
	at = begin_frame(c, BODY, 1);
	add(&c->out, m->body, m->len);
	end_frame(c, at);
}

static void
act_on(struct fake_broker *b, struct conn *c, struct fake_msg *m,
    enum fake_act act)
{
	switch (act) {
	case FAKE_NO_CONFIRM:
		break;
	case FAKE_HOLD:
		hold(b, c);
		break;
	case FAKE_RELEASE:
		release(b, c);
		break;
	case FAKE_NACK:
		say(c, 1, 60, 120, "81", c->tag, 0);
		break;
	case FAKE_CLOSE_CHANNEL:
		say(c, 1, 20, 40, "2s22", 406, "PRECONDITION_FAILED", 60, 40);
		break;
	case FAKE_CLOSE_CONNECTION:
		say(c, 0, 10, 50, "2s22", 541, "INTERNAL_ERROR", 60, 40);
		break;
	case FAKE_CUT:
		end_conn(b, c);
		break;
	case FAKE_DIE:
		stop(b);
		break;
	default:
		if (!m->routed && m->mandatory)
			give_back(c, m);
		confirm(c, c->tag, act == FAKE_CONFIRM_ALL);
	}
}

/* A message has come whole. */
static void
take(struct fake_broker *b, struct conn *c)
{
	unsigned n = b->count[FAKE_MESSAGES]++;
	struct fake_msg *m = c->msg;
	enum fake_act act = next_act(b, m->routing_key, PUBLISHING);
	const struct binding *to = route(b, m->exchange, m->routing_key);

	c->msg = NULL;
	c->tag++;
	m->routed = act != FAKE_RETURN && act != FAKE_NACK && to != NULL;
	if (m->routed)
		enqueue(b, to->queue, m->message_id, m->len);
	b->messages = grow(b->messages, (n + 1) * sizeof(*b->messages));
	b->messages[n] = m;
	act_on(b, c, m, act);
}

static void
take_header(struct fake_broker *b, struct conn *c, struct reader *r)
{
	struct fake_msg *m = c->msg;

	skip(r, 4);
	c->expected = get_int(r, 8);
	must(c->expected < (1u << 28), "a body too long");
	m->body = grow(NULL, (size_t)c->expected + 1);
	m->body[c->expected] = '\0';
	m->properties = (unsigned)get_int(r, 2);
	if ((m->properties & FAKE_CONTENT_TYPE) != 0)
		get_short_string(r, m->content_type);
	if ((m->properties & FAKE_CONTENT_ENCODING) != 0)
		get_short_string(r, m->content_encoding);
	if ((m->properties & FAKE_HEADERS) != 0)
		get_table(r, m->headers, sizeof(m->headers));
	if ((m->properties & FAKE_DELIVERY_MODE) != 0)
		m->delivery_mode = (unsigned)get_int(r, 1);
	if ((m->properties & FAKE_PRIORITY) != 0)
		m->priority = (unsigned)get_int(r, 1);
	if ((m->properties & FAKE_MESSAGE_ID) != 0)
		get_short_string(r, m->message_id);
	c->headed = true;
	if (c->expected == 0)
		take(b, c);
}

static void
take_body(struct fake_broker *b, struct conn *c, struct reader *r)
{
	struct fake_msg *m = c->msg;

	must(c->headed && r->left <= c->expected - m->len, "a body too long");
	(void)memcpy(m->body + m->len, r->p, r->left);
	m->len += r->left;
	if (m->len == c->expected)
		take(b, c);
}

static void
start_ok(
    struct fake_broker *b, struct conn *c, unsigned channel, struct reader *r)
{
	(void)channel;
	(void)r;
	if (b->manners == FAKE_REFUSES_LOGIN)
		end_conn(b, c);
	else
		say(c, 0, 10, 30, "242", 2047, FRAME_MAX, 60);
}

static void
connection_open(
    struct fake_broker *b, struct conn *c, unsigned channel, struct reader *r)
{
	(void)channel;
	(void)r;
	c->logged_in = true;
	b->count[FAKE_LOGGED_IN]++;
	say(c, 0, 10, 41, "s", "");
}

/* The client ends the connection once it has the answer. */
static void
connection_close(
    struct fake_broker *b, struct conn *c, unsigned channel, struct reader *r)
{
	(void)channel;
	(void)r;
	b->count[FAKE_LEFT]++;
	say(c, 0, 10, 51, "");
}

static void
channel_open(
    struct fake_broker *b, struct conn *c, unsigned channel, struct reader *r)
{
	(void)b;
	(void)r;
	say(c, channel, 20, 11, "S", "");
}

static void
confirm_select(
    struct fake_broker *b, struct conn *c, unsigned channel, struct reader *r)
{
	(void)b;
	(void)r;
	say(c, channel, 85, 11, "");
}

static void
nothing(
    struct fake_broker *b, struct conn *c, unsigned channel, struct reader *r)
{
	(void)b;
	(void)c;
	(void)channel;
	(void)r;
}

static const struct method {
	unsigned class, method;
	void (*fn)(struct fake_broker *b, struct conn *c, unsigned channel,
	    struct reader *r);
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
    {60, 40, basic_publish},
    {60, 70, basic_get},
    {60, 80, basic_ack},
    {60, 120, basic_nack},
    {85, 10, confirm_select},
};

static void
take_method(
    struct fake_broker *b, struct conn *c, unsigned channel, struct reader *r)
{
	unsigned class = (unsigned)get_int(r, 2);
	unsigned method = (unsigned)get_int(r, 2);
	size_t i;

	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (methods[i].class == class && methods[i].method == method) {
			methods[i].fn(b, c, channel, r);
			return;
		}
	}
	must(false, "a method it does not know");
}

static void
take_frame(struct fake_broker *b, struct conn *c, unsigned type,
    unsigned channel, struct reader *r)
{
	switch (type) {
	case METHOD:
		take_method(b, c, channel, r);
		break;
	case HEADER:
		must(c->msg != NULL, "a header without a message");
		take_header(b, c, r);
		break;
	case BODY:
		must(c->msg != NULL, "a body without a message");
		take_body(b, c, r);
		break;
	case HEARTBEAT:
		b->count[FAKE_HEARTBEATS]++;
		end_frame(c, begin_frame(c, HEARTBEAT, 0));
		break;
	default:
		must(false, "a frame it does not know");
	}
}

static void
tell_blocked(struct conn *c)
{
	if (!c->told)
		say(c, 0, 10, 60, "s", "low on memory");
	c->told = true;
}

static bool
is_publish(const uint8_t *frame)
{
	static const uint8_t publish[] = {0, 60, 0, 40};

	return frame[0] == METHOD &&
	       memcmp(frame + FRAME_EXTRA - 1, publish, 4) == 0;
}

/* The first frame, if it is there whole and may be read. */
static bool
next_frame(struct fake_broker *b, struct conn *c)
{
	struct reader r = {c->in.p, c->in.len};
	unsigned type, channel;
	size_t size;

	if (r.left < FRAME_EXTRA)
		return false;
	type = (unsigned)get_int(&r, 1);
	channel = (unsigned)get_int(&r, 2);
	size = (size_t)get_int(&r, 4);
	must(size <= FRAME_MAX - FRAME_EXTRA, "a frame too long");
	if (c->in.len < size + FRAME_EXTRA)
		return false;
	must(r.p[size] == FRAME_END, "a frame without its end");
	if (b->blocked && is_publish(c->in.p)) {
		c->stalled = true;
		tell_blocked(c);
		return false;
	}
	r.left = size;
	take_frame(b, c, type, channel, &r);
	if (c->fd == -1)
		return false;
	drop(&c->in, size + FRAME_EXTRA);
	return true;
}

static void
take_input(struct fake_broker *b, struct conn *c)
{
	static const uint8_t hello[8] = "AMQP\0\0\t\1";

	if (!c->greeted && c->in.len >= sizeof(hello)) {
		must(memcmp(c->in.p, hello, sizeof(hello)) == 0,
		    "a client of another protocol");
		drop(&c->in, sizeof(hello));
		c->greeted = true;
		say(c, 0, 10, 10, "11tSS", 0, 9, "PLAIN", "en_US");
	}
	while (c->greeted && next_frame(b, c))
		continue;
}

static void
read_some(struct fake_broker *b, struct conn *c)
{
	uint8_t chunk[65536];
	ssize_t n = recv(c->fd, chunk, sizeof(chunk), MSG_DONTWAIT);

	if (n > 0) {
		add(&c->in, chunk, (size_t)n);
		take_input(b, c);
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		end_conn(b, c);
	}
}

static void
welcome(struct fake_broker *b)
{
	int fd = accept4(b->listener, NULL, NULL, SOCK_CLOEXEC);
	size_t i;

	if (fd == -1)
		return;
	for (i = 0; i < CONNS_MAX && b->conns[i].fd != -1; i++)
		continue;
	must(i < CONNS_MAX, "too many connections");
	b->conns[i].fd = fd;
	b->conns[i].number = ++b->count[FAKE_CONNECTED];
	if (++b->count[FAKE_OPEN] > b->count[FAKE_OPEN_MAX])
		b->count[FAKE_OPEN_MAX] = b->count[FAKE_OPEN];
}

/* What to wait for: the eventfd, the listener, and each connection. */
static nfds_t
fill(struct fake_broker *b, struct pollfd p[CONNS_MAX + 2])
{
	bool deaf = b->manners == FAKE_DEAF;
	struct conn *c;
	nfds_t n = 2;

	p[0] = (struct pollfd){.fd = b->wake, .events = POLLIN};
	p[1] = (struct pollfd){.fd = deaf ? -1 : b->listener, .events = POLLIN};
	for (c = b->conns; c < b->conns + CONNS_MAX; c++) {
		p[n].fd = deaf ? -1 : c->fd;
		p[n].events = (short)((c->stalled ? 0 : POLLIN) |
				      (c->out.len > 0 ? POLLOUT : 0));
		p[n++].revents = 0;
	}
	return n;
}

/* Somebody may have closed a connection, or stopped us, during the poll. */
static void
serve_conn(struct fake_broker *b, struct conn *c, const struct pollfd *p)
{
	if (p->fd == -1 || c->fd != p->fd)
		return;
	if ((p->revents & POLLIN) != 0)
		read_some(b, c);
	else if ((p->revents & (POLLHUP | POLLERR)) != 0)
		end_conn(b, c);
	flush(b, c);
}

static void *
serve(void *arg)
{
	struct pollfd p[CONNS_MAX + 2];
	struct fake_broker *b = arg;
	eventfd_t value;
	nfds_t n;
	size_t i;

	(void)pthread_mutex_lock(&b->lock);
	while (!b->ending) {
		n = fill(b, p);
		(void)pthread_mutex_unlock(&b->lock);
		(void)poll(p, n, -1);
		(void)pthread_mutex_lock(&b->lock);
		if ((p[0].revents & POLLIN) != 0)
			(void)eventfd_read(b->wake, &value);
		for (i = 0; i < CONNS_MAX && b->manners != FAKE_DEAF; i++)
			serve_conn(b, &b->conns[i], &p[i + 2]);
		if ((p[1].revents & POLLIN) != 0 && p[1].fd == b->listener)
			welcome(b);
	}
	(void)pthread_mutex_unlock(&b->lock);
	return NULL;
}

/* A socket on the port, 0: any. */
static int
bound(int port)
{
	struct sockaddr_in a = {
	    .sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;

	must(fd != -1, "socket");
	must(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0,
	    "SO_REUSEADDR");
	must(bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0, "bind");
	return fd;
}

static void
start(struct fake_broker *b)
{
	if (b->listener != -1)
		return;
	b->listener = bound(b->port);
	must(listen(b->listener, CONNS_MAX) == 0, "listen");
}

struct fake_broker *
fake_broker_new(void)
{
	struct fake_broker *b = calloc(1, sizeof(*b));
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	size_t i;

	must(b != NULL, "memory");
	for (i = 0; i < CONNS_MAX; i++)
		b->conns[i].fd = -1;
	b->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	must(b->wake != -1, "eventfd");
	b->holder = bound(0);
	must(getsockname(b->holder, (struct sockaddr *)&a, &len) == 0, "port");
	b->port = ntohs(a.sin_port);
	b->listener = -1;
	start(b);
	(void)pthread_mutex_init(&b->lock, NULL);
	must(pthread_create(&b->thread, NULL, serve, b) == 0, "thread");
	return b;
}

static void
lock(struct fake_broker *b)
{
	(void)pthread_mutex_lock(&b->lock);
}

/* And let the thread see what has changed. */
static void
unlock(struct fake_broker *b)
{
	(void)eventfd_write(b->wake, 1);
	(void)pthread_mutex_unlock(&b->lock);
}

void
fake_broker_free(struct fake_broker *b)
{
	unsigned i;

	if (b == NULL)
		return;
	lock(b);
	b->ending = true;
	stop(b);
	unlock(b);
	(void)pthread_join(b->thread, NULL);
	(void)close(b->holder);
	(void)close(b->wake);
	for (i = 0; i < b->count[FAKE_MESSAGES]; i++)
		free_msg(b->messages[i]);
	for (i = 0; i < b->count[FAKE_DECLARED]; i++)
		free(b->declared[i]);
	for (i = 0; i < b->n_queued; i++)
		free(b->queued[i]);
	free(b->queued);
	free(b->messages);
	free(b->declared);
	(void)pthread_mutex_destroy(&b->lock);
	free(b);
}

int
fake_broker_port(const struct fake_broker *b)
{
	return b->port;
}

void
fake_broker_stop(struct fake_broker *b)
{
	lock(b);
	stop(b);
	unlock(b);
}

void
fake_broker_start(struct fake_broker *b)
{
	lock(b);
	start(b);
	unlock(b);
}

void
fake_broker_cut(struct fake_broker *b)
{
	lock(b);
	cut_all(b);
	unlock(b);
}

void
fake_broker_behave(struct fake_broker *b, enum fake_manners m)
{
	lock(b);
	b->manners = m;
	unlock(b);
}

void
fake_broker_block(struct fake_broker *b, bool at_once)
{
	size_t i;

	lock(b);
	b->blocked = true;
	for (i = 0; at_once && i < CONNS_MAX; i++) {
		if (!b->conns[i].logged_in)
			continue;
		tell_blocked(&b->conns[i]);
		flush(b, &b->conns[i]);
	}
	unlock(b);
}

void
fake_broker_unblock(struct fake_broker *b)
{
	struct conn *c;

	lock(b);
	b->blocked = false;
	for (c = b->conns; c < b->conns + CONNS_MAX; c++) {
		if (c->told)
			say(c, 0, 10, 61, "");
		c->told = c->stalled = false;
		if (c->fd != -1)
			take_input(b, c);
		flush(b, c);
	}
	unlock(b);
}

void
fake_broker_order(
    struct fake_broker *b, const char *queue, enum fake_act act, unsigned times)
{
	struct order *o;

	queue = queue == NULL ? "" : queue;
	lock(b);
	o = order_of(b, queue);
	if (o == NULL) {
		must(b->n_orders < ORDERS_MAX, "too many orders");
		o = &b->orders[b->n_orders++];
		(void)snprintf(o->queue, sizeof(o->queue), "%s", queue);
	}
	o->act = act;
	o->left = times;
	unlock(b);
}

void
fake_broker_release(struct fake_broker *b)
{
	size_t i;

	lock(b);
	for (i = 0; i < CONNS_MAX; i++) {
		release(b, &b->conns[i]);
		flush(b, &b->conns[i]);
	}
	unlock(b);
}

void
fake_broker_delete(struct fake_broker *b, const char *queue)
{
	size_t i = 0;

	lock(b);
	while (i < b->n_bindings) {
		if (strcmp(b->bindings[i].queue, queue) == 0)
			b->bindings[i] = b->bindings[--b->n_bindings];
		else
			i++;
	}
	for (i = 0; i < b->n_queued; i++)
		if (strcmp(b->queued[i]->queue, queue) == 0)
			b->queued[i]->gone = true;
	unlock(b);
}

void
fake_broker_put(
    struct fake_broker *b, const char *queue, const char *id, unsigned times)
{
	struct binding *new;

	lock(b);
	if (queue_of(b, queue) == NULL) {
		must(b->n_bindings < QUEUES_MAX, "too many queues");
		new = &b->bindings[b->n_bindings++];
		*new = (struct binding){0};
		(void)snprintf(new->queue, sizeof(new->queue), "%s", queue);
		(void)snprintf(
		    new->exchange, sizeof(new->exchange), "%s", queue);
		(void)snprintf(new->key, sizeof(new->key), "%s", queue);
	}
	for (; times > 0; times--)
		enqueue(b, queue, id == NULL ? "" : id, 7);
	unlock(b);
}

void
fake_broker_consume(struct fake_broker *b, const char *queue, unsigned n)
{
	lock(b);
	must(queue_of(b, queue) != NULL, "no such queue");
	queue_of(b, queue)->consumers = n;
	unlock(b);
}

unsigned
fake_broker_depth(struct fake_broker *b, const char *queue)
{
	unsigned n;

	lock(b);
	n = depth(b, queue, true);
	unlock(b);
	return n;
}

const char *
fake_broker_at(struct fake_broker *b, const char *queue, unsigned i)
{
	const char *id = "";
	size_t k;

	lock(b);
	for (k = 0; k < b->n_queued; k++)
		if (!b->queued[k]->gone &&
		    strcmp(b->queued[k]->queue, queue) == 0 && i-- == 0)
			id = b->queued[k]->id;
	unlock(b);
	return id;
}

unsigned
fake_broker_count(struct fake_broker *b, enum fake_count what)
{
	unsigned n;

	lock(b);
	n = b->count[what];
	unlock(b);
	return n;
}

const char *
fake_broker_declared(struct fake_broker *b, unsigned i)
{
	const char *line = NULL;

	lock(b);
	if (i < b->count[FAKE_DECLARED])
		line = b->declared[i];
	unlock(b);
	return line;
}

const struct fake_msg *
fake_broker_message(struct fake_broker *b, unsigned i)
{
	const struct fake_msg *m = NULL;

	lock(b);
	if (i < b->count[FAKE_MESSAGES])
		m = b->messages[i];
	unlock(b);
	return m;
}
