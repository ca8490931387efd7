/*
 * The pool of broker connections, its breaker, and the thread that keeps both.
 *
 * Messages of one queue share a connection: while some are under way those that
 * come wait, and the first of them then takes all along, so that the broker
 * reads, writes and confirms many at a time.  Queues do not wait for each other.
 */

#include "broker.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "broker_conn.h"
#include "clock.h"
#include "gate.h"
#include "log.h"

#define TICK_MS 500
#define IDLE_MAX_MS 60000
#define IDLE_KEPT 2
#define BACKOFF_MIN_MS 250
#define BACKOFF_MAX_MS 15000
#define REFUSAL_AGAIN_MS 60000
/* Slots of the set of declared queues, a power of two, filled to a half. */
#define DECLARED_SLOTS 32768
/* Groups of messages of one queue that may be under way; two, so that one message
 * without a confirm does not keep back all others of its queue. */
#define GROUPS 2
/* A group, and the bytes from which on nothing is added to it. */
#define GROUP_MAX 64
#define GROUP_BYTES ((size_t)128 * 1024)
/* A connection used just now is taken to be alive. */
#define FRESH_MS 250

/* An idle connection, and the round of the maintenance that looked at it. */
struct idle {
	struct broker_conn *conn;
	unsigned round;
};

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
	struct amqp_uri uri;
	struct broker_options o;
	char *name;
	char *ca_file;
	pthread_t keeper;
	pthread_mutex_t lock;
	pthread_cond_t freed; /* a connection, or a place for one */
	pthread_cond_t wake; /* the keeper */
	struct idle *idle; /* the last was used last */
	size_t n_idle;
	size_t n_open; /* idle, leased, and being opened */
	size_t addr; /* that answered last */
	enum broker_state state;
	int64_t retry_ms; /* when the keeper tries again, while DOWN */
	int64_t backoff_ms;
	unsigned round;
	struct sending *waiting; /* in the order in which they came */
	struct sending *leading; /* the first of each group under way */
	bool stopping;
	char **declared; /* hash set, open addressing */
	size_t n_declared;
	char refused[256]; /* the queue whose refusal was logged last */
	int64_t refused_ms;
};

static void
wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t at_ms)
{
	struct timespec ts = {
	    .tv_sec = (time_t)(at_ms / 1000),
	    .tv_nsec = (long)(at_ms % 1000 * 1000000),
	};

	(void)pthread_cond_timedwait(cond, lock, &ts);
}

/* FNV-1a, for names that were checked before. */
static size_t
hash(const char *s)
{
	uint64_t h = 14695981039346656037U;

	for (; *s != '\0'; s++)
		h = (h ^ (unsigned char)*s) * 1099511628211U;
	return (size_t)h;
}

static char **
declared_slot(struct broker *b, const char *queue)
{
	size_t i = hash(queue) & (DECLARED_SLOTS - 1);

	while (b->declared[i] != NULL && strcmp(b->declared[i], queue) != 0)
		i = (i + 1) & (DECLARED_SLOTS - 1);
	return &b->declared[i];
}

static void
declared_forget(struct broker *b)
{
	size_t i;

	if (b->n_declared == 0)
		return;
	for (i = 0; i < DECLARED_SLOTS; i++) {
		free(b->declared[i]);
		b->declared[i] = NULL;
	}
	b->n_declared = 0;
}

static void
declared_add(struct broker *b, const char *queue)
{
	char **slot;

	if (b->n_declared == DECLARED_SLOTS / 2)
		declared_forget(b);
	slot = declared_slot(b, queue);
	if (*slot == NULL && (*slot = strdup(queue)) != NULL)
		b->n_declared++;
}

/* Somewhere in the upper half of ms, so that processes do not come together. */
static int64_t
jitter(int64_t ms)
{
	uint16_t r;

	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) != sizeof(r))
		r = (uint16_t)clock_mono_ms();
	return ms / 2 + ms / 2 * r / UINT16_MAX;
}

/* With the lock held: no request tries until the keeper has reached the broker.
 */
static void
go_down(struct broker *b, const char *why, bool at_once)
{
	if (b->state != BROKER_DOWN) {
		log_error("broker %s:%d: %s; jobs are kept and published when "
			  "it is back",
		    b->uri.addrs[b->addr].host, b->uri.addrs[b->addr].port,
		    why);
		b->backoff_ms = BACKOFF_MIN_MS;
		b->retry_ms =
		    clock_mono_ms() + (at_once ? 0 : jitter(BACKOFF_MIN_MS));
	}
	b->state = BROKER_DOWN;
	pthread_cond_broadcast(&b->freed);
	pthread_cond_signal(&b->wake);
}

