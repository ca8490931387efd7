/*
 * One thread has all that is held, and never waits for the disk or for a client: it
 * hears of changes, looks which of the held requests there is a job for, and ends those
 * whose time is over.  For which there is one it gives to a few threads that take
 * jobs, whose commits then make one group, and gets back for which there was none
 * any more.
 */

#include "hold.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent.h"
#include "app.h"
#include "cause.h"
#include "clock.h"
#include "handout.h"
#include "hold_limits.h"
#include "hold_look.h"
#include "hold_reply.h"
#include "http_fcgi.h"
#include "log.h"
#include "parked.h"

#define TAKERS 8
#define EVENTS 256

static struct {
	/* Of the one thread. */
	struct parked_set *set;
	struct wake_ear *ear; /* NULL: nobody tells us anything */
	int epoll_fd;
	struct arena *arena;
	struct hold_look *look;
	pthread_t takers[TAKERS];
	size_t n_takers;
	/* Of all. */
	int kick_fd; /* there is something in a list for the one thread */
	size_t most;
	atomic_size_t held;
	atomic_uint generation;
	pthread_mutex_t mutex; /* of everything below */
	pthread_cond_t work;
	struct parked_list arrived, to_take, back;
	bool closed; /* nothing more is held */
	bool stop; /* of the takers, when there is nothing more to take */
} hold = {
    .epoll_fd = -1,
    .kick_fd = -1,
    .mutex = PTHREAD_MUTEX_INITIALIZER,
    .work = PTHREAD_COND_INITIALIZER,
};

unsigned
hold_generation(void)
{
	return atomic_load(&hold.generation);
}

static void
let_go(struct parked *p)
{
	if (p->conn.fd != -1)
		(void)close(p->conn.fd);
	parked_free(hold.set, p);
	(void)atomic_fetch_sub(&hold.held, 1);
}

/* --- threads that take */

static void
take(struct svc *svc, struct parked *p, struct arena *a)
{
	const char **names = arena_alloc(a, p->n * sizeof(*names));
	const struct cause cause = {
	    p->request_id, p->client, p->agent, p->connection};
	const struct handout_ask ask = {
	    names, p->n, p->agent, p->client, p->connection};
	bool off = false;
	struct job job;
	enum err e;
	size_t i;

	p->outcome = PARKED_OVER;
	if (http_fcgi_gone(&p->conn))
		return;
	e = names != NULL ? agent_is_off(svc, p->agent, &off) : ERR_NOMEM;
	if (off) {
		hold_reply_none(p, a);
		return;
	}
	for (i = 0; i < p->n && e == ERR_OK; i++)
		names[i] = parked_name(p, i);
	if (e == ERR_OK) {
		cause_set(&cause);
		e = handout_take(svc, a, &ask, &job);
		cause_set(NULL);
	}
	if (e == ERR_NOTFOUND)
		p->outcome = PARKED_NOTHING;
	else
		hold_reply_job(svc, p, a, e, &job);
}

static void
kick(void)
{
	uint64_t one = 1;

	if (write(hold.kick_fd, &one, sizeof(one)) != sizeof(one))
		log_errno("cannot wake the thread that holds requests");
}

static void *
taker_main(void *arg)
{
	struct arena *a = arena_new();
	struct parked *p;

	if (a == NULL) {
		log_errno("cannot start a thread");
		exit(EXIT_FAILURE);
	}
	(void)pthread_mutex_lock(&hold.mutex);
	for (;;) {
		while ((p = parked_shift(&hold.to_take)) == NULL && !hold.stop)
			(void)pthread_cond_wait(&hold.work, &hold.mutex);
		if (p == NULL)
			break;
		(void)pthread_mutex_unlock(&hold.mutex);
		log_request(p->request_id);
		take(arg, p, a);
		log_request(NULL);
		arena_reset(a);
		(void)pthread_mutex_lock(&hold.mutex);
		parked_append(&hold.back, p);
		kick();
	}
	(void)pthread_mutex_unlock(&hold.mutex);
	arena_free(a);
	return NULL;
}

/* --- the one thread */

/* Out of the set, and no more looked at whether its client has gone. */
static void
withdraw(struct parked *p)
{
	parked_out(hold.set, p);
	(void)epoll_ctl(hold.epoll_fd, EPOLL_CTL_DEL, p->conn.fd, NULL);
}

static void
end_held(struct parked *p)
{
	withdraw(p);
	hold_reply_none(p, hold.arena);
	let_go(p);
}

/* Into the set; false: it cannot be held. */
static bool
put(struct parked *p)
{
	struct epoll_event ev = {.events = EPOLLRDHUP, .data.ptr = p};

	if (!parked_put(hold.set, p))
		return false;
	if (epoll_ctl(hold.epoll_fd, EPOLL_CTL_ADD, p->conn.fd, &ev) == 0)
		return true;
	log_errno("cannot watch a held request");
	parked_out(hold.set, p);
	return false;
}

static void
mark_all_of(struct parked *p)
{
	size_t i;

	for (i = 0; i < p->n; i++)
		parked_mark(hold.set, p->on[i].queue);
}

