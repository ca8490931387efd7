/* A few, so that their commits make one group. */

#include "hold_takers.h"

#include <pthread.h>
#include <stdlib.h>

#include "agent.h"
#include "app.h"
#include "cause.h"
#include "handout.h"
#include "hold.h"
#include "hold_reply.h"
#include "http_fcgi.h"
#include "log.h"
#include "parked.h"

#define TAKERS 8

static struct {
	pthread_t threads[TAKERS];
	size_t n;
	pthread_mutex_t mutex; /* of everything below */
	pthread_cond_t work;
	struct parked_list to_take;
	bool stop; /* when there is nothing more to take */
} takers = {
    .mutex = PTHREAD_MUTEX_INITIALIZER,
    .work = PTHREAD_COND_INITIALIZER,
};

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

static void *
taker_main(void *arg)
{
	struct arena *a = arena_new();
	struct parked *p;

	if (a == NULL) {
		log_errno("cannot start a thread");
		exit(EXIT_FAILURE);
	}
	(void)pthread_mutex_lock(&takers.mutex);
	for (;;) {
		while (
		    (p = parked_shift(&takers.to_take)) == NULL && !takers.stop)
			(void)pthread_cond_wait(&takers.work, &takers.mutex);
		if (p == NULL)
			break;
		(void)pthread_mutex_unlock(&takers.mutex);
		log_request(p->request_id);
		take(arg, p, a);
		log_request(NULL);
		arena_reset(a);
		hold_back(p);
		(void)pthread_mutex_lock(&takers.mutex);
	}
	(void)pthread_mutex_unlock(&takers.mutex);
	arena_free(a);
	return NULL;
}

bool
hold_takers_start(struct svc *svc)
{
	while (takers.n < TAKERS &&
	       app_thread(&takers.threads[takers.n], taker_main, svc))
		takers.n++;
	return takers.n == TAKERS;
}

void
hold_takers_give(struct parked_list *l)
{
	struct parked *p;

	(void)pthread_mutex_lock(&takers.mutex);
	while ((p = parked_shift(l)) != NULL) {
		parked_append(&takers.to_take, p);
		(void)pthread_cond_signal(&takers.work);
	}
	(void)pthread_mutex_unlock(&takers.mutex);
}

void
hold_takers_stop(void)
{
	size_t i;

	(void)pthread_mutex_lock(&takers.mutex);
	takers.stop = true;
	(void)pthread_cond_broadcast(&takers.work);
	(void)pthread_mutex_unlock(&takers.mutex);
	for (i = 0; i < takers.n; i++)
		(void)pthread_join(takers.threads[i], NULL);
}