static void
go_blocked(struct broker *b)
{
	if (b->state != BROKER_BLOCKED)
		log_warn(
		    "broker %s:%d: blocked, it has no memory or disk left; "
		    "jobs are kept and published afterwards",
		    b->uri.addrs[b->addr].host, b->uri.addrs[b->addr].port);
	b->state = BROKER_BLOCKED;
	pthread_cond_broadcast(&b->freed);
}

static void
go_up(struct broker *b)
{
	if (b->state == BROKER_DOWN || b->state == BROKER_BLOCKED)
		log_info("broker %s:%d: answers again",
		    b->uri.addrs[b->addr].host, b->uri.addrs[b->addr].port);
	b->state = BROKER_UP;
	b->backoff_ms = BACKOFF_MIN_MS;
}

/* With the lock held.  The broker may have lost its queues with the connection.
 */
static void
forget_conn(struct broker *b)
{
	b->n_open--;
	declared_forget(b);
	pthread_cond_signal(&b->freed);
}

static void
give_back(struct broker *b, struct broker_conn *c)
{
	b->idle[b->n_idle++] = (struct idle){c, b->round};
	pthread_cond_signal(&b->freed);
}

/* Open one more, whose place in n_open is taken; the lock is not held. */
static struct broker_conn *
open_conn(struct broker *b, size_t addr, int64_t deadline)
{
	char why[BROKER_CONN_WHY] = "";
	int64_t ms = deadline - clock_mono_ms();
	struct broker_conn *c;

	if (ms > b->o.connect_timeout_ms)
		ms = b->o.connect_timeout_ms;
	c = broker_conn_open(
	    &b->uri.addrs[addr], &b->o, ms < 1 ? 1 : (int)ms, why);
	pthread_mutex_lock(&b->lock);
	if (c == NULL) {
		b->n_open--;
		go_down(b, why, false);
	} else {
		b->addr = addr;
		if (b->state != BROKER_BLOCKED)
			go_up(b);
	}
	pthread_mutex_unlock(&b->lock);
	return c;
}

/* With the lock held and given back: an idle connection that still lives. */
static struct broker_conn *
take_idle(struct broker *b)
{
	struct broker_conn *c;

	while (b->n_idle > 0) {
		c = b->idle[--b->n_idle].conn;
		if (clock_mono_ms() - broker_conn_used(c) < FRESH_MS)
			return c;
		pthread_mutex_unlock(&b->lock);
		if (broker_conn_tick(c)) {
			pthread_mutex_lock(&b->lock);
			return c;
		}
		broker_conn_close(c, false);
		pthread_mutex_lock(&b->lock);
		forget_conn(b);
	}
	return NULL;
}

static bool
usable(const struct broker *b)
{
	return b->state == BROKER_UP || b->state == BROKER_UNKNOWN;
}

/* A connection for the caller alone, or NULL: down, blocked, or all are in use
 * until wait_ms of the monotonic clock. */
static struct broker_conn *
lease(struct broker *b, int64_t wait_ms, int64_t deadline)
{
	struct broker_conn *c = NULL;
	size_t addr;

	pthread_mutex_lock(&b->lock);
	while (usable(b) && (c = take_idle(b)) == NULL) {
		if (b->n_open < b->o.connections) {
			b->n_open++;
			addr = b->addr;
			pthread_mutex_unlock(&b->lock);
			return open_conn(b, addr, deadline);
		}
		if (clock_mono_ms() >= wait_ms)
			break;
		wait_until(&b->freed, &b->lock, wait_ms);
	}
	pthread_mutex_unlock(&b->lock);
	return c;
}

/* Once for a queue and a minute, for the cause stays and the sweeper comes
 * again. */
static void
log_refusal(struct broker *b, const char *queue, const char *why)
{
	int64_t now = clock_mono_ms();

	if (strcmp(b->refused, queue) == 0 &&
	    now - b->refused_ms < REFUSAL_AGAIN_MS)
		return;
	log_error("broker refuses messages for the queue %s: %s; they are "
		  "tried again",
	    queue, why);
	(void)strncpy(b->refused, queue, sizeof(b->refused) - 1);
	b->refused_ms = now;
}

static void
discard(struct broker *b, struct broker_conn *c)
{
	forget_conn(b);
	pthread_mutex_unlock(&b->lock);
	broker_conn_close(c, false);
	pthread_mutex_lock(&b->lock);
}

