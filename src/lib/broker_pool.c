/* The pool of broker connections, and the thread that keeps them and the breaker. */

#include "broker_pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "broker_breaker.h"
#include "broker_declared.h"
#include "clock.h"
#include "log.h"

#define TICK_MS 500
#define IDLE_MAX_MS 60000
#define IDLE_KEPT 2
#define REFUSAL_AGAIN_MS 60000
/* A connection used just now is taken to be alive. */
#define FRESH_MS 250

/* An idle connection, and the round of the maintenance that looked at it. */
struct idle {
	struct broker_conn *conn;
	unsigned round;
};

struct broker_pool {
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
	struct broker_breaker breaker;
	unsigned round;
	bool stopping;
	struct broker_declared declared;
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

static const struct amqp_addr *
address(const struct broker_pool *p)
{
	return &p->uri.addrs[p->addr];
}

/* With the lock held: no request tries until the keeper has reached the broker.
 */
static void
go_down(struct broker_pool *p, const char *why, bool at_once)
{
	broker_breaker_down(&p->breaker, address(p), why, at_once);
	pthread_cond_broadcast(&p->freed);
	pthread_cond_signal(&p->wake);
}

static void
go_blocked(struct broker_pool *p)
{
	broker_breaker_blocked(&p->breaker, address(p));
	pthread_cond_broadcast(&p->freed);
}

static void
go_up(struct broker_pool *p)
{
	broker_breaker_up(&p->breaker, address(p));
}

/* With the lock held.  The broker may have lost its queues with the connection.
 */
static void
forget_conn(struct broker_pool *p)
{
	p->n_open--;
	broker_declared_forget(&p->declared);
	pthread_cond_signal(&p->freed);
}

static void
give_back(struct broker_pool *p, struct broker_conn *c)
{
	p->idle[p->n_idle++] = (struct idle){c, p->round};
	pthread_cond_signal(&p->freed);
}

/* Open one more, whose place in n_open is taken; the lock is not held. */
static struct broker_conn *
open_conn(struct broker_pool *p, size_t addr, int64_t deadline)
{
	char why[BROKER_WHY] = "";
	int64_t ms = deadline - clock_mono_ms();
	struct broker_conn *c;

	if (ms > p->o.connect_timeout_ms)
		ms = p->o.connect_timeout_ms;
	c = broker_conn_open(
	    &p->uri.addrs[addr], &p->o, ms < 1 ? 1 : (int)ms, why);
	pthread_mutex_lock(&p->lock);
	if (c == NULL) {
		p->n_open--;
		go_down(p, why, false);
	} else {
		p->addr = addr;
		if (p->breaker.state != BROKER_BLOCKED)
			go_up(p);
	}
	pthread_mutex_unlock(&p->lock);
	return c;
}

/* With the lock held and given back: an idle connection that still lives. */
static struct broker_conn *
take_idle(struct broker_pool *p)
{
	struct broker_conn *c;

	while (p->n_idle > 0) {
		c = p->idle[--p->n_idle].conn;
		if (clock_mono_ms() - broker_conn_used(c) < FRESH_MS)
			return c;
		pthread_mutex_unlock(&p->lock);
		if (broker_conn_tick(c)) {
			pthread_mutex_lock(&p->lock);
			return c;
		}
		broker_conn_close(c, false);
		pthread_mutex_lock(&p->lock);
		forget_conn(p);
	}
	return NULL;
}

struct broker_conn *
broker_pool_lease(struct broker_pool *p, int64_t wait_ms, int64_t deadline_ms)
{
	struct broker_conn *c = NULL;
	size_t addr;

	pthread_mutex_lock(&p->lock);
	while (broker_breaker_lets(&p->breaker) && (c = take_idle(p)) == NULL) {
		if (p->n_open < p->o.connections) {
			p->n_open++;
			addr = p->addr;
			pthread_mutex_unlock(&p->lock);
			return open_conn(p, addr, deadline_ms);
		}
		if (clock_mono_ms() >= wait_ms)
			break;
		wait_until(&p->freed, &p->lock, wait_ms);
	}
	pthread_mutex_unlock(&p->lock);
	return c;
}

/* Once for a queue and a minute, for the cause stays and the sweeper comes
 * again. */
static void
log_refusal(struct broker_pool *p, const char *queue, const char *why)
{
	int64_t now = clock_mono_ms();

	if (strcmp(p->refused, queue) == 0 &&
	    now - p->refused_ms < REFUSAL_AGAIN_MS)
		return;
	log_error("broker refuses messages for the queue %s: %s; they are "
		  "tried again",
	    queue, why);
	(void)strncpy(p->refused, queue, sizeof(p->refused) - 1);
	p->refused_ms = now;
}

static void
discard(struct broker_pool *p, struct broker_conn *c)
{
	forget_conn(p);
	pthread_mutex_unlock(&p->lock);
	broker_conn_close(c, false);
	pthread_mutex_lock(&p->lock);
}

/* What the pool learns from how a publish ended. */
static void
settle(struct broker_pool *p, struct broker_conn *c, const char *queue,
    enum sent sent)
{
	pthread_mutex_lock(&p->lock);
	switch (sent) {
	case SENT_CONFIRMED:
		/* An older message's, if the broker is blocked since. */
		if (p->breaker.state != BROKER_BLOCKED)
			go_up(p);
		give_back(p, c);
		break;
	case SENT_REFUSED:
		log_refusal(p, queue, broker_conn_why(c));
		give_back(p, c);
		break;
	case SENT_BLOCKED:
		go_blocked(p);
		give_back(p, c);
		break;
	case SENT_CLOSED:
		log_refusal(p, queue, broker_conn_why(c));
		discard(p, c);
		break;
	case SENT_NOT:
		discard(p, c);
		break;
	case SENT_UNKNOWN:
		go_down(p, broker_conn_why(c), true);
		discard(p, c);
		break;
	}
	pthread_mutex_unlock(&p->lock);
}

enum sent
broker_pool_publish(struct broker_pool *p, struct broker_conn *c,
    struct outgoing *out, size_t n, int64_t deadline_ms)
{
	const char *queue = n > 0 ? out[0].msg->queue : "";
	bool declared, before;
	enum sent sent;

