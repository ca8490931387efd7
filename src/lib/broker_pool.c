/* The pool of broker connections, its breaker, and the thread that keeps both. */

#include "broker_pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "broker_declared.h"
#include "clock.h"
#include "log.h"

#define TICK_MS 500
#define IDLE_MAX_MS 60000
#define IDLE_KEPT 2
#define BACKOFF_MIN_MS 250
#define BACKOFF_MAX_MS 15000
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
	enum broker_state state;
	int64_t retry_ms; /* when the keeper tries again, while DOWN */
	int64_t backoff_ms;
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
go_down(struct broker_pool *b, const char *why, bool at_once)
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
go_blocked(struct broker_pool *b)
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
go_up(struct broker_pool *b)
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
forget_conn(struct broker_pool *b)
{
	b->n_open--;
	broker_declared_forget(&b->declared);
	pthread_cond_signal(&b->freed);
}

static void
give_back(struct broker_pool *b, struct broker_conn *c)
{
	b->idle[b->n_idle++] = (struct idle){c, b->round};
	pthread_cond_signal(&b->freed);
}

/* Open one more, whose place in n_open is taken; the lock is not held. */
static struct broker_conn *
open_conn(struct broker_pool *b, size_t addr, int64_t deadline)
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
take_idle(struct broker_pool *b)
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
usable(const struct broker_pool *b)
{
	return b->state == BROKER_UP || b->state == BROKER_UNKNOWN;
}

/* A connection for the caller alone, or NULL: down, blocked, or all are in use
 * until wait_ms of the monotonic clock. */
struct broker_conn *
broker_pool_lease(struct broker_pool *b, int64_t wait_ms, int64_t deadline)
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
log_refusal(struct broker_pool *b, const char *queue, const char *why)
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
discard(struct broker_pool *b, struct broker_conn *c)
{
	forget_conn(b);
	pthread_mutex_unlock(&b->lock);
	broker_conn_close(c, false);
	pthread_mutex_lock(&b->lock);
}

/* What the pool learns from how a publish ended. */
static void
settle(struct broker_pool *b, struct broker_conn *c, const char *queue,
    enum sent sent)
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

enum sent
broker_pool_publish(struct broker_pool *b, struct broker_conn *c,
    struct outgoing *out, size_t n, int64_t deadline)
{
	const char *queue = n > 0 ? out[0].msg->queue : "";
	bool declared, before;
	enum sent sent;

	pthread_mutex_lock(&b->lock);
	declared = before = broker_declared_has(&b->declared, queue);
	pthread_mutex_unlock(&b->lock);
	sent = broker_conn_publish(c, out, n, &declared, deadline);
	if (declared && !before) {
		pthread_mutex_lock(&b->lock);
		broker_declared_add(&b->declared, queue);
		pthread_mutex_unlock(&b->lock);
	}
	settle(b, c, queue, sent);
	return sent;
}

enum broker_state
broker_pool_state(struct broker_pool *b)
{
	enum broker_state s;

	pthread_mutex_lock(&b->lock);
	s = b->state;
	pthread_mutex_unlock(&b->lock);
	return s;
}

const struct broker_options *
broker_pool_options(struct broker_pool *b, size_t *addr)
{
	pthread_mutex_lock(&b->lock);
	*addr = b->addr;
	pthread_mutex_unlock(&b->lock);
	return &b->o;
}

enum broker_state
broker_pool_probe(struct broker_pool *b)
{
	int64_t now = clock_mono_ms();
	struct broker_conn *c =
	    broker_pool_lease(b, now, now + b->o.connect_timeout_ms);

	if (c != NULL) {
		pthread_mutex_lock(&b->lock);
		give_back(b, c);
		pthread_mutex_unlock(&b->lock);
	}
	return broker_pool_state(b);
}

/* Try every address once, from the one that answered last. */
static void
reconnect(struct broker_pool *b)
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
next_of_round(struct broker_pool *b)
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
put_first(struct broker_pool *b, struct broker_conn *c)
{
	memmove(&b->idle[1], &b->idle[0], b->n_idle++ * sizeof(b->idle[0]));
	b->idle[0] = (struct idle){c, b->round};
	pthread_cond_signal(&b->freed);
}

static bool
too_long_idle(const struct broker_pool *b, const struct broker_conn *c)
{
	return b->n_open > IDLE_KEPT &&
	       clock_mono_ms() - broker_conn_used(c) > IDLE_MAX_MS;
}

/* Look at each idle connection: heartbeats, a lost broker, blocked or no
 * longer. */
static void
look_around(struct broker_pool *b)
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
	struct broker_pool *b = arg;
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
free_pool(struct broker_pool *b)
{
	broker_declared_free(&b->declared);
	free(b->idle);
	free(b->name);
	free(b->ca_file);
	free(b);
}

static bool
make_parts(struct broker_pool *b, const struct broker_options *o)
{
	b->uri = *o->uri;
	b->o = *o;
	b->o.uri = &b->uri;
	b->o.name = b->name = strdup(o->name);
	b->o.ca_file = b->ca_file = strdup(o->ca_file);
	b->idle = calloc(o->connections + 1, sizeof(b->idle[0]));
	return b->name != NULL && b->ca_file != NULL && b->idle != NULL &&
	       broker_declared_init(&b->declared);
}

enum err
broker_pool_open(struct broker_pool **out, const struct broker_options *o)
{
	struct broker_pool *b = calloc(1, sizeof(*b));
	pthread_condattr_t attr;

	*out = NULL;
	if (b == NULL)
		return ERR_NOMEM;
	if (!make_parts(b, o)) {
		free_pool(b);
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
		free_pool(b);
		return ERR_NOMEM;
	}
	*out = b;
	return ERR_OK;
}

void
broker_pool_close(struct broker_pool *b)
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
	free_pool(b);
}
