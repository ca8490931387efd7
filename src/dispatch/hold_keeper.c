/*
 * One thread has all that is held, and never waits for the disk or for a client: it
 * hears of changes, looks which of the held requests there is a job for, tells that those who
 * wait are there, and ends those whose time is over.  For which there is a job it gives to a few
 * threads that take jobs, whose commits then make one group, and gets back for which there was
 * none any more.
 */

#include "hold_keeper.h"

#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent.h"
#include "app.h"
#include "clock.h"
#include "hold.h"
#include "hold_limits.h"
#include "hold_look.h"
#include "hold_reply.h"
#include "hold_signs.h"
#include "hold_takers.h"
#include "log.h"
#include "parked.h"

#define EVENTS 256

static struct {
	struct parked_set *set;
	struct wake_ear *ear; /* NULL: nobody tells us anything */
	int epoll_fd;
	int come_fd; /* of hold.h */
	struct arena *arena;
	struct hold_look *look;
	struct hold_signs signs;
} keeper = {.epoll_fd = -1};

static void
let_go(struct parked *p)
{
	if (p->conn.fd != -1)
		(void)close(p->conn.fd);
	parked_free(keeper.set, p);
	hold_gone();
}

/* Out of the set, and no more looked at whether its client has gone. */
static void
withdraw(struct parked *p)
{
	parked_out(keeper.set, p);
	(void)epoll_ctl(keeper.epoll_fd, EPOLL_CTL_DEL, p->conn.fd, NULL);
}

static void
end_held(struct parked *p)
{
	withdraw(p);
	hold_reply_none(p, keeper.arena);
	let_go(p);
}

/* Into the set; false: it cannot be held. */
static bool
put(struct parked *p)
{
	struct epoll_event ev = {.events = EPOLLRDHUP, .data.ptr = p};

	if (!parked_put(keeper.set, p))
		return false;
	if (epoll_ctl(keeper.epoll_fd, EPOLL_CTL_ADD, p->conn.fd, &ev) == 0)
		return true;
	log_errno("cannot watch a held request");
	parked_out(keeper.set, p);
	return false;
}

static void
mark_all_of(struct parked *p)
{
	size_t i;

	for (i = 0; i < p->n; i++)
		parked_mark(keeper.set, p->on[i].queue);
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

	if (parked_named(keeper.set, name) == NULL ||
	    agent_is_off(svc, name, &off) != ERR_OK || !off)
		return;
	while ((p = parked_named(keeper.set, name)) != NULL)
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
	struct parked *older = parked_of(keeper.set, p->agent, p->client);

	if (older != NULL)
		end_held(older);
	if (!put(p)) {
		hold_reply_none(p, keeper.arena);
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
		parked_mark(keeper.set, q);
	}
	if (!over &&
	    (parked_of(keeper.set, p->agent, p->client) != NULL || !put(p))) {
		hold_reply_none(p, keeper.arena);
		over = true;
	}
	if (over)
		let_go(p);
	else
		catch_up(svc, p);
}

static void
take_in(struct svc *svc)
{
	struct parked_list arrived, back;
	struct parked *p;

	hold_take_in(&arrived, &back);
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

	while (wake_hear(keeper.ear, &kind, name)) {
		hold_heard();
		if (kind == WAKE_ANY)
			hold_look_all(keeper.look);
		else if (kind == WAKE_QUEUE &&
			 (q = parked_queue(keeper.set, name)) != NULL)
			parked_mark(keeper.set, q);
		else if (kind == WAKE_AGENT)
			end_all_if_off(svc, name);
	}
}

static void
hand_over(struct parked_queue *q, struct parked *const *chosen, size_t n)
{
	struct parked_list l = {.first = NULL};
	size_t i;

	for (i = 0; i < n; i++) {
		withdraw(chosen[i]);
		chosen[i]->by = q;
		chosen[i]->generation = hold_generation();
		q->in_hand++;
		parked_append(&l, chosen[i]);
	}
	hold_takers_give(&l);
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
		    q, chosen, hold_look_choose(keeper.look, svc, q, chosen));
}