	pthread_mutex_lock(&p->lock);
	declared = before = broker_declared_has(&p->declared, queue);
	pthread_mutex_unlock(&p->lock);
	sent = broker_conn_publish(c, out, n, &declared, deadline_ms);
	if (declared && !before) {
		pthread_mutex_lock(&p->lock);
		broker_declared_add(&p->declared, queue);
		pthread_mutex_unlock(&p->lock);
	}
	settle(p, c, queue, sent);
	return sent;
}

enum broker_state
broker_pool_state(struct broker_pool *p)
{
	enum broker_state s;

	pthread_mutex_lock(&p->lock);
	s = p->breaker.state;
	pthread_mutex_unlock(&p->lock);
	return s;
}

const struct broker_options *
broker_pool_options(struct broker_pool *p, size_t *addr)
{
	pthread_mutex_lock(&p->lock);
	*addr = p->addr;
	pthread_mutex_unlock(&p->lock);
	return &p->o;
}

enum broker_state
broker_pool_probe(struct broker_pool *p)
{
	int64_t now = clock_mono_ms();
	struct broker_conn *c =
	    broker_pool_lease(p, now, now + p->o.connect_timeout_ms);

	if (c != NULL) {
		pthread_mutex_lock(&p->lock);
		give_back(p, c);
		pthread_mutex_unlock(&p->lock);
	}
	return broker_pool_state(p);
}

/* Try every address once, from the one that answered last. */
static void
reconnect(struct broker_pool *p)
{
	struct broker_conn *c = NULL;
	char why[BROKER_WHY];
	size_t i, first = p->addr, at = first;

	pthread_mutex_unlock(&p->lock);
	for (i = 0; i < p->uri.n && c == NULL; i++) {
		at = (first + i) % p->uri.n;
		c = broker_conn_open(&p->uri.addrs[at], &p->o,
		    (int)p->o.connect_timeout_ms, why);
	}
	pthread_mutex_lock(&p->lock);
	if (c != NULL) {
		p->n_open++;
		p->addr = at;
		go_up(p);
		give_back(p, c);
		return;
	}
	broker_breaker_back_off(&p->breaker);
}

/* With the lock held: the coldest idle connection that this round has not seen.
 */
static struct broker_conn *
next_of_round(struct broker_pool *p)
{
	struct broker_conn *c;
	size_t i;

	for (i = 0; i < p->n_idle; i++) {
		if (p->idle[i].round == p->round)
			continue;
		c = p->idle[i].conn;
		memmove(&p->idle[i], &p->idle[i + 1],
		    (--p->n_idle - i) * sizeof(p->idle[0]));
		return c;
	}
	return NULL;
}

static void
put_first(struct broker_pool *p, struct broker_conn *c)
{
	memmove(&p->idle[1], &p->idle[0], p->n_idle++ * sizeof(p->idle[0]));
	p->idle[0] = (struct idle){c, p->round};
	pthread_cond_signal(&p->freed);
}

static bool
too_long_idle(const struct broker_pool *p, const struct broker_conn *c)
{
	return p->n_open > IDLE_KEPT &&
	       clock_mono_ms() - broker_conn_used(c) > IDLE_MAX_MS;
}

/* Look at each idle connection: heartbeats, a lost broker, blocked or no
 * longer. */
static void
look_around(struct broker_pool *p)
{
	char why[BROKER_WHY] = "";
	struct broker_conn *c;
	bool blocked = false, alive;

	p->round++;
	while ((c = next_of_round(p)) != NULL) {
		pthread_mutex_unlock(&p->lock);
		alive = broker_conn_tick(c);
		pthread_mutex_lock(&p->lock);
		if (!alive)
			(void)memcpy(why, broker_conn_why(c), sizeof(why));
		if (!alive) {
			discard(p, c);
		} else if (too_long_idle(p, c)) {
			p->n_open--;
			pthread_mutex_unlock(&p->lock);
			broker_conn_close(c, true);
			pthread_mutex_lock(&p->lock);
		} else {
			blocked |= broker_conn_blocked(c);
			put_first(p, c);
		}
	}
	if (p->n_open == 0 && why[0] != '\0')
		go_down(p, why, true);
	else if (blocked)
		go_blocked(p);
	else if (p->breaker.state == BROKER_BLOCKED)
		go_up(p);
}

static void *
keep(void *arg)
{
	struct broker_pool *p = arg;
	int64_t now, next = 0;

	pthread_mutex_lock(&p->lock);
	while (!p->stopping) {
		now = clock_mono_ms();
		if (now >= next) {
			look_around(p);
			next = now + TICK_MS;
		}
		if (p->breaker.state == BROKER_DOWN &&
		    now >= p->breaker.retry_ms)
			reconnect(p);
		now = next;
		if (p->breaker.state == BROKER_DOWN &&
		    p->breaker.retry_ms < now)
			now = p->breaker.retry_ms;
		if (!p->stopping)
			wait_until(&p->wake, &p->lock, now);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static void
free_pool(struct broker_pool *p)
{
	broker_declared_free(&p->declared);
	free(p->idle);
	free(p->name);
	free(p->ca_file);
	free(p);
}

static bool
make_parts(struct broker_pool *p, const struct broker_options *o)
{
	p->uri = *o->uri;
	p->o = *o;
	p->o.uri = &p->uri;
	p->o.name = p->name = strdup(o->name);
	p->o.ca_file = p->ca_file = strdup(o->ca_file);
	p->idle = calloc(o->connections + 1, sizeof(p->idle[0]));
	return p->name != NULL && p->ca_file != NULL && p->idle != NULL &&
	       broker_declared_init(&p->declared);
}

enum err
broker_pool_open(struct broker_pool **out, const struct broker_options *o)
{
	struct broker_pool *p = calloc(1, sizeof(*p));
	pthread_condattr_t attr;

	*out = NULL;
	if (p == NULL)
		return ERR_NOMEM;
	if (!make_parts(p, o)) {
		free_pool(p);
		return ERR_NOMEM;
	}
	broker_breaker_init(&p->breaker);
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->freed, &attr);
	pthread_cond_init(&p->wake, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&p->keeper, NULL, keep, p) != 0) {
		free_pool(p);
		return ERR_NOMEM;
	}
	*out = p;
	return ERR_OK;
}

void
broker_pool_close(struct broker_pool *p)
{
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->keeper, NULL);
	while (p->n_idle > 0)
		broker_conn_close(p->idle[--p->n_idle].conn, true);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->freed);
	pthread_cond_destroy(&p->wake);
	free_pool(p);
}