static void
end_if_off(struct svc *svc, struct parked *p)
{
	bool off = false;

	if (agent_is_off(svc, p->agent, &off) == ERR_OK && off)
		end_held(p);
}

static void
end_all_if_off(struct svc *svc, const char *name)
{
	struct parked *p;
	bool off = false;

	if (parked_named(hold.set, name) == NULL ||
	    agent_is_off(svc, name, &off) != ERR_OK || !off)
		return;
	while ((p = parked_named(hold.set, name)) != NULL)
		end_held(p);
}

/* What was said since its generation, when it was not in the set, it could not hear. */
static void
catch_up(struct svc *svc, struct parked *p)
{
	if (p->generation == hold_generation())
		return;
	mark_all_of(p);
	end_if_off(svc, p);
}

static void
arrive(struct svc *svc, struct parked *p)
{
	struct parked *older = parked_of(hold.set, p->agent, p->client);

	if (older != NULL)
		end_held(older);
	if (!put(p)) {
		hold_reply_none(p, hold.arena);
		let_go(p);
		return;
	}
	catch_up(svc, p);
}

/* From a taker.  That another got the job of somebody who is still there makes it no
 * younger. */
static void
come_back(struct svc *svc, struct parked *p)
{
	struct parked_queue *q = p->by;
	bool over = p->outcome == PARKED_OVER;

	q->again = q->again || over;
	if (--q->in_hand == 0 && q->again) {
		q->again = false;
		parked_mark(hold.set, q);
	}
	if (!over &&
	    (parked_of(hold.set, p->agent, p->client) != NULL || !put(p))) {
		hold_reply_none(p, hold.arena);
		over = true;
	}
	if (over)
		let_go(p);
	else
		catch_up(svc, p);
}

static void
empty_lists(struct svc *svc)
{
	struct parked_list arrived, back;
	struct parked *p;
	uint64_t n;

	if (read(hold.kick_fd, &n, sizeof(n)) == -1 && errno != EAGAIN)
		log_errno("eventfd");
	(void)pthread_mutex_lock(&hold.mutex);
	arrived = hold.arrived;
	back = hold.back;
	hold.arrived.first = hold.back.first = NULL;
	(void)pthread_mutex_unlock(&hold.mutex);
	while ((p = parked_shift(&back)) != NULL)
		come_back(svc, p);
	while ((p = parked_shift(&arrived)) != NULL)
		arrive(svc, p);
}

static void
listen_to_words(struct svc *svc)
{
	char name[WAKE_NAME_MAX + 1];
	struct parked_queue *q;
	enum wake_kind kind;

	while (wake_hear(hold.ear, &kind, name)) {
		(void)atomic_fetch_add(&hold.generation, 1);
		if (kind == WAKE_ANY)
			hold_look_all(hold.look);
		else if (kind == WAKE_QUEUE &&
			 (q = parked_queue(hold.set, name)) != NULL)
			parked_mark(hold.set, q);
		else if (kind == WAKE_AGENT)
			end_all_if_off(svc, name);
	}
}

static void
hand_over(struct parked_queue *q, struct parked *const *chosen, size_t n)
{
	size_t i;

	(void)pthread_mutex_lock(&hold.mutex);
	for (i = 0; i < n; i++) {
		withdraw(chosen[i]);
		chosen[i]->by = q;
		chosen[i]->generation = hold_generation();
		q->in_hand++;
		parked_append(&hold.to_take, chosen[i]);
		(void)pthread_cond_signal(&hold.work);
	}
	(void)pthread_mutex_unlock(&hold.mutex);
}

/* While jobs of a queue are being taken one cannot tell which are left, so it is looked
 * at again afterwards. */
static void
look_at(struct svc *svc, struct parked_queue *q)
{
	struct parked *chosen[HOLD_LOOK_CHOSEN_MAX];

	if (q->in_hand > 0)
		q->again = true;
	else
		hand_over(
		    q, chosen, hold_look_choose(hold.look, svc, q, chosen));
}

static void
end_those_due(void)
{
	int64_t now = clock_mono_ms();
	struct parked *p;

	while ((p = parked_next(hold.set)) != NULL && p->until_ms <= now)
		end_held(p);
}

/* How long nothing is to be done by itself; -1: for ever. */
static int
pause_ms(void)
{
	const struct parked *p = parked_next(hold.set);
	int64_t until = hold_look_due_ms(hold.look), now = clock_mono_ms();

	if (p != NULL && p->until_ms < until)
		until = p->until_ms;
	if (until == INT64_MAX)
		return -1;
	return until > now ? (int)(until - now) : 0;
}

/* Clients that have gone; what else has happened is left for later, since it could let
 * go of one whose event is still to come.  False when the process drains. */