static void
end_those_due(void)
{
	int64_t now = clock_mono_ms();
	struct parked *p;

	while ((p = parked_next(keeper.set)) != NULL && p->until_ms <= now)
		end_held(p);
}

/* How long nothing is to be done by itself; -1: for ever. */
static int
pause_ms(void)
{
	const struct parked *p = parked_next(keeper.set);
	int64_t until = hold_look_due_ms(keeper.look), now = clock_mono_ms();
	int64_t signs = hold_signs_due_ms(&keeper.signs);

	if (signs < until)
		until = signs;
	if (p != NULL && p->until_ms < until)
		until = p->until_ms;
	if (until == INT64_MAX)
		return -1;
	return until > now ? (int)(until - now) : 0;
}

/* Clients that have gone; what else has happened is left for later, since it could let
 * go of one whose event is still to come.  False when the process drains. */
static bool
wait_for_events(bool *come, bool *words)
{
	struct epoll_event events[EVENTS];
	bool drains = false;
	struct parked *p;
	int i, n;

	*come = *words = false;
	n = epoll_wait(keeper.epoll_fd, events, EVENTS, pause_ms());
	for (i = 0; i < n; i++) {
		if (events[i].data.ptr == NULL) {
			drains = true;
		} else if (events[i].data.ptr == &keeper.come_fd) {
			*come = true;
		} else if (events[i].data.ptr == &keeper.ear) {
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
	bool come, words;

	while (wait_for_events(&come, &words)) {
		if (words)
			listen_to_words(svc);
		if (come)
			take_in(svc);
		end_those_due();
		hold_signs_on(&keeper.signs, svc);
		hold_look_on(keeper.look, svc);
		while ((q = parked_marked(keeper.set)) != NULL)
			look_at(svc, q);
	}
}

static void
end_those_who_come(void)
{
	struct parked_list arrived, back;
	struct parked *p;

	hold_take_in(&arrived, &back);
	while ((p = parked_shift(&arrived)) != NULL) {
		hold_reply_none(p, keeper.arena);
		let_go(p);
	}
	while ((p = parked_shift(&back)) != NULL) {
		if (p->outcome == PARKED_NOTHING)
			hold_reply_none(p, keeper.arena);
		let_go(p);
	}
}

/* 204 for all, so that the agents ask the process that comes after. */
static void
drain(void)
{
	struct parked *p;

	hold_close();
	while ((p = parked_next(keeper.set)) != NULL)
		end_held(p);
	end_those_who_come();
	hold_takers_stop();
	end_those_who_come();
}

void
hold_keeper_run(struct svc *svc)
{
	serve(svc);
	drain();
	wake_deafen(keeper.ear);
	hold_look_free(keeper.look);
	parked_set_free(keeper.set);
	arena_free(keeper.arena);
	(void)close(keeper.epoll_fd);
}

static bool
watch(int fd, void *what)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = what};

	return epoll_ctl(keeper.epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0;
}

bool
hold_keeper_prepare(struct svc *svc)
{
	struct rlimit l = {.rlim_cur = RLIM_INFINITY};

	(void)getrlimit(RLIMIT_NOFILE, &l);
	if (!hold_open(hold_limits_room(svc->conf, l.rlim_cur)))
		goto err;
	keeper.come_fd = hold_fd();
	if ((keeper.set = parked_set_new()) != NULL)
		keeper.look = hold_look_new(keeper.set);
	keeper.signs.set = keeper.set;
	keeper.arena = arena_new();
	keeper.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (keeper.look == NULL || keeper.arena == NULL ||
	    keeper.epoll_fd == -1 || !watch(app_drain_fd(), NULL) ||
	    !watch(keeper.come_fd, &keeper.come_fd))
		goto err;
	if (svc->wake != NULL &&
	    wake_listen(&keeper.ear, svc->wake) == ERR_OK &&
	    !watch(wake_fd(keeper.ear), &keeper.ear))
		goto err;
	if (hold_takers_start(svc))
		return true;
err:
	log_errno("cannot hold requests");
	return false;
}