/* What the pool learns from how a publish ended. */
static void
settle(
    struct broker *b, struct broker_conn *c, const char *queue, enum sent sent)
{
	pthread_mutex_lock(&b->lock);
	switch (sent) {
	case SENT_CONFIRMED:
		/* An older message's, if the broker is blocked since. */
		if (b->state != BROKER_BLOCKED)
			go_up(b);
		give_back(b, c);
		break;
	case SENT_REFUSED:
		log_refusal(b, queue, broker_conn_why(c));
		give_back(b, c);
		break;
	case SENT_BLOCKED:
		go_blocked(b);
		give_back(b, c);
		break;
	case SENT_CLOSED:
		log_refusal(b, queue, broker_conn_why(c));
		discard(b, c);
		break;
	case SENT_NOT:
		discard(b, c);
		break;
	case SENT_UNKNOWN:
		go_down(b, broker_conn_why(c), true);
		discard(b, c);
		break;
	}
	pthread_mutex_unlock(&b->lock);
}

static enum sent
publish_on(struct broker *b, struct broker_conn *c, struct outgoing *out,
    size_t n, int64_t deadline)
{
	const char *queue = n > 0 ? out[0].msg->queue : "";
	bool declared, before;
	enum sent sent;

	pthread_mutex_lock(&b->lock);
	declared = before = *declared_slot(b, queue) != NULL;
	pthread_mutex_unlock(&b->lock);
	sent = broker_conn_publish(c, out, n, &declared, deadline);
	if (declared && !before) {
		pthread_mutex_lock(&b->lock);
		declared_add(b, queue);
		pthread_mutex_unlock(&b->lock);
	}
	settle(b, c, queue, sent);
	return sent;
}

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
	int64_t wait = clock_mono_ms() + b->o.confirm_timeout_ms;
	int64_t deadline = wait + b->o.connect_timeout_ms, until;
	struct outgoing out[GROUP_MAX];
	struct broker_conn *c;
	enum sent sent = SENT_NOT;
	size_t i, n = 0;
	int tries;

	group[0] = lead;
	/* One that was not sent at all may go once more, by a fresh one. */
	for (tries = 0; tries < 2 && sent == SENT_NOT; tries++) {
		c = lease(b, wait, deadline);
		if (n == 0)
			n = take_along(b, group);
		for (i = 0; i < n && tries == 0; i++)
			out[i] = (struct outgoing){.msg = group[i]->msg};
		if (c == NULL)
			break;
		until = clock_mono_ms() + b->o.confirm_timeout_ms;
		sent = publish_on(
		    b, c, out, n, until < deadline ? until : deadline);
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
	enum broker_state s;

	pthread_mutex_lock(&b->lock);
	s = b->state;
	pthread_mutex_unlock(&b->lock);
	return s;
}

const struct broker_options *
broker_options(struct broker *b, size_t *addr)
{
	pthread_mutex_lock(&b->lock);
	*addr = b->addr;
	pthread_mutex_unlock(&b->lock);
	return &b->o;
}

enum broker_state
broker_probe(struct broker *b)
{
	int64_t now = clock_mono_ms();
	struct broker_conn *c = lease(b, now, now + b->o.connect_timeout_ms);

	if (c != NULL) {
		pthread_mutex_lock(&b->lock);
		give_back(b, c);
		pthread_mutex_unlock(&b->lock);
	}
	return broker_state(b);
}

/* Try every address once, from the one that answered last. */
static void
reconnect(struct broker *b)
{
	struct broker_conn *c = NULL;
	char why[BROKER_CONN_WHY];
	size_t i, first = b->addr, at = first;

	pthread_mutex_unlock(&b->lock);
	for (i = 0; i < b->uri.n && c == NULL; i++) {
		at = (first + i) % b->uri.n;
		c = broker_conn_open(&b->uri.addrs[at], &b->o,
		    (int)b->o.connect_timeout_ms, why);
	}
	pthread_mutex_lock(&b->lock);
	if (c != NULL) {
		b->n_open++;
		b->addr = at;
		go_up(b);
		give_back(b, c);
		return;
	}
	b->backoff_ms *= 2;
	if (b->backoff_ms > BACKOFF_MAX_MS)
		b->backoff_ms = BACKOFF_MAX_MS;
	b->retry_ms = clock_mono_ms() + jitter(b->backoff_ms);
}

/* With the lock held: the coldest idle connection that this round has not seen.
 */
static struct broker_conn *
next_of_round(struct broker *b)
{
	struct broker_conn *c;
	size_t i;

	for (i = 0; i < b->n_idle; i++) {
		if (b->idle[i].round == b->round)
			continue;
		c = b->idle[i].conn;
		memmove(&b->idle[i], &b->idle[i + 1],
		    (--b->n_idle - i) * sizeof(b->idle[0]));
		return c;
	}
	return NULL;
}

