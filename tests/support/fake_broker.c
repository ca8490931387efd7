/* An AMQP server that does as it is told.  One lock for everything, which each function here takes
 * for as long as it lasts. */

#include "fake_broker.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "fake_conn.h"
#include "fake_methods.h"
#include "fake_publish.h"

struct fake_broker *
fake_broker_new(void)
{
	struct fake_broker *b = calloc(1, sizeof(*b));
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	size_t i;

	wire_must(b != NULL, "memory");
	for (i = 0; i < FAKE_CONNS_MAX; i++)
		b->conns[i].fd = -1;
	b->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	wire_must(b->wake != -1, "eventfd");
	b->holder = fake_conn_bound(0);
	wire_must(
	    getsockname(b->holder, (struct sockaddr *)&a, &len) == 0, "port");
	b->port = ntohs(a.sin_port);
	b->listener = -1;
	fake_conn_listen(b);
	(void)pthread_mutex_init(&b->lock, NULL);
	wire_must(pthread_create(&b->thread, NULL, fake_conn_serve, b) == 0,
	    "thread");
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
	fake_conn_stop(b);
	unlock(b);
	(void)pthread_join(b->thread, NULL);
	(void)close(b->holder);
	(void)close(b->wake);
	for (i = 0; i < b->count[FAKE_MESSAGES]; i++)
		fake_publish_free(b->messages[i]);
	for (i = 0; i < b->count[FAKE_DECLARED]; i++)
		free(b->declared[i]);
	fake_queues_free(&b->queues);
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
	fake_conn_stop(b);
	unlock(b);
}

void
fake_broker_start(struct fake_broker *b)
{
	lock(b);
	fake_conn_listen(b);
	unlock(b);
}

void
fake_broker_cut(struct fake_broker *b)
{
	lock(b);
	fake_conn_cut_all(b);
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
	for (i = 0; at_once && i < FAKE_CONNS_MAX; i++) {
		if (!b->conns[i].logged_in)
			continue;
		fake_methods_blocked(&b->conns[i]);
		fake_conn_flush(b, &b->conns[i]);
	}
	unlock(b);
}

void
fake_broker_unblock(struct fake_broker *b)
{
	struct fake_conn *c;

	lock(b);
	b->blocked = false;
	for (c = b->conns; c < b->conns + FAKE_CONNS_MAX; c++) {
		if (c->told)
			wire_say(&c->out, 0, 10, 61, "");
		c->told = c->stalled = false;
		if (c->fd != -1)
			fake_conn_input(b, c);
		fake_conn_flush(b, c);
	}
	unlock(b);
}

void
fake_broker_order(
    struct fake_broker *b, const char *queue, enum fake_act act, unsigned times)
{
	struct fake_order *o;

	queue = queue == NULL ? "" : queue;
	lock(b);
	o = fake_state_order(b, queue);
	if (o == NULL) {
		wire_must(b->n_orders < FAKE_ORDERS_MAX, "too many orders");
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
	for (i = 0; i < FAKE_CONNS_MAX; i++) {
		fake_publish_release(b, &b->conns[i]);
		fake_conn_flush(b, &b->conns[i]);
	}
	unlock(b);
}

void
fake_broker_delete(struct fake_broker *b, const char *queue)
{
	lock(b);
	fake_queues_delete(&b->queues, queue);
	unlock(b);
}

void
fake_broker_put(
    struct fake_broker *b, const char *queue, const char *id, unsigned times)
{
	struct fake_binding new = {0};

	lock(b);
	if (fake_queues_of(&b->queues, queue) == NULL) {
		(void)snprintf(new.queue, sizeof(new.queue), "%s", queue);
		(void)snprintf(new.exchange, sizeof(new.exchange), "%s", queue);
		(void)snprintf(new.key, sizeof(new.key), "%s", queue);
		fake_queues_bind(&b->queues, &new);
	}
	for (; times > 0; times--)
		fake_queues_add(&b->queues, queue, id == NULL ? "" : id, 7);
	unlock(b);
}

void
fake_broker_consume(struct fake_broker *b, const char *queue, unsigned n)
{
	lock(b);
	wire_must(fake_queues_of(&b->queues, queue) != NULL, "no such queue");
	fake_queues_of(&b->queues, queue)->consumers = n;
	unlock(b);
}

unsigned
fake_broker_depth(struct fake_broker *b, const char *queue)
{
	unsigned n;

	lock(b);
	n = fake_queues_depth(&b->queues, queue, true);
	unlock(b);
	return n;
}

const char *
fake_broker_at(struct fake_broker *b, const char *queue, unsigned i)
{
	const char *id;

	lock(b);
	id = fake_queues_at(&b->queues, queue, i);
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
