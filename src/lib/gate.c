/* Places in a stack, waiting threads in a stack. */

#include "gate.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdlib.h>

#define NOWHERE (-1)

struct waiter {
	struct waiter *next;
	sem_t called; /* a thread that is called need not come by the lock */
	int place;
};

struct gate {
	pthread_mutex_t lock;
	struct waiter *waiting;
	bool closed;
	unsigned n_free;
	int free[];
};

static unsigned threads = 64;

static _Thread_local struct gate *inside;
static _Thread_local int held = NOWHERE;
static _Thread_local struct waiter self;

struct gate *
gate_new(unsigned n)
{
	struct gate *g = malloc(sizeof(*g) + n * sizeof(g->free[0]));
	unsigned i;

	if (g == NULL)
		return NULL;
	(void)pthread_mutex_init(&g->lock, NULL);
	g->waiting = NULL;
	g->closed = false;
	g->n_free = n;
	for (i = 0; i < n; i++)
		g->free[i] = (int)(n - 1 - i);
	return g;
}

void
gate_free(struct gate *g)
{
	if (g == NULL)
		return;
	(void)pthread_mutex_destroy(&g->lock);
	free(g);
}

/* With the lock held, which is given up: until somebody calls. */
static int
wait_for_call(struct gate *g)
{
	(void)sem_init(&self.called, 0, 0);
	self.place = NOWHERE;
	self.next = g->waiting;
	g->waiting = &self;
	(void)pthread_mutex_unlock(&g->lock);
	while (sem_wait(&self.called) == -1)
		continue; /* a signal */
	(void)sem_destroy(&self.called);
	return self.place;
}

int
gate_enter(struct gate *g)
{
	if (held != NOWHERE)
		return held;
	inside = g;
	(void)pthread_mutex_lock(&g->lock);
	if (!g->closed && g->n_free == 0) {
		held = wait_for_call(g);
		return held;
	}
	if (!g->closed)
		held = g->free[--g->n_free];
	(void)pthread_mutex_unlock(&g->lock);
	return held;
}

void
gate_leave(void)
{
	struct gate *g = inside;
	struct waiter *w;

	if (held == NOWHERE)
		return;
	(void)pthread_mutex_lock(&g->lock);
	w = g->waiting;
	if (w != NULL)
		g->waiting = w->next;
	else
		g->free[g->n_free++] = held;
	(void)pthread_mutex_unlock(&g->lock);
	if (w != NULL) {
		w->place = held;
		(void)sem_post(&w->called);
	}
	held = NOWHERE;
}

void
gate_close(struct gate *g)
{
	struct waiter *w, *next;

	(void)pthread_mutex_lock(&g->lock);
	g->closed = true;
	w = g->waiting;
	g->waiting = NULL;
	(void)pthread_mutex_unlock(&g->lock);
	for (; w != NULL; w = next) {
		next = w->next;
		(void)sem_post(&w->called);
	}
}

void
gate_set_threads(unsigned n)
{
	threads = n;
}

unsigned
gate_share(unsigned part)
{
	return threads > part ? threads / part : 1;
}

unsigned
gate_rest(unsigned part)
{
	unsigned share = gate_share(part);

	return threads > share ? threads - share : 1;
}