static void
put_first(struct broker *b, struct broker_conn *c)
{
	memmove(&b->idle[1], &b->idle[0], b->n_idle++ * sizeof(b->idle[0]));
	b->idle[0] = (struct idle){c, b->round};
	pthread_cond_signal(&b->freed);
}

static bool
too_long_idle(const struct broker *b, const struct broker_conn *c)
{
	return b->n_open > IDLE_KEPT &&
	       clock_mono_ms() - broker_conn_used(c) > IDLE_MAX_MS;
}

/* Look at each idle connection: heartbeats, a lost broker, blocked or no
 * longer. */
static void
look_around(struct broker *b)
{
	char why[BROKER_CONN_WHY] = "";
	struct broker_conn *c;
	bool blocked = false, alive;

	b->round++;
	while ((c = next_of_round(b)) != NULL) {
		pthread_mutex_unlock(&b->lock);
		alive = broker_conn_tick(c);
		pthread_mutex_lock(&b->lock);
		if (!alive)
			(void)memcpy(why, broker_conn_why(c), sizeof(why));
		if (!alive) {
			discard(b, c);
		} else if (too_long_idle(b, c)) {
			b->n_open--;
			pthread_mutex_unlock(&b->lock);
			broker_conn_close(c, true);
			pthread_mutex_lock(&b->lock);
		} else {
			blocked |= broker_conn_blocked(c);
			put_first(b, c);
		}
	}
	if (b->n_open == 0 && why[0] != '\0')
		go_down(b, why, true);
	else if (blocked)
		go_blocked(b);
	else if (b->state == BROKER_BLOCKED)
		go_up(b);
}

static void *
keep(void *arg)
{
	struct broker *b = arg;
	int64_t now, next = 0;

	pthread_mutex_lock(&b->lock);
	while (!b->stopping) {
		now = clock_mono_ms();
		if (now >= next) {
			look_around(b);
			next = now + TICK_MS;
		}
		if (b->state == BROKER_DOWN && now >= b->retry_ms)
			reconnect(b);
		now = next;
		if (b->state == BROKER_DOWN && b->retry_ms < now)
			now = b->retry_ms;
		if (!b->stopping)
			wait_until(&b->wake, &b->lock, now);
	}
	pthread_mutex_unlock(&b->lock);
	return NULL;
}

static void
free_broker(struct broker *b)
{
	if (b->declared != NULL)
		declared_forget(b);
	free(b->declared);
	free(b->idle);
	free(b->name);
	free(b->ca_file);
	free(b);
}

static bool
make_parts(struct broker *b, const struct broker_options *o)
{
	b->uri = *o->uri;
	b->o = *o;
	b->o.uri = &b->uri;
	b->o.name = b->name = strdup(o->name);
	b->o.ca_file = b->ca_file = strdup(o->ca_file);
	b->idle = calloc(o->connections + 1, sizeof(b->idle[0]));
	b->declared = calloc(DECLARED_SLOTS, sizeof(b->declared[0]));
	return b->name != NULL && b->ca_file != NULL && b->idle != NULL &&
	       b->declared != NULL;
}

enum err
broker_open(struct broker **out, const struct broker_options *o)
{
	struct broker *b = calloc(1, sizeof(*b));
	pthread_condattr_t attr;

	*out = NULL;
	if (b == NULL)
		return ERR_NOMEM;
	if (!make_parts(b, o)) {
		free_broker(b);
		return ERR_NOMEM;
	}
	b->backoff_ms = BACKOFF_MIN_MS;
	pthread_mutex_init(&b->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&b->freed, &attr);
	pthread_cond_init(&b->wake, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&b->keeper, NULL, keep, b) != 0) {
		free_broker(b);
		return ERR_NOMEM;
	}
	*out = b;
	return ERR_OK;
}

void
broker_close(struct broker *b)
{
	if (b == NULL)
		return;
	pthread_mutex_lock(&b->lock);
	b->stopping = true;
	pthread_cond_signal(&b->wake);
	pthread_mutex_unlock(&b->lock);
	pthread_join(b->keeper, NULL);
	while (b->n_idle > 0)
		broker_conn_close(b->idle[--b->n_idle].conn, true);
	pthread_mutex_destroy(&b->lock);
	pthread_cond_destroy(&b->freed);
	pthread_cond_destroy(&b->wake);
	free_broker(b);
}