static bool
wait_for_events(bool *kicked, bool *words)
{
	struct epoll_event events[EVENTS];
	bool drains = false;
	struct parked *p;
	int i, n;

	*kicked = *words = false;
	n = epoll_wait(hold.epoll_fd, events, EVENTS, pause_ms());
	for (i = 0; i < n; i++) {
		if (events[i].data.ptr == NULL) {
			drains = true;
		} else if (events[i].data.ptr == &hold.kick_fd) {
			*kicked = true;
		} else if (events[i].data.ptr == &hold.ear) {
			*words = true;
		} else {
			p = events[i].data.ptr;
			withdraw(p);
			let_go(p);
		}
	}
	return !drains;
}

static void
serve(struct svc *svc)
{
	struct parked_queue *q;
	bool kicked, words;

	while (wait_for_events(&kicked, &words)) {
		if (words)
			listen_to_words(svc);
		if (kicked)
			empty_lists(svc);
		end_those_due();
		hold_look_on(hold.look, svc);
		while ((q = parked_marked(hold.set)) != NULL)
			look_at(svc, q);
	}
}

/* 204 for all, so that the agents ask the process that comes after. */
static void
drain(void)
{
	struct parked *p;
	size_t i;

	(void)pthread_mutex_lock(&hold.mutex);
	hold.closed = true;
	hold.stop = true;
	(void)pthread_cond_broadcast(&hold.work);
	(void)pthread_mutex_unlock(&hold.mutex);
	while ((p = parked_next(hold.set)) != NULL)
		end_held(p);
	while ((p = parked_shift(&hold.arrived)) != NULL) {
		hold_reply_none(p, hold.arena);
		let_go(p);
	}
	for (i = 0; i < hold.n_takers; i++)
		(void)pthread_join(hold.takers[i], NULL);
	while ((p = parked_shift(&hold.back)) != NULL) {
		if (p->outcome == PARKED_NOTHING)
			hold_reply_none(p, hold.arena);
		let_go(p);
	}
}

void
hold_run(struct svc *svc)
{
	serve(svc);
	drain();
	wake_deafen(hold.ear);
	hold_look_free(hold.look);
	parked_set_free(hold.set);
	arena_free(hold.arena);
	(void)close(hold.epoll_fd);
}

static bool
watch(int fd, void *what)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = what};

	return epoll_ctl(hold.epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0;
}

bool
hold_prepare(struct svc *svc)
{
	struct rlimit l = {.rlim_cur = RLIM_INFINITY};

	(void)getrlimit(RLIMIT_NOFILE, &l);
	hold.most = hold_limits_room(svc->conf, l.rlim_cur);
	if ((hold.set = parked_set_new()) != NULL)
		hold.look = hold_look_new(hold.set);
	hold.arena = arena_new();
	hold.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	hold.kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (hold.look == NULL || hold.arena == NULL || hold.epoll_fd == -1 ||
	    hold.kick_fd == -1 || !watch(app_drain_fd(), NULL) ||
	    !watch(hold.kick_fd, &hold.kick_fd))
		goto err;
	if (svc->wake != NULL && wake_listen(&hold.ear, svc->wake) == ERR_OK &&
	    !watch(wake_fd(hold.ear), &hold.ear))
		goto err;
	while (hold.n_takers < TAKERS &&
	       app_thread(&hold.takers[hold.n_takers], taker_main, svc))
		hold.n_takers++;
	if (hold.n_takers == TAKERS)
		return true;
err:
	log_errno("cannot hold requests");
	return false;
}

/* --- from the workers */

static struct parked *
new_parked(struct req *r, const struct hold_poll *poll)
{
	struct parked *p = parked_new(poll->agent, poll->queues, poll->n);

	if (p == NULL)
		return NULL;
	if (r->caller.client_id != NULL &&
	    (p->client = strdup(r->caller.client_id)) == NULL) {
		parked_free(NULL, p);
		return NULL;
	}
	if (r->cause.connection != NULL)
		(void)snprintf(p->connection, sizeof(p->connection), "%s",
		    r->cause.connection);
	p->applied_s = poll->applied_s;
	p->until_ms = clock_mono_ms() + poll->wait_s * 1000;
	p->generation = poll->generation;
	(void)snprintf(p->request_id, sizeof(p->request_id), "%s", req_id(r));
	return p;
}

bool
hold_request(struct svc *svc, struct req *r, const struct hold_poll *poll)
{
	struct parked *p = NULL;
	bool closed, off = true;

	if (app_short_of_files() ||
	    agent_is_off(svc, poll->agent, &off) != ERR_OK || off)
		return false;
	if (atomic_fetch_add(&hold.held, 1) >= hold.most || app_stopping() ||
	    (p = new_parked(r, poll)) == NULL || !req_detach(r, &p->conn)) {
		(void)atomic_fetch_sub(&hold.held, 1);
		if (p != NULL)
			parked_free(NULL, p);
		return false;
	}
	(void)pthread_mutex_lock(&hold.mutex);
	closed = hold.closed;
	if (!closed) {
		parked_append(&hold.arrived, p);
		kick();
	}
	(void)pthread_mutex_unlock(&hold.mutex);
	if (closed) {
		hold_reply_none(p, r->arena);
		parked_free(NULL, p);
	}
	return true;
}
