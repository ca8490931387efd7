/*
 * Messages of one queue share a connection: while some are under way those that
 * come wait, and the first of them then takes all along, so that the broker
 * reads, writes and confirms many at a time.  Queues do not wait for each other.
 */

#include "broker.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "broker_pool.h"
#include "clock.h"
#include "gate.h"

/* Groups of messages of one queue that may be under way; two, so that one message
 * without a confirm does not keep back all others of its queue. */
#define GROUPS 2
/* A group, and the bytes from which on nothing is added to it. */
#define GROUP_MAX 64
#define GROUP_BYTES ((size_t)128 * 1024)

enum turn { TURN_WAITS, TURN_LEADS, TURN_DONE };

/* A message, on the stack of the thread that waits for it. */
struct sending {
	struct sending *next;
	const struct broker_msg *msg;
	enum turn turn;
	bool confirmed;
	sem_t told; /* its thread need not come by the lock again */
};

struct broker {
	struct broker_pool *pool;
	unsigned connect_timeout_ms;
	unsigned confirm_timeout_ms;
	pthread_mutex_t lock;
	struct sending *waiting; /* in the order in which they came */
	struct sending *leading; /* the first of each group under way */
};

/* Those that wait for the queue of group[0] join it.  How many it has then. */
static size_t
take_along(struct broker *b, struct sending *group[GROUP_MAX])
{
	struct sending **at = &b->waiting, *s;
	size_t n = 1, bytes = group[0]->msg->len;

	pthread_mutex_lock(&b->lock);
	while ((s = *at) != NULL && n < GROUP_MAX && bytes < GROUP_BYTES) {
		if (strcmp(s->msg->queue, group[0]->msg->queue) != 0) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		bytes += s->msg->len;
		group[n++] = s;
	}
	pthread_mutex_unlock(&b->lock);
	return n;
}

/* Send the group that lead is the first of.  How many it had. */
static size_t
send_group(
    struct broker *b, struct sending *lead, struct sending *group[GROUP_MAX])
{
	int64_t wait = clock_mono_ms() + b->confirm_timeout_ms;
	int64_t deadline = wait + b->connect_timeout_ms, until;
	struct outgoing out[GROUP_MAX];
	struct broker_conn *c;
	enum sent sent = SENT_NOT;
	size_t i, n = 0;
	int tries;

	group[0] = lead;
	/* One that was not sent at all may go once more, by a fresh one. */
	for (tries = 0; tries < 2 && sent == SENT_NOT; tries++) {
		c = broker_pool_lease(b->pool, wait, deadline);
		if (n == 0)
			n = take_along(b, group);
		for (i = 0; i < n && tries == 0; i++)
			out[i] = (struct outgoing){.msg = group[i]->msg};
		if (c == NULL)
			break;
		until = clock_mono_ms() + b->confirm_timeout_ms;
		sent = broker_pool_publish(
		    b->pool, c, out, n, until < deadline ? until : deadline);
	}
	for (i = 0; i < n; i++)
		group[i]->confirmed = out[i].fate == FATE_CONFIRMED;
	return n;
}

/* With the lock held: the next one of a queue leads, if there is one and it
 * may. */
static void
call_next(struct broker *b, const char *queue)
{
	struct sending **at = &b->waiting, *s;

	while (*at != NULL && strcmp((*at)->msg->queue, queue) != 0)
		at = &(*at)->next;
	if ((s = *at) == NULL)
		return;
	*at = s->next;
	s->turn = TURN_LEADS;
	s->next = b->leading;
	b->leading = s;
	sem_post(&s->told);
}

/* The group is through: tell its threads. */
static void
end_group(struct broker *b, struct sending **group, size_t n)
{
	struct sending **at = &b->leading;
	size_t i;

	pthread_mutex_lock(&b->lock);
	while (*at != group[0])
		at = &(*at)->next;
	*at = group[0]->next;
	call_next(b, group[0]->msg->queue);
	pthread_mutex_unlock(&b->lock);
	for (i = 1; i < n; i++) {
		group[i]->turn = TURN_DONE;
		sem_post(&group[i]->told);
	}
}

static void
wait_for_turn(struct sending *s)
{
	while (sem_wait(&s->told) == -1)
		continue; /* a signal */
}

/* Whether s leads a group, now or once it is called. */
static bool
leads(struct broker *b, struct sending *s)
{
	struct sending **end = &b->waiting, *l;
	unsigned groups = 0;

	pthread_mutex_lock(&b->lock);
	for (l = b->leading; l != NULL; l = l->next)
		groups += strcmp(l->msg->queue, s->msg->queue) == 0;
	if (groups < GROUPS) {
		s->turn = TURN_LEADS;
		s->next = b->leading;
		b->leading = s;
	} else {
		while (*end != NULL)
			end = &(*end)->next;
		*end = s;
	}
	pthread_mutex_unlock(&b->lock);
	if (groups >= GROUPS)
		wait_for_turn(s);
	return s->turn == TURN_LEADS;
}

enum err
broker_publish(struct broker *b, const struct broker_msg *m)
{
	struct sending s = {.msg = m}, *group[GROUP_MAX] = {&s};

	gate_leave();
	sem_init(&s.told, 0, 0);
	if (leads(b, &s))
		end_group(b, group, send_group(b, &s, group));
	sem_destroy(&s.told);
	return s.confirmed ? ERR_OK : ERR_BROKER;
}

enum broker_state
broker_state(struct broker *b)
{
	return broker_pool_state(b->pool);
}

const struct broker_options *
broker_options(struct broker *b, size_t *addr)
{
	return broker_pool_options(b->pool, addr);
}

enum broker_state
broker_probe(struct broker *b)
{
	return broker_pool_probe(b->pool);
}

enum err
broker_open(struct broker **out, const struct broker_options *o)
{
	struct broker *b = calloc(1, sizeof(*b));
	enum err e;

	*out = NULL;
	if (b == NULL)
		return ERR_NOMEM;
	if ((e = broker_pool_open(&b->pool, o)) != ERR_OK) {
		free(b);
		return e;
	}
	b->connect_timeout_ms = o->connect_timeout_ms;
	b->confirm_timeout_ms = o->confirm_timeout_ms;
	pthread_mutex_init(&b->lock, NULL);
	*out = b;
	return ERR_OK;
}

void
broker_close(struct broker *b)
{
	if (b == NULL)
		return;
	broker_pool_close(b->pool);
	pthread_mutex_destroy(&b->lock);
	free(b);
}
